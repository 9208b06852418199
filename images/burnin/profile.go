package burnin

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Profile is a burn-in plan: data, versioned, addressed by its digest. A plan
// as written has no Resolution; [Resolve] writes what one machine must show
// into a copy, and only such a copy can be run and judged.
type Profile struct {
	Name    string `json:"plan" yaml:"plan"`
	Version int    `json:"version" yaml:"version"`
	Title   string `json:"title,omitempty" yaml:"title"`
	Arch    string `json:"arch,omitempty" yaml:"arch"` // x86_64, arm64; empty: any
	// Kernel lists the classes of kernel log lines that fail the run. The log is
	// watched from the first step to the last; a gap is unjudged.
	Kernel []KernelClass `json:"kernel" yaml:"kernel"`
	Tests  []Test        `json:"steps" yaml:"steps"`
	// Resolution is set by Resolve and refused in a written plan.
	Resolution *Resolution `json:"resolution,omitempty" yaml:"-"`
}

// Resolution says which machine a profile was resolved for.
type Resolution struct {
	Base         inventory.Digest `json:"base"`                   // digest of the plan as written
	Accelerators []string         `json:"accelerators,omitempty"` // "gpu/GPU1": what the machine carries
	Accelerator  inventory.Kind   `json:"accelerator,omitempty"`  // what its rack type says it carries
	// Unbound are expected parts that no test can be bound to, with the reason;
	// they keep the limits of their kind unjudged.
	Unbound []string `json:"unbound,omitempty"`
}

// Test is one step of a plan: one tool, once or once per drive.
type Test struct {
	ID    string            `json:"id" yaml:"id"`
	Tool  string            `json:"tool" yaml:"tool"`
	Needs []string          `json:"needs,omitempty" yaml:"needs"`
	Args  map[string]string `json:"args,omitempty" yaml:"args"`
	Each  EntityKind        `json:"each,omitempty" yaml:"each"` // once per entity of this kind; empty: once
	// Duration is handed to the tool; Timeout is when its process group is killed.
	Duration Span `json:"duration,omitempty" yaml:"duration"`
	Timeout  Span `json:"timeout" yaml:"timeout"`
	// Destructive steps write to the target. The agent refuses a target whose
	// serial is not in Targets or that has a user.
	Destructive bool    `json:"destructive,omitempty" yaml:"destructive"`
	When        string  `json:"when,omitempty" yaml:"when"` // "edac": only where the inventory says so
	Limits      []Limit `json:"gates,omitempty" yaml:"gates"`
	// Targets are the entities of Each, written by Resolve.
	Targets []Entity `json:"targets,omitempty" yaml:"-"`
	// NotApplicable is the reason why When is false, written by Resolve.
	NotApplicable string `json:"notApplicable,omitempty" yaml:"-"`
}

// Limit is one rule over one metric of one step. Exactly one of Equals, Min and
// Max is set.
type Limit struct {
	Metric string         `json:"metric" yaml:"metric"`
	Per    EntityKind     `json:"per,omitempty" yaml:"per"` // empty: the node itself
	Unit   string         `json:"unit" yaml:"unit"`
	Equals *float64       `json:"equals,omitempty" yaml:"equals"`
	Min    *float64       `json:"min,omitempty" yaml:"min"`
	Max    *float64       `json:"max,omitempty" yaml:"max"`
	Since  string         `json:"since,omitempty" yaml:"since"` // step to subtract: the rule is over the difference
	Gate   inventory.Gate `json:"gate,omitempty" yaml:"gate"`   // suite.verdict by default; thermal, errors
	// Observe only reports: it never fails and never counts as coverage.
	Observe bool   `json:"observe,omitempty" yaml:"observe"`
	Source  string `json:"source" yaml:"source"` // "basis: text"
	// Expect are the entities that must report, written by Resolve.
	Expect []Entity `json:"expect,omitempty" yaml:"-"`
}

// Rule prints the limit for people, "min 1".
func (l Limit) Rule() string {
	what := ""
	switch {
	case l.Equals != nil:
		what = fmt.Sprintf("equals %g", *l.Equals)
	case l.Min != nil:
		what = fmt.Sprintf("min %g", *l.Min)
	case l.Max != nil:
		what = fmt.Sprintf("max %g", *l.Max)
	}
	if l.Since != "" {
		what += " since " + l.Since
	}
	return what
}

// holds reports whether a value obeys the limit.
func (l Limit) holds(v float64) bool {
	switch {
	case l.Equals != nil:
		return v == *l.Equals
	case l.Min != nil:
		return v >= *l.Min
	case l.Max != nil:
		return v <= *l.Max
	}
	return false
}

// Span is a duration that travels as text ("10m0s").
type Span time.Duration

// MarshalText writes Go's duration text.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads Go's duration text; a negative duration is an error.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("duration %q: want a number with a unit, as 90s or 4h: %w", b, err)
	}
	if d < 0 {
		return fmt.Errorf("duration %q is negative", b)
	}
	*s = Span(d)
	return nil
}

// D is the duration.
func (s Span) D() time.Duration { return time.Duration(s) }

// JSON is the stored form; its digest names the plan.
func (p Profile) JSON() ([]byte, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", p.Name, err)
	}
	return b, nil
}

// Digest addresses the plan: SHA-256 over its JSON.
func (p Profile) Digest() inventory.Digest {
	b, err := p.JSON()
	if err != nil {
		return "" // only a non-finite limit cannot be encoded; Check refuses it
	}
	return inventory.DigestOf(b)
}

// Test returns a step by id.
func (p Profile) Test(id string) (Test, bool) {
	for _, t := range p.Tests {
		if t.ID == id {
			return t, true
		}
	}
	return Test{}, false
}
