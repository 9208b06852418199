package firmware

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"time"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Plan is an immutable list of what will be done to one node, with a sentence
// for everything that will not. People approve its digest.
type Plan struct {
	Digest   images.Digest    `json:"-"`
	Parent   images.Digest    `json:"parent,omitempty"` // the plan this one replaces
	Baseline images.Digest    `json:"baseline"`
	Name     string           `json:"name"` // of the baseline
	Node     inventory.NodeID `json:"node"`
	Serial   string           `json:"serial,omitempty"` // of the device: another serial voids the plan
	Steps    []Step           `json:"steps"`
	Skips    []Skip           `json:"skips"`
	Wants    []Want           `json:"wants"` // the baseline as planned against, for verify
}

// Verbs of a step.
const (
	VerbFlash    = "flash"
	VerbActivate = "activate"
)

// Step is one flash (an upload of one artifact) or one activation. Its Key is
// the component's name under kind firmware, its Instances every id it changes.
type Step struct {
	ID         int                  `json:"id"`
	Verb       string               `json:"verb"`
	Want       string               `json:"want"` // name, or the activation group
	Key        inventory.Key        `json:"key"`
	Instances  []string             `json:"instances"`
	From       []string             `json:"from,omitempty"` // distinct versions seen
	To         string               `json:"to,omitempty"`
	Payload    images.Digest        `json:"payload,omitempty"`
	Targets    []string             `json:"targets,omitempty"`
	ApplyTime  string               `json:"applyTime,omitempty"`
	Activation string               `json:"activation,omitempty"`
	Normalise  []string             `json:"normalise,omitempty"`
	Needs      []int                `json:"needs,omitempty"` // step ids
	Abort      inventory.AbortClass `json:"abort"`
	Budget     Duration             `json:"budget"`
	NoProgress Duration             `json:"noProgress,omitempty"`
	Settle     Duration             `json:"settle,omitempty"`
}

// Skip is a component that the plan leaves alone, and why.
type Skip struct {
	Key    inventory.Key `json:"key"`
	Code   string        `json:"code"`
	Reason string        `json:"reason"`
}

// Codes of a skip.
const (
	SkipSame      = "same"
	SkipNotInPlan = "not-in-baseline"
	SkipIgnored   = "ignored"
	SkipAwaiting  = "awaiting-activation"
	SkipAbsent    = "absent"
)

// NewPlan compares a baseline with what was observed. It is pure and refuses
// ambiguity: an unknown version, a component that was not read, or too few
// instances are errors that say what to do, all at once.
func NewPlan(b Baseline, node inventory.NodeID, seen []inventory.Component) (Plan, error) {
	p := Plan{Baseline: b.Digest, Name: b.Name, Node: node, Serial: chassisSerial(seen), Wants: b.Wants, Steps: []Step{}, Skips: []Skip{}}
	items, taken := firmwareItems(seen), map[inventory.Key]bool{}
	wants := map[string]Want{}
	for _, w := range b.Wants {
		wants[w.Name] = w
	}
	var faults []error
	d := &draft{flashed: map[string][]int{}, staged: map[string][]string{}}
	for _, name := range b.Order {
		w := wants[name]
		matched := match(w, items)
		for _, c := range matched {
			if taken[c.Key] {
				faults = append(faults, fmt.Errorf("%s: matched by two components of the baseline; narrow the ids of %s", c.Slot, w.Name))
			}
			taken[c.Key] = true
		}
		if err := p.addWant(w, matched, d); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", w.Name, err))
		}
	}
	p.addActivations(b, wants, d)
	p.skipRest(b, items, taken)
	if len(faults) > 0 {
		return Plan{}, fmt.Errorf("plan %s for %s: %w: %w", b.Name, node, inventory.ErrInvalid, errors.Join(faults...))
	}
	p.Digest = p.digest()
	return p, nil
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Steps) == 0 }

func (p Plan) digest() images.Digest { return inventory.DigestOf(p.JSON()) }

// JSON is the document people approve; its digest is the plan's.
func (p Plan) JSON() []byte {
	raw, err := json.Marshal(p)
	if err != nil { // only text, numbers and lists: cannot fail
		panic(fmt.Sprintf("marshal plan: %v", err))
	}
	return raw
}

// LoadPlan reads a stored plan and gives it its digest back.
func LoadPlan(raw []byte) (Plan, error) {
	var p Plan
	if err := json.Unmarshal(raw, &p); err != nil {
		return Plan{}, fmt.Errorf("load firmware plan: %w", err)
	}
	p.Digest = inventory.DigestOf(raw)
	return p, nil
}

// firmwareItems are the components that carry a firmware inventory id.
func firmwareItems(seen []inventory.Component) []inventory.Component {
	var items []inventory.Component
	for _, c := range seen {
		if c.Kind == inventory.KindFirmware {
			items = append(items, c)
		}
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Slot < items[j].Slot })
	return items
}

func chassisSerial(seen []inventory.Component) string {
	for _, c := range seen {
		if c.Kind == inventory.KindChassis && c.Serial != "" {
			return c.Serial
		}
	}
	return ""
}

func match(w Want, items []inventory.Component) []inventory.Component {
	var out []inventory.Component
	for _, c := range items {
		if matchesAny(w.IDs, c.Slot) {
			out = append(out, c)
		}
	}
	return out
}

// matchesAny: the patterns compiled when the baseline was read.
func matchesAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return regexp.MustCompile(p).MatchString(text) })
}

func budget(d Duration, fallback time.Duration) Duration {
	if d > 0 {
		return d
	}
	return Duration(fallback)
}
