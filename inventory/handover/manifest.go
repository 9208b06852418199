package handover

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Names of the entries every package has.
const (
	entryManifest    = "manifest.json"
	entrySignature   = "manifest.sig"
	entryKey         = "key.pem"
	entrySums        = "SHA256SUMS"
	entryReadme      = "README"
	entryCertificate = "certificate.json"
	entryHTML        = "certificate.html"
	entryInventory   = "inventory.csv"
	entryFindings    = "findings.json"
	entryWaivers     = "waivers.json"
	entryEvents      = "events.jsonl"
	entryPeople      = "people.json"
	entryType        = "racktype.json"
	entryComponents  = "components.json"
	evidenceDir      = "evidence/"
)

// Manifest is the signed list of a package's entries. manifest.sig is the
// ed25519 signature over the bytes of manifest.json.
type Manifest struct {
	Schema      int              `json:"schema"`
	Rack        string           `json:"rack"`
	TypeDigest  inventory.Digest `json:"typeDigest"`
	Certificate inventory.Digest `json:"certificate"` // digest of certificate.json
	Head        Head             `json:"head"`        // newest entry of events.jsonl
	Law         string           `json:"law"`
	Key         inventory.Digest `json:"key"` // fingerprint of the signer
	Simulated   bool             `json:"simulated"`
	Notices     []string         `json:"notices"`
	Entries     []ManifestEntry  `json:"entries"` // all but manifest.json and manifest.sig, by name
}

// ManifestEntry is one entry with its size in bytes and its digest.
type ManifestEntry struct {
	Name   string           `json:"name"`
	Size   int64            `json:"size"`
	Digest inventory.Digest `json:"digest"`
}

// sums is SHA256SUMS: what `sha256sum -c` reads. It lists every other entry.
func sums(entries []ManifestEntry) []byte {
	var b strings.Builder
	for _, e := range entries {
		if e.Name != entrySums {
			fmt.Fprintf(&b, "%s  %s\n", e.Digest.Hex(), e.Name)
		}
	}
	return []byte(b.String())
}

// keyPEM is the public key in the form openssl reads.
func keyPEM(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("write public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func readKey(raw []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("no PEM public key: %w", inventory.ErrInvalid)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key is no ed25519 key: %w", inventory.ErrInvalid)
	}
	return key, nil
}
