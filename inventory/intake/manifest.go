package intake

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Options are what the reader of a manifest knows besides the document.
type Options struct {
	Types    []inventory.RackType // rack types the document may name; nil means the embedded ones
	RackType string               // type of a rack that names none; "" makes that a fault
	Site     string               // site of a rack that names none
}

// ParseManifest reads a manifest of our own schema (YAML or JSON) or CSV
// against the embedded rack types. Bad rows are in Manifest.Faults; good rows
// are kept. It returns an error wrapping [inventory.ErrInvalid] only when the
// document as a whole cannot be read; the faults found so far are returned with it.
func ParseManifest(r io.Reader) (inventory.Manifest, error) {
	m, _, err := ReadManifest(r, Options{})
	return m, err
}

// ReadManifest is ParseManifest with options. It also returns the kept copy:
// the document as received, or with its passwords blanked when it had any.
// Manifest.Source is the digest of that copy. A document that differs in its
// passwords only therefore has the same digest.
func ReadManifest(r io.Reader, options Options) (inventory.Manifest, []byte, error) {
	raw, err := readAll(r, MaxBytes)
	if err != nil {
		return inventory.Manifest{}, nil, err
	}
	text, err := decodeText(raw)
	if err != nil {
		return inventory.Manifest{}, nil, err
	}
	if strings.TrimSpace(text) == "" {
		return inventory.Manifest{}, nil, fmt.Errorf("document is empty: %w", inventory.ErrInvalid)
	}
	if options.Types == nil {
		if options.Types, err = RackTypes(); err != nil {
			return inventory.Manifest{}, nil, err
		}
	}
	read := readDocument
	if isTable(text) {
		read = readTable
	}
	in, kept, err := read(text, raw)
	if err != nil {
		return inventory.Manifest{Faults: in.faults}, kept, err
	}
	if n := in.count(); n > MaxRows {
		return inventory.Manifest{}, kept, fmt.Errorf("document has %d rows; split it into files of at most %d: %w", n, MaxRows, inventory.ErrInvalid)
	}
	m := build(in, options)
	m.Source = inventory.DigestOf(kept)
	sort.SliceStable(m.Faults, func(i, j int) bool { return m.Faults[i].Row < m.Faults[j].Row })
	return m, kept, nil
}
