package firmware

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Baseline is one immutable, signed statement of which firmware a node must
// run. New content is a new name. The digest is of the document's bytes.
type Baseline struct {
	Name    string        `json:"name" yaml:"baseline"` // "hgx-8@2026.09.1"
	Title   string        `json:"title,omitempty" yaml:"title"`
	Digest  images.Digest `json:"digest" yaml:"-"`
	Profile string        `json:"profile,omitempty" yaml:"profile"` // BMC profile it was written for; empty: any
	Wants   []Want        `json:"components" yaml:"components"`
	Order   []string      `json:"order,omitempty" yaml:"order"`   // names of Wants; empty: as written
	Ignore  []string      `json:"ignore,omitempty" yaml:"ignore"` // regular expressions of ids that are nobody's business, each skip still shown
}

// Want is one component of a baseline. IDs are regular expressions over the
// firmware inventory's ids. Order of versions is only the rank that is written.
type Want struct {
	Name       string        `json:"name" yaml:"name"`
	IDs        []string      `json:"ids" yaml:"ids"`
	Count      int           `json:"count" yaml:"count"` // instances that must report; from the SKU, never from the package
	Each       bool          `json:"each,omitempty" yaml:"each"`
	Normalise  []string      `json:"normalise,omitempty" yaml:"normalise"`
	After      []string      `json:"after,omitempty" yaml:"after"`
	Targets    []string      `json:"targets,omitempty" yaml:"targets"`
	ApplyTime  string        `json:"applyTime,omitempty" yaml:"applyTime"`
	Versions   []Version     `json:"versions" yaml:"versions"`
	StepUp     []StepUp      `json:"stepUp,omitempty" yaml:"stepUp"`
	Artifact   images.Digest `json:"artifact" yaml:"artifact"`
	Size       int64         `json:"size,omitempty" yaml:"size"`
	Activate   string        `json:"activate" yaml:"activate"` // none bmc-reset host-reset power-cycle ac-cycle
	Group      string        `json:"group,omitempty" yaml:"group"`
	Downgrade  bool          `json:"downgrade,omitempty" yaml:"downgrade"` // a higher rank may be replaced
	Install    Duration      `json:"install,omitempty" yaml:"install"`
	NoProgress Duration      `json:"noProgress,omitempty" yaml:"noProgress"`
	Settle     Duration      `json:"settle,omitempty" yaml:"settle"`
}

// Version is one known version of a component. Exactly one is the target.
type Version struct {
	Text     string `json:"v" yaml:"v"`
	Rank     int    `json:"rank" yaml:"rank"`
	Target   bool   `json:"target,omitempty" yaml:"target"`
	KnownBad bool   `json:"knownBad,omitempty" yaml:"known_bad"`
	Why      string `json:"why,omitempty" yaml:"why"`
}

// StepUp says that versions below a rank need another version first.
type StepUp struct {
	Below    int           `json:"below" yaml:"below"`
	Via      string        `json:"via" yaml:"via"`
	Artifact images.Digest `json:"artifact" yaml:"artifact"`
}

// Duration is a time.Duration that reads and writes "20m".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Activation verbs; each carries its power precondition in the BMC's profile.
const (
	ActivateNone       = "none"
	ActivateBMCReset   = "bmc-reset"
	ActivateHostReset  = "host-reset"
	ActivatePowerCycle = "power-cycle"
	ActivateACCycle    = "ac-cycle"
)

// Budgets where the baseline states none (lifecycle.md §12).
const (
	defaultInstall    = 60 * time.Minute
	defaultNoProgress = 10 * time.Minute
	defaultSettle     = 8 * time.Minute
)

const maxBaseline = 1 << 20

// ParseBaseline reads a YAML or JSON baseline: unknown keys are refused and all
// faults are reported together. It does not check the signature; see Trust.
func ParseBaseline(r io.Reader) (Baseline, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxBaseline+1))
	if err != nil {
		return Baseline{}, fmt.Errorf("read baseline: %w", err)
	}
	if len(raw) > maxBaseline {
		return Baseline{}, fmt.Errorf("baseline is larger than %d bytes: %w", maxBaseline, inventory.ErrInvalid)
	}
	var b Baseline
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(&b); err != nil {
		return Baseline{}, fmt.Errorf("baseline: %w: %w", inventory.ErrInvalid, err)
	}
	b.Digest = inventory.DigestOf(raw)
	if len(b.Order) == 0 {
		for _, w := range b.Wants {
			b.Order = append(b.Order, w.Name)
		}
	}
	return b, b.check()
}

func (b Baseline) check() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if b.Name == "" {
		bad("baseline: give it a name with a version, such as hgx-8@2026.09.1")
	}
	if len(b.Wants) == 0 {
		bad("components: at least one is needed")
	}
	names := map[string]int{}
	for i, w := range b.Wants {
		if _, twice := names[w.Name]; twice || w.Name == "" {
			bad("components[%d]: name %q is empty or used twice", i, w.Name)
		}
		names[w.Name] = i
		w.check(fmt.Sprintf("components[%d] (%s)", i, w.Name), bad)
	}
	b.checkOrder(names, bad)
	for i, p := range b.Ignore {
		if _, err := regexp.Compile(p); err != nil {
			bad("ignore[%d]: %v", i, err)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("baseline %s: %w: %w", b.Name, inventory.ErrInvalid, errors.Join(faults...))
}

func (b Baseline) checkOrder(names map[string]int, bad func(string, ...any)) {
	place := map[string]int{}
	for i, n := range b.Order {
		if _, ok := names[n]; !ok {
			bad("order[%d]: no component is named %q", i, n)
		}
		if _, twice := place[n]; twice {
			bad("order[%d]: %q stands twice", i, n)
		}
		place[n] = i
	}
	for _, w := range b.Wants {
		if _, ok := place[w.Name]; !ok {
			bad("order: component %q is missing", w.Name)
		}
		for _, a := range w.After {
			if at, ok := place[a]; !ok || at >= place[w.Name] {
				bad("component %s: after %q, but order does not put it before", w.Name, a)
			}
		}
	}
}

func (w Want) check(where string, bad func(string, ...any)) {
	if len(w.IDs) == 0 {
		bad("%s: ids: at least one regular expression", where)
	}
	for _, p := range w.IDs {
		if _, err := regexp.Compile(p); err != nil {
			bad("%s: ids: %v", where, err)
		}
	}
	if w.Count < 1 {
		bad("%s: count: say how many instances must report, at least 1", where)
	}
	if err := checkNormalisers(w.Normalise); err != nil {
		bad("%s: normalise: %v", where, err)
	}
	targets, seen := 0, map[string]bool{}
	for _, v := range w.Versions {
		if v.Target {
			targets++
		}
		norm := normalise(w.Normalise, v.Text)
		if norm == "" || seen[norm] {
			bad("%s: version %q is empty or listed twice", where, v.Text)
		}
		if v.Target && v.KnownBad {
			bad("%s: version %q is both target and known bad", where, v.Text)
		}
		seen[norm] = true
	}
	if targets != 1 {
		bad("%s: %d target versions, exactly one is needed", where, targets)
	}
	if _, err := inventory.ParseDigest(string(w.Artifact)); err != nil {
		bad("%s: artifact: %v", where, err)
	}
	switch w.Activate {
	case ActivateNone, ActivateBMCReset, ActivateHostReset, ActivatePowerCycle, ActivateACCycle:
	default:
		bad("%s: activate %q: use none, bmc-reset, host-reset, power-cycle or ac-cycle", where, w.Activate)
	}
}

func (w Want) target() Version {
	for _, v := range w.Versions {
		if v.Target {
			return v
		}
	}
	return Version{}
}
