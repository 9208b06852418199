package handover

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"sort"

	"github.com/rackwright/rackwright/inventory"
)

// VerifyPackage proves a package with nothing but its bytes and the keys one
// trusts: no network, no server. Every check stands in the report; the first
// broken link is named with its entry. It never returns "verified" for a
// signer nobody vouches for, and it never takes the certificate's word for a
// gate: the law judges the evidence in the package again.
func VerifyPackage(r io.ReaderAt, size int64, trust Trust) Report {
	report := Report{Signer: SignerUnknown}
	content, err := unzip(r, size)
	if !report.check("zip", entryOf(err, ""), err) {
		return report
	}
	m, err := signedList(content, &report, trust)
	if !report.check("signature", entryOf(err, entrySignature), err) {
		return report
	}
	report.Rack = m.Rack
	err = checkEntries(content, m)
	if !report.check("entries", entryOf(err, entryManifest), err) {
		return report
	}
	cert, err := certificateOf(content, m)
	if !report.check("certificate", entryOf(err, entryCertificate), err) {
		return report
	}
	report.Certificate, report.Notices = &cert, cert.Notices
	verifyRecord(content, m, cert, &report)
	return report
}

// signedList checks the signature first: an entry list nobody signed proves nothing.
func signedList(content map[string][]byte, report *Report, trust Trust) (Manifest, error) {
	for _, name := range []string{entryManifest, entrySignature, entryKey} {
		if _, ok := content[name]; !ok {
			return Manifest{}, badEntry(name, "entry is missing")
		}
	}
	key, err := readKey(content[entryKey])
	if err != nil {
		return Manifest{}, &entryError{entry: entryKey, err: err}
	}
	signature := content[entrySignature]
	if len(signature) != ed25519.SignatureSize {
		return Manifest{}, badEntry(entrySignature, "has %d bytes, an ed25519 signature has %d", len(signature), ed25519.SignatureSize)
	}
	if !ed25519.Verify(key, content[entryManifest], signature) {
		return Manifest{}, blame(content, key)
	}
	var m Manifest
	if err := readCanonical(content[entryManifest], &m); err != nil {
		return m, &entryError{entry: entryManifest, err: err}
	}
	if m.Schema != SchemaVersion {
		return m, badEntry(entryManifest, "schema %d is not %d; use the release that wrote it or a newer one", m.Schema, SchemaVersion)
	}
	if m.Key != Fingerprint(key) {
		return m, badEntry(entryManifest, "names key %s, key.pem is %s", m.Key, Fingerprint(key))
	}
	report.Key = m.Key
	if trust.knows(key) {
		report.Signer = SignerKnown
	}
	return m, nil
}

// blame says which of list, signature and key was changed. The list follows
// from the other entries: when it is what they give, the signature is wrong.
func blame(content map[string][]byte, key ed25519.PublicKey) error {
	var m Manifest
	if err := readCanonical(content[entryManifest], &m); err != nil {
		return badEntry(entryManifest, "signature does not match, and the list cannot be read (%v)", err)
	}
	for _, e := range m.Entries {
		if e.Name == entryKey && e.Digest != inventory.DigestOf(content[entryKey]) && m.Key != Fingerprint(key) {
			return badEntry(entryKey, "is not the key the list names")
		}
	}
	var cert Certificate
	entries, err := readEvents(content[entryEvents])
	if err != nil || readCanonical(content[entryCertificate], &cert) != nil {
		return badEntry(entrySignature, "does not match manifest.json; other entries cannot be read either")
	}
	if again, err := canonical(describe(content, cert, entries, key)); err != nil || !bytes.Equal(again, content[entryManifest]) {
		return badEntry(entryManifest, "was changed: the signature does not match, and the other entries give another list")
	}
	return badEntry(entrySignature, "does not match manifest.json")
}

// checkEntries compares the zip with the signed list, both ways.
func checkEntries(content map[string][]byte, m Manifest) error {
	listed := map[string]bool{entryManifest: true, entrySignature: true}
	for i, e := range m.Entries {
		raw, ok := content[e.Name]
		switch {
		case !knownEntry(e.Name) || listed[e.Name] || i > 0 && m.Entries[i-1].Name > e.Name:
			return badEntry(entryManifest, "lists %q wrongly", e.Name)
		case !ok:
			return badEntry(e.Name, "entry is missing")
		case int64(len(raw)) != e.Size || inventory.DigestOf(raw) != e.Digest:
			return badEntry(e.Name, "was changed: digest is %s, signed is %s", inventory.DigestOf(raw), e.Digest)
		case evidenceEntry.MatchString(e.Name) && evidenceName(e.Digest) != e.Name:
			return badEntry(e.Name, "content has digest %s, not the one it is named by", e.Digest)
		}
		listed[e.Name] = true
	}
	names := make([]string, 0, len(content))
	for name := range content {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if !listed[name] {
			return badEntry(name, "entry is not in the signed list")
		}
	}
	for _, name := range []string{entryKey, entrySums, entryReadme, entryCertificate, entryHTML, entryInventory, entryFindings, entryWaivers, entryEvents, entryPeople, entryType, entryComponents} {
		if !listed[name] {
			return badEntry(name, "entry is missing")
		}
	}
	if !bytes.Equal(content[entrySums], sums(m.Entries)) {
		return badEntry(entrySums, "differs from manifest.json")
	}
	return nil
}

// certificateOf reads the certificate and checks its own signature and rules.
func certificateOf(content map[string][]byte, m Manifest) (Certificate, error) {
	var cert Certificate
	if err := readCanonical(content[entryCertificate], &cert); err != nil {
		return cert, &entryError{entry: entryCertificate, err: err}
	}
	key, err := readKey(content[entryKey])
	if err != nil {
		return cert, &entryError{entry: entryKey, err: err}
	}
	if err := cert.Verify(key); err != nil {
		return cert, &entryError{entry: entryCertificate, err: err}
	}
	if m.Certificate != inventory.DigestOf(content[entryCertificate]) || m.Rack != cert.Rack.Name || m.TypeDigest != cert.TypeDigest ||
		m.Law != cert.Law || m.Simulated != cert.Simulated || fmt.Sprint(m.Notices) != fmt.Sprint(cert.Notices) {
		return cert, badEntry(entryManifest, "differs from the certificate")
	}
	return cert, nil
}
