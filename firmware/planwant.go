package firmware

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// addWant judges every instance of one component and appends the flash steps
// it needs.
func (p *Plan) addWant(w Want, matched []inventory.Component, d *draft) error {
	var behind []inventory.Component
	var faults []error
	present := 0
	for _, c := range matched {
		switch c.State {
		case inventory.StateAbsent: // an absent GPU still reports a stale version: state first
			p.skip(c.Key, SkipAbsent, "%s is absent; its reported version %q is not believed", c.Slot, c.Firmware)
			continue
		case inventory.StateNotRead, inventory.StateReadFailed:
			faults = append(faults, fmt.Errorf("%s could not be read: read it again before planning", c.Slot))
			continue
		}
		present++
		verdict, err := p.judge(w, c)
		switch {
		case err != nil:
			faults = append(faults, err)
		case verdict == instanceStaged:
			d.staged[w.Name] = append(d.staged[w.Name], c.Slot)
		case verdict == instanceBehind:
			behind = append(behind, c)
		}
	}
	if present != w.Count {
		faults = append(faults, fmt.Errorf("%d instances report, %d are expected: mend the hardware or its inventory first", present, w.Count))
	}
	if len(faults) == 0 && len(behind) > 0 {
		p.flash(w, behind, d)
	}
	return errors.Join(faults...)
}

// draft is what later components need to know of earlier ones.
type draft struct {
	flashed map[string][]int    // name → ids of its flash steps
	staged  map[string][]string // name → instances that only need activation
}

// verdict of one instance.
type verdict int

const (
	instanceBehind verdict = iota
	instanceSame
	instanceStaged
)

// judge says whether an instance needs nothing; an instance that runs an
// unknown version is the operator's decision, not ours.
func (p *Plan) judge(w Want, c inventory.Component) (verdict, error) {
	target := w.target()
	have, want := normalise(w.Normalise, c.Firmware), normalise(w.Normalise, target.Text)
	if have == want {
		p.skip(c.Key, SkipSame, "%s already runs %s", c.Slot, target.Text)
		return instanceSame, nil
	}
	if staged := c.Facts[inventory.FactStaged]; staged != "" && normalise(w.Normalise, staged) == want {
		if w.Activate == ActivateNone {
			return instanceBehind, fmt.Errorf("%s has %s staged, and the baseline says that nothing activates it: name the activation in the baseline", c.Slot, target.Text)
		}
		p.skip(c.Key, SkipAwaiting, "%s has %s staged; it only needs activation", c.Slot, target.Text)
		return instanceStaged, nil
	}
	i := slices.IndexFunc(w.Versions, func(v Version) bool { return normalise(w.Normalise, v.Text) == have })
	if i < 0 {
		return instanceBehind, fmt.Errorf("%s runs %q, which the baseline does not know: add the version with a rank, then plan again", c.Slot, c.Firmware)
	}
	from := w.Versions[i]
	if from.Rank > target.Rank && !w.Downgrade {
		return instanceBehind, fmt.Errorf("%s runs %s, newer than the target %s: a downgrade needs downgrade: true in the baseline and a second approver", c.Slot, from.Text, target.Text)
	}
	for _, s := range w.StepUp {
		if from.Rank < s.Below {
			return instanceBehind, fmt.Errorf("%s runs %s and needs %s first: plan with a baseline whose target is %s", c.Slot, from.Text, s.Via, s.Via)
		}
	}
	return instanceBehind, nil
}

func (p *Plan) flash(w Want, behind []inventory.Component, d *draft) {
	groups := [][]inventory.Component{behind}
	if w.Each {
		groups = nil
		for _, c := range behind {
			groups = append(groups, []inventory.Component{c})
		}
	}
	var needs []int
	for _, a := range w.After {
		needs = append(needs, d.flashed[a]...)
	}
	for _, g := range groups {
		step := Step{ID: len(p.Steps) + 1, Verb: VerbFlash, Want: w.Name, Key: inventory.Key{Kind: inventory.KindFirmware, Slot: w.Name},
			To: w.target().Text, Payload: w.Artifact, Targets: w.Targets, ApplyTime: w.ApplyTime, Activation: w.Activate, Normalise: w.Normalise,
			Needs: needs, Abort: inventory.AbortNever, Budget: budget(w.Install, defaultInstall),
			NoProgress: budget(w.NoProgress, defaultNoProgress), Settle: budget(w.Settle, defaultSettle)}
		for _, c := range g {
			step.Instances = append(step.Instances, c.Slot)
			if v := strings.TrimSpace(c.Firmware); !slices.Contains(step.From, v) {
				step.From = append(step.From, v)
			}
		}
		if w.Each {
			step.Key.Slot = g[0].Slot
		}
		p.Steps = append(p.Steps, step)
		d.flashed[w.Name] = append(d.flashed[w.Name], step.ID)
	}
}

// addActivations appends one activation per group, after the last flash of the
// group: one AC cycle serves all of it. Verbs come weakest first.
func (p *Plan) addActivations(b Baseline, wants map[string]Want, d *draft) {
	type group struct {
		verb, name string
		instances  []string
		needs      []int
		settle     Duration
	}
	var order []*group
	found := map[string]*group{}
	for _, name := range b.Order {
		w := wants[name]
		if w.Activate == ActivateNone || len(d.flashed[name])+len(d.staged[name]) == 0 {
			continue
		}
		key := w.Activate + " " + w.Group
		g := found[key]
		if g == nil {
			g = &group{verb: w.Activate, name: w.Group}
			found[key] = g
			order = append(order, g)
		}
		for _, s := range p.Steps {
			if slices.Contains(d.flashed[name], s.ID) {
				g.instances = append(g.instances, s.Instances...)
			}
		}
		g.instances = append(g.instances, d.staged[name]...)
		g.needs = append(g.needs, d.flashed[name]...)
		g.settle = max(g.settle, budget(w.Settle, defaultSettle))
	}
	for _, g := range order {
		title := strings.TrimSpace(g.verb + " " + g.name)
		p.Steps = append(p.Steps, Step{ID: len(p.Steps) + 1, Verb: VerbActivate, Want: title,
			Key: inventory.Key{Kind: inventory.KindFirmware, Slot: title}, Instances: g.instances, Activation: g.verb,
			Needs: g.needs, Abort: inventory.AbortAtBoundary, Budget: g.settle, Settle: g.settle})
	}
}

func (p *Plan) skip(k inventory.Key, code, format string, args ...any) {
	p.Skips = append(p.Skips, Skip{Key: k, Code: code, Reason: fmt.Sprintf(format, args...)})
}

func (p *Plan) skipRest(b Baseline, items []inventory.Component, taken map[inventory.Key]bool) {
	for _, c := range items {
		if taken[c.Key] {
			continue
		}
		if matchesAny(b.Ignore, c.Slot) {
			p.skip(c.Key, SkipIgnored, "%s (%s) is on the baseline's ignore list", c.Slot, c.Firmware)
			continue
		}
		p.skip(c.Key, SkipNotInPlan, "%s (%s) is not in the baseline", c.Slot, c.Firmware)
	}
}
