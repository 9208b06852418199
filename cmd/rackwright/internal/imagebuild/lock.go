package imagebuild

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Lock names the packages an image is made of. The same lock, built by the same
// program, gives the same bytes.
type Lock struct {
	Format   int      `json:"format"`
	Packages []Locked `json:"packages"`
}

// Locked is one package of a lock.
type Locked struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
	SHA256  string `json:"sha256"` // of the .deb file, hex
	Size    int64  `json:"size"`   // bytes
}

const lockFormat = 1

func lockOf(list []Package) Lock {
	l := Lock{Format: lockFormat, Packages: []Locked{}}
	for _, p := range list {
		l.Packages = append(l.Packages, Locked{p.Name, p.Version, p.Arch, p.SHA256, p.Size})
	}
	slices.SortFunc(l.Packages, func(a, b Locked) int { return strings.Compare(a.Name, b.Name) })
	return l
}

// JSON is the file form, one package a line group, stable.
func (l Lock) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("package lock: %w", err)
	}
	return append(b, '\n'), nil
}

// ReadLock reads a lock file; inventory.ErrNotFound when there is none.
func ReadLock(file string) (Lock, error) {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, fmt.Errorf("package lock %s: %w", file, inventory.ErrNotFound)
	}
	if err != nil {
		return Lock{}, fmt.Errorf("package lock: %w", err)
	}
	var l Lock
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return Lock{}, fmt.Errorf("package lock %s: %w: %w", file, err, inventory.ErrInvalid)
	}
	if l.Format != lockFormat || len(l.Packages) == 0 {
		return Lock{}, fmt.Errorf("package lock %s: format %d with %d packages, want format %d: make it again: %w", file, l.Format, len(l.Packages), lockFormat, inventory.ErrInvalid)
	}
	return l, nil
}

// Differs says, one line each, how packages differ from the lock.
func (l Lock) Differs(got Lock) []string {
	var out []string
	have := map[string]Locked{}
	for _, p := range got.Packages {
		have[p.Name] = p
	}
	for _, want := range l.Packages {
		p, ok := have[want.Name]
		delete(have, want.Name)
		switch {
		case !ok:
			out = append(out, want.Name+" "+want.Version+" is locked and not here")
		case p.Version != want.Version:
			out = append(out, fmt.Sprintf("%s is %s, locked is %s", p.Name, p.Version, want.Version))
		case p != want:
			out = append(out, fmt.Sprintf("%s %s has SHA-256 %s, locked is %s", p.Name, p.Version, p.SHA256, want.SHA256))
		}
	}
	for _, p := range got.Packages {
		if _, left := have[p.Name]; left {
			out = append(out, p.Name+" "+p.Version+" is not in the lock")
		}
	}
	return out
}
