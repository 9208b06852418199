package handover

import (
	"archive/zip"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// WritePackage writes the package of an issued certificate. The case is the one
// the certificate was drafted from; its Entries may reach beyond the head, so
// that the approvals are in the chain. The same input gives the same bytes:
// entries are sorted, stored uncompressed and carry the time of issue.
func WritePackage(w io.Writer, cert Certificate, c Case, key ed25519.PrivateKey) error {
	if len(key) != ed25519.PrivateKeySize {
		return fmt.Errorf("write package: the signing key has %d bytes, want %d: %w", len(key), ed25519.PrivateKeySize, inventory.ErrInvalid)
	}
	if err := cert.Verify(key.Public().(ed25519.PublicKey)); err != nil {
		return fmt.Errorf("write package: %w", err)
	}
	draft, err := Draft(c)
	if err != nil {
		return fmt.Errorf("write package: %w", err)
	}
	want, err := draft.Digest()
	if err != nil {
		return err
	}
	if got, err := cert.Digest(); err != nil || got != want {
		return fmt.Errorf("write package: the case gives draft %s, the certificate is of %s: %w", want, got, inventory.ErrConflict)
	}
	content, err := contents(cert, c)
	if err != nil {
		return fmt.Errorf("write package of %s: %w", cert.Rack.Name, err)
	}
	return seal(w, content, cert, c.Entries, key)
}

// contents are all entries but the signed list.
func contents(cert Certificate, c Case) (map[string][]byte, error) {
	out := map[string][]byte{entryType: c.TypeDocument, entryReadme: []byte(readme)}
	var err error
	add := func(name string, make func() ([]byte, error)) {
		if err != nil {
			return
		}
		raw, failed := make()
		if failed != nil {
			err = fmt.Errorf("entry %s: %w", name, failed)
			return
		}
		out[name] = raw
	}
	add(entryCertificate, func() ([]byte, error) { return canonical(cert) })
	add(entryComponents, func() ([]byte, error) { return canonical(partsOf(c)) })
	add(entryHTML, func() ([]byte, error) { return page(cert) })
	add(entryInventory, func() ([]byte, error) { return asBuilt(c) })
	add(entryFindings, func() ([]byte, error) { return canonical(listOf(c.Findings)) })
	add(entryWaivers, func() ([]byte, error) { return canonical(listOf(c.Waivers)) })
	add(entryEvents, func() ([]byte, error) { return writeEvents(c.Entries) })
	add(entryPeople, func() ([]byte, error) { return canonical(people(c, cert)) })
	for _, e := range c.Evidence {
		raw, failed := canonical(e)
		if failed != nil {
			return nil, fmt.Errorf("evidence %s: %w", e.ID, failed)
		}
		out[evidenceName(inventory.DigestOf(raw))] = raw
		if e.Document != "" {
			out[evidenceName(e.Document)] = c.Documents[e.Document]
		}
		for _, d := range e.Cites {
			if doc, ok := c.Documents[d]; ok { // images are cited by digest only
				out[evidenceName(d)] = doc
			}
		}
	}
	return out, err
}

func evidenceName(d inventory.Digest) string { return evidenceDir + d.Hex() + ".json" }

// partList is one value of components.json: what was ordered and what was seen.
type partList struct {
	Expected []inventory.Component `json:"expected,omitempty"`
	Observed []inventory.Component `json:"observed,omitempty"`
}

func partsOf(c Case) map[inventory.NodeID]partList {
	out := make(map[inventory.NodeID]partList, len(c.Nodes))
	for _, n := range c.Nodes {
		out[n.ID] = partList{Expected: c.Expected[n.ID], Observed: c.Observed[n.ID]}
	}
	return out
}

// listOf keeps an empty list from becoming null.
func listOf[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// people are the names of everybody the package names, and nothing else of them.
func people(c Case, cert Certificate) map[inventory.PersonID]string {
	out := map[inventory.PersonID]string{}
	names := c.names()
	use := func(id inventory.PersonID) {
		if name, ok := names[id]; ok {
			out[id] = name
		}
	}
	for _, e := range c.Entries {
		use(inventory.PersonID(e.By))
	}
	for _, e := range c.Evidence {
		use(inventory.PersonID(e.By))
	}
	for _, w := range c.Waivers {
		use(w.Requester)
		use(w.Approver)
	}
	for _, a := range cert.Approvals {
		out[a.Person] = a.Name
	}
	return out
}

// seal adds key, sums, manifest and signature, and writes the zip.
func seal(w io.Writer, content map[string][]byte, cert Certificate, entries []inventory.Entry, key ed25519.PrivateKey) error {
	public := key.Public().(ed25519.PublicKey)
	var err error
	if content[entryKey], err = keyPEM(public); err != nil {
		return err
	}
	delete(content, entrySums)
	content[entrySums] = sums(list(content))
	signed, err := canonical(describe(content, cert, entries, public))
	if err != nil {
		return err
	}
	content[entryManifest] = signed
	content[entrySignature] = ed25519.Sign(key, signed)
	return writeZip(w, content, cert.IssuedAt)
}

// describe is the list of everything in a package.
func describe(content map[string][]byte, cert Certificate, entries []inventory.Entry, key ed25519.PublicKey) Manifest {
	m := Manifest{Schema: SchemaVersion, Rack: cert.Rack.Name, TypeDigest: cert.TypeDigest, Certificate: inventory.DigestOf(content[entryCertificate]),
		Law: cert.Law, Key: Fingerprint(key), Simulated: cert.Simulated, Notices: cert.Notices, Entries: list(content)}
	if n := len(entries); n > 0 {
		m.Head = Head{Seq: entries[n-1].Seq, Hash: entries[n-1].Hash}
	}
	return m
}

// list describes every entry but manifest and signature, sorted by name.
func list(content map[string][]byte) []ManifestEntry {
	out := make([]ManifestEntry, 0, len(content))
	for name, raw := range content {
		if name != entryManifest && name != entrySignature {
			out = append(out, ManifestEntry{Name: name, Size: int64(len(raw)), Digest: inventory.DigestOf(raw)})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func writeZip(w io.Writer, content map[string][]byte, at time.Time) error {
	names := make([]string, 0, len(content))
	total := 0
	for name, raw := range content {
		names = append(names, name)
		if total += len(raw); len(raw) > maxEntry || total > maxTotal || len(names) > maxEntries {
			return fmt.Errorf("entry %s: the package grows beyond what VerifyPackage reads (%d bytes an entry, %d in all, %d entries): %w",
				name, maxEntry, maxTotal, maxEntries, inventory.ErrInvalid)
		}
	}
	sort.Strings(names)
	z := zip.NewWriter(w)
	for _, name := range names {
		raw := content[name]
		h := &zip.FileHeader{Name: name, Method: zip.Store, Modified: at.UTC().Truncate(2 * time.Second),
			CRC32: crc32.ChecksumIEEE(raw), CompressedSize64: uint64(len(raw)), UncompressedSize64: uint64(len(raw))}
		h.SetMode(0o644)
		// Raw: sizes stand before the bytes, so the same content gives the same file.
		entry, err := z.CreateRaw(h)
		if err != nil {
			return fmt.Errorf("write entry %s: %w", name, err)
		}
		if _, err := entry.Write(raw); err != nil {
			return fmt.Errorf("write entry %s: %w", name, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write package: %w", err)
	}
	return nil
}

// resign replaces the signature of a certificate; attack.go forges with it.
func resign(cert *Certificate, key ed25519.PrivateKey) error {
	cert.Key, cert.Signature = Fingerprint(key.Public().(ed25519.PublicKey)), ""
	raw, err := canonical(cert)
	if err != nil {
		return err
	}
	cert.Signature = hex.EncodeToString(ed25519.Sign(key, raw))
	return nil
}
