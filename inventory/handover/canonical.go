package handover

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/gowebpki/jcs"

	"github.com/rackwright/rackwright/inventory"
)

// canonical writes a value as canonical JSON (RFC 8785).
func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("write canonical JSON: %w", err)
	}
	return out, nil
}

// digestOf is the digest of a value's canonical JSON.
func digestOf(v any) (inventory.Digest, error) {
	raw, err := canonical(v)
	if err != nil {
		return "", err
	}
	return inventory.DigestOf(raw), nil
}

// readCanonical decodes a value and insists that the bytes are its canonical
// JSON: unknown or repeated keys and a second value after the first would be
// signed, and read differently by different programs.
func readCanonical(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	again, err := canonical(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(raw, again) {
		return fmt.Errorf("bytes are not the canonical JSON of what they say: %w", inventory.ErrInvalid)
	}
	return nil
}
