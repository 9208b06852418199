package burnin

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/rackwright/rackwright/inventory"
)

// last is the result of the last attempt of a step on a target. An attempt that
// was begun and never ended hides the results before it.
func (j *judge) last(test string, target Entity) (Sample, bool) {
	var out Sample
	attempt, ok := 0, false
	for _, s := range j.samples {
		if s.Test != test || s.Target != target {
			continue
		}
		switch {
		case s.Kind == SampleBegin && s.Attempt > attempt:
			attempt, ok = s.Attempt, false
		case s.Kind == SampleResult && s.Attempt == attempt && attempt > 0 && !ok:
			out, ok = s, true
		case s.Kind == SampleResult:
			ok, attempt = false, s.Attempt+1 // two results of one attempt, or one that was never begun
		}
	}
	return out, ok
}

// values are what the last attempt measured, sensors included.
func (j *judge) values(t Test) []Value {
	var out []Value
	for _, target := range targets(t) {
		r, ok := j.last(t.ID, target)
		if !ok {
			continue
		}
		out = append(out, r.Values...)
		for _, s := range j.samples {
			if s.Kind == SampleSensors && s.Test == t.ID && s.Target == target && s.Attempt == r.Attempt {
				out = append(out, s.Values...)
			}
		}
	}
	return out
}

// targets are what a step runs on; a step that is not per entity runs once.
func targets(t Test) []Entity {
	if t.Each == EntityNode {
		return []Entity{{}}
	}
	return t.Targets
}

// step judges one step: first that each target has a sound result, then its limits.
func (j *judge) step(t Test) {
	if t.NotApplicable != "" {
		for _, l := range t.Limits {
			r := reason(inventory.OwnerSystem, "burnin.not_applicable", t.NotApplicable)
			j.v.Checks = append(j.v.Checks, CheckResult{Test: t.ID, Metric: l.Metric, Unit: l.Unit, Rule: l.Rule(), Source: l.Source,
				Observe: l.Observe, Gate: cmp.Or(l.Gate, GateSuite), Result: inventory.ResultNotApplicable, Reason: &r})
		}
		return
	}
	unsound := map[Entity]bool{}
	for _, target := range targets(t) {
		if r, bad := j.sound(t, target); bad {
			unsound[target] = true
			for _, g := range gatesOf(t) {
				j.unjudged(g, r)
			}
		}
	}
	if len(targets(t)) == 0 {
		j.unjudged(GateSuite, reason(inventory.OwnerSystem, "burnin.missing_result", t.ID, "any "+string(t.Each)))
	}
	values := j.values(t)
	for _, l := range t.Limits {
		j.limit(t, l, values, unsound)
	}
}

// gatesOf are the gates the enforced limits of a step decide; the suite always.
func gatesOf(t Test) []inventory.Gate {
	out := []inventory.Gate{GateSuite}
	for _, l := range t.Limits {
		if g := cmp.Or(l.Gate, GateSuite); !l.Observe && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// sound reports why the result of one target cannot be trusted to be whole.
func (j *judge) sound(t Test, target Entity) (Reason, bool) {
	on := target.String()
	s, ok := j.last(t.ID, target)
	if !ok || s.Exec == nil {
		return reason(inventory.OwnerSystem, "burnin.missing_result", t.ID, on), true
	}
	e := *s.Exec
	if len(e.Argv) > 0 {
		j.tool(ToolUse{Name: t.Tool, Version: e.Version, Digest: e.ToolDigest})
	}
	switch {
	case e.Missing:
		return reason(inventory.OwnerSystem, "burnin.missing_tool", t.ID, t.Tool), true
	case e.Error != "":
		return reason(inventory.OwnerSystem, "burnin.not_started", t.ID, on, e.Error), true
	case e.TimedOut:
		return reason(inventory.OwnerSystem, "burnin.timeout", t.ID, on), true
	case e.Signal != "":
		return reason(inventory.OwnerSystem, "burnin.exit", t.ID, on, "signal "+e.Signal), true
	case s.Fault != "":
		return reason(inventory.OwnerSystem, "burnin.fault", t.ID, on, s.Fault), true
	case e.Exit != 0 && !e.Accepted:
		return reason(inventory.OwnerSystem, "burnin.exit", t.ID, on, "exit code "+strconv.Itoa(e.Exit)), true
	}
	return Reason{}, false
}

func (j *judge) tool(u ToolUse) {
	if !slices.Contains(j.v.Tools, u) {
		j.v.Tools = append(j.v.Tools, u)
	}
}

// limit judges one rule over all its expected entities.
func (j *judge) limit(t Test, l Limit, values []Value, unsound map[Entity]bool) {
	gate := cmp.Or(l.Gate, GateSuite)
	if len(l.Expect) == 0 && !l.Observe {
		j.unjudged(gate, reason(inventory.OwnerSystem, "burnin.no_rule", j.p.Name, t.ID+" "+l.Metric))
	}
	by := map[Entity][]Value{}
	for _, v := range values {
		if v.Metric == l.Metric {
			by[v.Entity] = append(by[v.Entity], v)
		}
	}
	earlier, _ := j.p.Test(l.Since) // without one there are no earlier values
	for _, v := range append(j.values(earlier), values...) {
		if v.Metric == l.Metric && !l.Observe && !slices.Contains(l.Expect, v.Entity) {
			j.unjudged(gate, reason(inventory.OwnerTechnician, "burnin.foreign_value", t.ID, v.Entity.String(), l.Metric))
		}
	}
	for _, e := range l.Expect {
		c := CheckResult{Test: t.ID, Metric: l.Metric, Entity: e, Unit: l.Unit, Rule: l.Rule(), Source: l.Source, Observe: l.Observe, Gate: gate}
		value, why := j.value(t, l, e, by[e])
		switch {
		case why == nil && l.holds(value):
			c.Value, c.Result = &value, inventory.ResultPass
		case why == nil:
			r := j.broken(t, l, e, value)
			c.Value, c.Result, c.Reason = &value, inventory.ResultFail, &r
		default:
			c.Result, c.Reason = inventory.ResultUnjudged, why
		}
		j.v.Checks = append(j.v.Checks, c)
		if !l.Observe {
			j.count(c, unsound[e] || unsound[Entity{}])
		}
	}
}

// count moves one enforced check into its gate. What is missing because the
// step itself is unsound was said once already, by the step's reason.
func (j *judge) count(c CheckResult, said bool) {
	g := j.gates[c.Gate]
	g.expected++
	j.gates[GateSamples].expected++
	if c.Value != nil {
		g.measured++
		j.gates[GateSamples].measured++
	}
	switch {
	case c.Result == inventory.ResultFail:
		j.fail(c.Gate, c.Entity, *c.Reason)
	case c.Result == inventory.ResultUnjudged && !said:
		j.unjudged(c.Gate, *c.Reason)
	}
}

// value takes the one finite value of an entity, less the earlier one for a
// rule over a difference.
func (j *judge) value(t Test, l Limit, e Entity, found []Value) (float64, *Reason) {
	v, why := one(t.ID, l, e, found)
	if why != nil || l.Since == "" {
		return v, why
	}
	earlier, _ := j.p.Test(l.Since)
	var before []Value
	for _, x := range j.values(earlier) {
		if x.Metric == l.Metric && x.Entity == e {
			before = append(before, x)
		}
	}
	b, why := one(l.Since, l, e, before)
	if why != nil {
		return 0, why
	}
	if v < b {
		r := reason(inventory.OwnerSystem, "burnin.counter_back", t.ID, e.String(), l.Metric)
		return 0, &r
	}
	return v - b, nil
}

func one(test string, l Limit, e Entity, found []Value) (float64, *Reason) {
	var r Reason
	switch {
	case len(found) == 0:
		r = reason(inventory.OwnerSystem, "burnin.missing_value", test, e.String(), l.Metric)
	case len(found) > 1:
		r = reason(inventory.OwnerSystem, "burnin.double_value", test, e.String(), l.Metric)
	case !finite(found[0].Value):
		r = reason(inventory.OwnerSystem, "burnin.not_finite", test, e.String(), l.Metric)
	case found[0].Unit != l.Unit:
		r = reason(inventory.OwnerSystem, "burnin.unit", test, e.String(), l.Metric, found[0].Unit, l.Unit)
	default:
		return found[0].Value, nil
	}
	return 0, &r
}

func (j *judge) broken(t Test, l Limit, e Entity, value float64) Reason {
	id, owner := "burnin.limit", inventory.OwnerVendor
	if l.Gate == GateThermal {
		id, owner = "burnin.thermal", inventory.OwnerFacilities
	}
	return reason(owner, id, t.ID, e.String(), l.Metric, strconv.FormatFloat(value, 'g', 6, 64), l.Unit, l.Rule())
}
