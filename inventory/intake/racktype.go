package intake

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/gowebpki/jcs"
	"go.yaml.in/yaml/v3"

	"github.com/rackwright/rackwright/inventory"
)

//go:embed racktypes/*.yaml
var rackTypeFiles embed.FS

const maxTypeBytes = 1 << 20

// RackTypes returns the embedded rack types, sorted by name.
func RackTypes() ([]inventory.RackType, error) {
	entries, err := rackTypeFiles.ReadDir("racktypes")
	if err != nil {
		return nil, fmt.Errorf("list embedded rack types: %w", err)
	}
	types := make([]inventory.RackType, 0, len(entries))
	for _, e := range entries {
		raw, err := rackTypeFiles.ReadFile("racktypes/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read embedded rack type %s: %w", e.Name(), err)
		}
		t, err := ParseRackType(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("embedded rack type %s: %w", e.Name(), err)
		}
		types = append(types, t)
	}
	return types, nil
}

// ParseRackType reads one rack type (YAML or JSON) and checks it whole: unknown
// keys, kinds, overlapping units, tolerances and gate rules. Every fault is in
// the error, which wraps [inventory.ErrInvalid].
func ParseRackType(r io.Reader) (inventory.RackType, error) {
	raw, err := readAll(r, maxTypeBytes)
	if err != nil {
		return inventory.RackType{}, err
	}
	text, err := decodeText(raw)
	if err != nil {
		return inventory.RackType{}, err
	}
	tree, err := parseTree(text)
	if err != nil {
		return inventory.RackType{}, err
	}
	return decodeRackType(tree)
}

func decodeRackType(tree *yaml.Node) (inventory.RackType, error) {
	var t inventory.RackType
	if faults := decode(tree, &t); len(faults) > 0 {
		return inventory.RackType{}, headError(faults)
	}
	if faults := checkType(t); len(faults) > 0 {
		return inventory.RackType{}, fmt.Errorf("rack type %s: %s: %w", t.Name, strings.Join(faults, "; "), inventory.ErrInvalid)
	}
	return t, nil
}

// TypeDocument is the canonical JSON (RFC 8785) of a rack type: the bytes that
// are stored, cited and packed.
func TypeDocument(t inventory.RackType) ([]byte, error) {
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("write rack type %s: %w", t.Name, err)
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		return nil, fmt.Errorf("canonical rack type %s: %w", t.Name, err)
	}
	return out, nil
}

// TypeDigest is the digest of TypeDocument.
func TypeDigest(t inventory.RackType) (inventory.Digest, error) {
	doc, err := TypeDocument(t)
	if err != nil {
		return "", err
	}
	return inventory.DigestOf(doc), nil
}

func sameType(a, b inventory.RackType) (bool, error) {
	first, err := TypeDigest(a)
	if err != nil {
		return false, err
	}
	second, err := TypeDigest(b)
	return first == second, err
}

func typeNames(types map[string]inventory.RackType) []string {
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func slotPaths(t inventory.RackType) []string {
	paths := make([]string, 0, len(t.Slots))
	for _, s := range t.Slots {
		paths = append(paths, s.Path)
	}
	return paths
}
