package burnin

import (
	"math"
	"slices"
	"strconv"

	"github.com/rackwright/rackwright/inventory"
)

// Judge says what the samples of one run prove about one node under a resolved
// plan. It is pure: no clock, no I/O, the same samples give the same verdict.
// A gate passes only when every enforced rule has exactly one finite value for
// every expected entity and each lies inside its limit; fail goes before
// unjudged, unjudged before pass.
func Judge(p Profile, samples []Sample) Verdict {
	j := &judge{p: p, samples: samples, gates: map[inventory.Gate]*tally{}}
	for _, g := range Gates() {
		j.gates[g] = &tally{}
	}
	j.v = Verdict{Plan: p.Name, Version: p.Version, Resolved: p.Digest(), Samples: len(samples)}
	if p.Resolution == nil {
		j.v.Base = j.v.Resolved
		j.everywhere(reason(inventory.OwnerSystem, "burnin.unresolved", p.Name))
		j.unjudged(GateAccelerator, reason(inventory.OwnerSystem, "burnin.unresolved", p.Name))
		return j.close()
	}
	j.v.Base = p.Resolution.Base
	j.frame()
	for _, u := range p.Resolution.Unbound {
		j.unjudged(GateSuite, reason(inventory.OwnerSystem, "burnin.unbound", u))
	}
	for _, t := range p.Tests {
		j.step(t)
	}
	j.kernel()
	j.rules()
	j.fingerprint()
	j.accelerators()
	return j.close()
}

// tally collects what speaks against a gate.
type tally struct {
	fails, open        []Reason
	measured, expected int
	na                 bool
}

type judge struct {
	p       Profile
	samples []Sample
	gates   map[inventory.Gate]*tally
	v       Verdict
}

func (j *judge) fail(g inventory.Gate, e Entity, r Reason) {
	j.gates[g].fails = append(j.gates[g].fails, r)
	if e.Kind != EntityNode && !slices.Contains(j.v.Suspects, e) {
		j.v.Suspects = append(j.v.Suspects, e)
	}
}

// unjudged opens a gate's question. Whatever is not judged was not completely
// measured, so samples.complete shares it.
func (j *judge) unjudged(g inventory.Gate, r Reason) {
	for _, x := range []inventory.Gate{g, GateSamples} {
		if t := j.gates[x]; !slices.ContainsFunc(t.open, func(o Reason) bool { return o.Sentence == r.Sentence }) {
			t.open = append(t.open, r)
		}
		if g == GateAccelerator || g == GateSamples {
			return // what no plan tests is not a lost sample
		}
	}
}

// everywhere leaves every gate that samples decide unjudged.
func (j *judge) everywhere(r Reason) {
	for _, g := range []inventory.Gate{GateSuite, GateThermal, GateErrors, GateFingerprint} {
		j.unjudged(g, r)
	}
}

// frame checks the numbers, the start, the boots and the end.
func (j *judge) frame() {
	started, last := false, Sample{}
	for i, s := range j.samples {
		if want := uint64(i) + 1; s.Seq != want {
			j.everywhere(reason(inventory.OwnerSystem, "burnin.gap", strconv.FormatUint(s.Seq, 10), strconv.FormatUint(want-1, 10)))
			break
		}
	}
	running := "the start"
	for i, s := range j.samples {
		switch {
		case s.Kind == SampleStart && s.Start != nil:
			if i == 0 {
				started, j.v.Started = true, s.At
			}
			j.start(*s.Start, running)
		case s.Kind == SampleBegin:
			running = s.Test
		}
		last = s
	}
	if !started {
		j.everywhere(reason(inventory.OwnerSystem, "burnin.no_start"))
	}
	switch {
	case last.Kind != SampleEnd || last.End == nil:
		j.everywhere(reason(inventory.OwnerSystem, "burnin.no_end"))
	case last.End.Status != EndComplete:
		j.everywhere(reason(inventory.OwnerSystem, "burnin.aborted", last.End.Reason))
	}
	if last.End != nil {
		j.v.Ended = last.At
	}
}

func (j *judge) start(s Start, running string) {
	if s.Plan != j.v.Resolved {
		j.everywhere(reason(inventory.OwnerSystem, "burnin.other_plan", string(s.Plan), string(j.v.Resolved)))
	}
	j.v.Simulated = j.v.Simulated || s.Simulated
	j.v.Image = s.Image
	if s.BootID == "" {
		j.unjudged(GateErrors, reason(inventory.OwnerSystem, "burnin.no_start"))
		return
	}
	if len(j.v.Boots) > 0 && !slices.Contains(j.v.Boots, s.BootID) {
		j.fail(GateErrors, Entity{}, reason(inventory.OwnerVendor, "burnin.reboot", running))
	}
	if !slices.Contains(j.v.Boots, s.BootID) {
		j.v.Boots = append(j.v.Boots, s.BootID)
	}
}

// rules refuses to pass a gate that no enforced rule of the plan decides.
func (j *judge) rules() {
	if j.gates[GateSuite].expected == 0 {
		j.unjudged(GateSuite, reason(inventory.OwnerSystem, "burnin.no_rule", j.p.Name, string(GateSuite)))
	}
	if j.gates[GateThermal].expected == 0 {
		j.unjudged(GateThermal, reason(inventory.OwnerFacilities, "burnin.no_thermal", j.p.Name))
	}
}

// fingerprint compares every reading of the parts with the first.
func (j *judge) fingerprint() {
	first, firstStep, n := "", "", 0
	for _, t := range j.p.Tests {
		if t.Tool != ToolInventory {
			continue
		}
		s, ok := j.last(t.ID, Entity{})
		if !ok || s.Fingerprint == "" {
			j.unjudged(GateFingerprint, reason(inventory.OwnerSystem, "burnin.no_fingerprint"))
			continue
		}
		if n++; n == 1 {
			first, firstStep = s.Fingerprint, t.ID
		} else if s.Fingerprint != first {
			j.fail(GateFingerprint, Entity{}, reason(inventory.OwnerTechnician, "burnin.changed", firstStep, t.ID))
		}
	}
	if n < 2 {
		j.unjudged(GateFingerprint, reason(inventory.OwnerSystem, "burnin.no_fingerprint"))
	}
}

// accelerators: no tool of this release tests an accelerator, so a machine that
// carries one stays unjudged until two people waive it. Where neither the
// record nor the rack type has one there is nothing to test.
func (j *judge) accelerators() {
	r := j.p.Resolution
	kind := string(r.Accelerator)
	switch {
	case kind == "" && len(r.Accelerators) == 0:
		j.gates[GateAccelerator].na = true
		return
	case len(r.Accelerators) > 0:
		kind = strconv.Itoa(len(r.Accelerators))
	}
	j.unjudged(GateAccelerator, reason(inventory.OwnerSystem, "burnin.no_accelerator", kind, j.p.Name))
}

// close adds the gates up.
func (j *judge) close() Verdict {
	j.v.Result = inventory.ResultPass
	for _, g := range Gates() {
		t := j.gates[g]
		gv := GateVerdict{Gate: g, Result: inventory.ResultPass, Measured: t.measured, Expected: t.expected,
			Reasons: append(slices.Clone(t.fails), t.open...)}
		switch {
		case len(t.fails) > 0:
			gv.Result, j.v.Result = inventory.ResultFail, inventory.ResultFail
		case len(t.open) > 0:
			gv.Result = inventory.ResultUnjudged
			if j.v.Result == inventory.ResultPass {
				j.v.Result = inventory.ResultUnjudged
			}
		case t.na:
			gv.Result = inventory.ResultNotApplicable
		}
		j.v.Gates = append(j.v.Gates, gv)
	}
	return j.v
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
