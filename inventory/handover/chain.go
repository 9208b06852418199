package handover

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rackwright/rackwright/inventory"
)

// checkChain recomputes a chain from its first entry and looks for the head in it.
func checkChain(entries []inventory.Entry, chain string, head Head) error {
	var prev inventory.Digest
	found := false
	for i, e := range entries {
		want := uint64(i) + 1
		switch {
		case e.Chain != chain:
			return fmt.Errorf("entry %d belongs to chain %s, want %s: %w", want, e.Chain, chain, inventory.ErrInvalid)
		case e.Seq != want:
			return fmt.Errorf("entry %d is numbered %d; entries are missing or out of order: %w", want, e.Seq, inventory.ErrInvalid)
		case e.Prev != prev:
			return fmt.Errorf("entry %d does not follow entry %d: %w", want, want-1, inventory.ErrInvalid)
		case inventory.ChainHash(e) != e.Hash:
			return fmt.Errorf("entry %d was changed: its hash does not match: %w", want, inventory.ErrInvalid)
		}
		prev = e.Hash
		if e.Seq == head.Seq {
			if e.Hash != head.Hash {
				return fmt.Errorf("entry %d is not the head %s: %w", want, head.Hash, inventory.ErrInvalid)
			}
			found = true
		}
	}
	if !found {
		return fmt.Errorf("chain has %d entries and does not reach its head, number %d: %w", len(entries), head.Seq, inventory.ErrInvalid)
	}
	return nil
}

// writeEvents writes one entry per line. HTML escaping is off: it would change
// the bodies' bytes, which the hashes cover.
func writeEvents(entries []inventory.Entry) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, e := range entries {
		if err := enc.Encode(e); err != nil {
			return nil, fmt.Errorf("write entry %d: %w", e.Seq, err)
		}
	}
	return out.Bytes(), nil
}

func readEvents(raw []byte) ([]inventory.Entry, error) {
	var out []inventory.Entry
	r := bufio.NewReader(bytes.NewReader(raw))
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("line %d does not end: %w", len(out)+1, inventory.ErrInvalid)
		}
		var e inventory.Entry
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(out)+1, err)
		}
		again, err := writeEvents([]inventory.Entry{e})
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(again, line) {
			return nil, fmt.Errorf("line %d holds more than the entry says: %w", len(out)+1, inventory.ErrInvalid)
		}
		out = append(out, e)
	}
}
