package handover

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"sort"

	"github.com/rackwright/rackwright/inventory"
)

// reseal writes certificate, key, sums, list and signature anew, so that every
// digest and every signature of the forgery is right.
func reseal(content map[string][]byte, key ed25519.PrivateKey, change func(*Certificate) error) error {
	var cert Certificate
	if err := readCanonical(content[entryCertificate], &cert); err != nil {
		return err
	}
	if change != nil {
		if err := change(&cert); err != nil {
			return err
		}
	}
	if err := reapprove(&cert); err != nil {
		return err
	}
	if err := resign(&cert, key); err != nil {
		return err
	}
	var err error
	if content[entryCertificate], err = canonical(cert); err != nil {
		return err
	}
	entries, err := readEvents(content[entryEvents])
	if err != nil {
		return err
	}
	delete(content, entryManifest)
	delete(content, entrySignature)
	var out bytes.Buffer
	if err := seal(&out, content, cert, entries, key); err != nil {
		return err
	}
	return nil
}

// cutChain keeps the first entries of the chain; -1 drops the last one.
func cutChain(content map[string][]byte, keep int) error {
	lines := bytes.SplitAfter(content[entryEvents], []byte("\n"))
	lines = lines[:len(lines)-1] // behind the last line stands nothing
	if keep < 0 {
		keep = len(lines) - 1
	}
	if keep < 1 || keep >= len(lines) {
		return fmt.Errorf("chain of %d entries cannot be cut to %d: %w", len(lines), keep, inventory.ErrNotFound)
	}
	content[entryEvents] = bytes.Join(lines[:keep], nil)
	return nil
}

// rewriteEvent changes who did something and leaves the hash.
func rewriteEvent(content map[string][]byte) error {
	entries, err := readEvents(content[entryEvents])
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("chain is empty: %w", inventory.ErrNotFound)
	}
	entries[0].By += "x"
	content[entryEvents], err = writeEvents(entries)
	return err
}

// swapEvidence exchanges the content of two evidence entries.
func swapEvidence(content map[string][]byte) error {
	var names []string
	for name := range content {
		if evidenceEntry.MatchString(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if len(names) < 2 {
		return fmt.Errorf("fewer than two evidence entries: %w", inventory.ErrNotFound)
	}
	content[names[0]], content[names[1]] = content[names[1]], content[names[0]]
	return nil
}

// failEvidence turns one passed row into a failed one, everywhere but in the gates.
func failEvidence(content map[string][]byte, c *Certificate) error {
	for _, g := range c.Gates {
		if g.Row == "" || g.Result != inventory.ResultPass {
			continue
		}
		var e inventory.Evidence
		if err := readCanonical(content[evidenceName(g.Row)], &e); err != nil {
			return err
		}
		e.Result = inventory.ResultFail
		changed, err := canonical(e)
		if err != nil {
			return err
		}
		digest := inventory.DigestOf(changed)
		delete(content, evidenceName(g.Row))
		content[evidenceName(digest)] = changed
		for i, d := range c.Evidence {
			if d == g.Row {
				c.Evidence[i] = digest
			}
		}
		for i := range c.Gates {
			if c.Gates[i].Row == g.Row {
				c.Gates[i].Row = digest
			}
		}
		return nil
	}
	return fmt.Errorf("no gate passed by evidence: %w", inventory.ErrNotFound)
}

// forgeZip writes any names, in order, one of them twice if asked.
func forgeZip(w io.Writer, p *raw) error {
	names := make([]string, 0, len(p.content)+1)
	for name := range p.content {
		names = append(names, name)
	}
	sort.Strings(names)
	if p.twice != "" {
		names = append(names, p.twice)
	}
	z := zip.NewWriter(w)
	for _, name := range names {
		entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return fmt.Errorf("forge entry %s: %w", name, err)
		}
		if _, err := entry.Write(p.content[name]); err != nil {
			return fmt.Errorf("forge entry %s: %w", name, err)
		}
	}
	return z.Close()
}
