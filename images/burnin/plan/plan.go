package plan

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
	"go.yaml.in/yaml/v3"
)

//go:embed plans/*.yaml
var files embed.FS

// maxPlan bounds a plan document; the largest of this release has 6 KB.
const maxPlan = 1 << 20

// Faults are all faults of one plan document.
type Faults struct {
	Name  string
	Lines []string
}

// Error lists them, one per line.
func (f *Faults) Error() string {
	return fmt.Sprintf("burn-in plan %s has %d faults:\n  %s", f.Name, len(f.Lines), strings.Join(f.Lines, "\n  "))
}

// Unwrap makes errors.Is(err, inventory.ErrInvalid) true.
func (f *Faults) Unwrap() error { return inventory.ErrInvalid }

// Parse reads one plan from YAML or JSON. Unknown and repeated keys, a second
// document and every rule of burnin.Check are faults; they come all at once in
// a *Faults. The name is for messages only.
func Parse(name string, document []byte) (burnin.Profile, error) {
	if len(document) > maxPlan {
		return burnin.Profile{}, &Faults{name, []string{fmt.Sprintf("document: %d bytes, at most %d", len(document), maxPlan)}}
	}
	var p burnin.Profile
	var lines []string
	dec := yaml.NewDecoder(bytes.NewReader(document))
	dec.KnownFields(true)
	err := dec.Decode(&p)
	var typed *yaml.TypeError
	switch {
	case errors.As(err, &typed):
		lines = append(lines, typed.Errors...)
	case errors.Is(err, io.EOF):
		return burnin.Profile{}, &Faults{name, []string{"document: it is empty"}}
	case err != nil:
		return burnin.Profile{}, &Faults{name, []string{err.Error()}}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		lines = append(lines, "document: more than one document in the file")
	}
	if lines = append(lines, burnin.Check(p)...); len(lines) > 0 {
		return burnin.Profile{}, &Faults{name, lines}
	}
	return p, nil
}

// Names lists the plans of this release.
func Names() []string {
	found, err := fs.Glob(files, "plans/*.yaml")
	if err != nil {
		return nil // the pattern is constant; a test lists the names
	}
	for i, f := range found {
		found[i] = strings.TrimSuffix(strings.TrimPrefix(f, "plans/"), ".yaml")
	}
	slices.Sort(found)
	return found
}

// Embedded returns a plan of this release by name, or inventory.ErrNotFound.
func Embedded(name string) (burnin.Profile, error) {
	b, err := files.ReadFile("plans/" + name + ".yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return burnin.Profile{}, fmt.Errorf("burn-in plan %q: known are %s: %w", name, strings.Join(Names(), ", "), inventory.ErrNotFound)
	}
	if err != nil {
		return burnin.Profile{}, fmt.Errorf("burn-in plan %q: %w", name, err)
	}
	return Parse(name, b)
}
