package burnin

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func num(v float64) *float64 { return &v }

// testPlan has every kind of rule: a node metric, a metric per entity, a
// difference, a thermal rule, a sensor, an observed metric.
func testPlan() Profile {
	lim := func(metric, unit string, per EntityKind, l Limit) Limit {
		l.Metric, l.Unit, l.Per, l.Source = metric, unit, per, "house: test"
		return l
	}
	parts := lim("parts", "count", "", Limit{Min: num(1)})
	return Profile{Name: "test", Version: 1, Kernel: []KernelClass{KernelHardware, KernelIO, KernelOOM, KernelThermal}, Tests: []Test{
		{ID: "identify", Tool: ToolInventory, Timeout: Span(time.Minute), Limits: []Limit{parts}},
		{ID: "before", Tool: ToolCounters, Timeout: Span(time.Minute), When: "edac", Limits: []Limit{lim("edac_controllers", "count", "", Limit{Min: num(1), Gate: GateErrors})}},
		{ID: "memory", Tool: ToolStressapptest, Timeout: Span(time.Minute), Args: map[string]string{"memory": "10%"}, Limits: []Limit{
			lim("hardware_incidents", "count", "", Limit{Equals: num(0)}), lim("errors", "count", "", Limit{Equals: num(0)}),
			lim("passed", "bool", "", Limit{Equals: num(1)}), lim("copied_mib", "MiB", "", Limit{Min: num(1)}),
			lim("copy_rate", "MiB/s", "", Limit{Min: num(1e9), Observe: true}),
			lim("cpu_margin", "K", EntityCPU, Limit{Min: num(1), Gate: GateThermal})}},
		{ID: "cpu", Tool: ToolStressNG, Timeout: Span(time.Minute), Args: map[string]string{"stressors": "cpu,matrix"}, Limits: []Limit{
			lim("verify_failures", "count", "", Limit{Equals: num(0)}), lim("skipped", "count", "", Limit{Equals: num(0)}),
			lim("bogo_ops", "count", EntityStressor, Limit{Min: num(1)})}},
		{ID: "disk", Tool: ToolFio, Each: EntityDrive, Timeout: Span(time.Minute), Args: map[string]string{"rw": "read", "bs": "1M"}, Limits: []Limit{
			lim("errors", "count", EntityDrive, Limit{Equals: num(0)}), lim("io_fraction", "fraction", EntityDrive, Limit{Min: num(0.999)})}},
		{ID: "health", Tool: ToolSmart, Each: EntityDrive, Timeout: Span(time.Minute), Limits: []Limit{
			lim("healthy", "bool", EntityDrive, Limit{Equals: num(1)}), lim("drive_temp", "Cel", EntityDrive, Limit{Max: num(70), Gate: GateThermal})}},
		{ID: "after", Tool: ToolCounters, Timeout: Span(time.Minute), When: "edac", Limits: []Limit{
			lim("ecc_uncorrected", "count", "", Limit{Equals: num(0), Since: "before", Gate: GateErrors}), lim("edac_controllers", "count", "", Limit{Min: num(1), Gate: GateErrors})}},
		{ID: "identify-after", Tool: ToolInventory, Timeout: Span(time.Minute), Limits: []Limit{parts}},
	}}
}

func part(kind inventory.Kind, slot, serial string) inventory.Component {
	return inventory.Component{Key: inventory.Key{Kind: kind, Slot: slot}, Serial: serial, State: inventory.StatePresent}
}

func testMachine() Machine {
	list := []inventory.Component{part(inventory.KindCPU, "CPU0", ""), part(inventory.KindCPU, "CPU1", ""),
		part(inventory.KindDrive, "D0", "SER-A"), part(inventory.KindDrive, "D1", "SER-B"), part(inventory.KindDIMM, "A1", "DIMM-1")}
	board := part(inventory.KindChassis, "system", "UNIT-1")
	board.Facts = map[string]string{FactEDAC: "2"}
	return Machine{Expected: list, Observed: append(slices.Clone(list), board)}
}

func resolved(t testing.TB) Profile {
	t.Helper()
	p, err := Resolve(testPlan(), testMachine())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// healthy are the samples of a run in which everything is in order: for every
// limit a value that just obeys it.
func healthy(p Profile) []Sample {
	var out []Sample
	add := func(s Sample) {
		s.Seq, s.At = uint64(len(out))+1, time.Unix(1795000000+int64(len(out)), 0).UTC()
		out = append(out, s)
	}
	add(Sample{Kind: SampleStart, Start: &Start{BootID: "boot-1", Agent: "test", Plan: p.Digest(), Image: inventory.DigestOf([]byte("image")), KernelLog: true}})
	for _, t := range p.Tests {
		if t.NotApplicable != "" {
			continue
		}
		for _, target := range targets(t) {
			add(Sample{Kind: SampleBegin, Test: t.ID, Target: target, Attempt: 1})
			var values, sensors []Value
			for _, l := range t.Limits {
				for _, e := range l.Expect {
					if t.Each != EntityNode && e != target {
						continue
					}
					v := Value{Metric: l.Metric, Entity: e, Unit: l.Unit}
					for _, x := range []*float64{l.Equals, l.Min, l.Max} {
						if x != nil {
							v.Value = *x
						}
					}
					if _, sensor := Sensors()[l.Metric]; sensor {
						sensors = append(sensors, v)
					} else {
						values = append(values, v)
					}
				}
			}
			if t.ID == "before" {
				values = append(values, Value{Metric: "ecc_uncorrected", Unit: "count", Value: 0})
			}
			if len(sensors) > 0 {
				add(Sample{Kind: SampleSensors, Test: t.ID, Target: target, Attempt: 1, Values: sensors})
			}
			r := Sample{Kind: SampleResult, Test: t.ID, Target: target, Attempt: 1, Values: values, Exec: &Exec{Argv: []string{t.Tool}, Accepted: true}}
			if t.Tool == ToolInventory {
				r.Fingerprint = "sha256:f"
			}
			add(r)
		}
	}
	add(Sample{Kind: SampleEnd, End: &End{Status: EndComplete, KernelLog: true}})
	return out
}

func clone(in []Sample) []Sample {
	out := slices.Clone(in)
	for i := range out {
		out[i].Values = slices.Clone(out[i].Values)
		if e := out[i].Exec; e != nil {
			c := *e
			out[i].Exec = &c
		}
		if s := out[i].Start; s != nil {
			c := *s
			out[i].Start = &c
		}
		if s := out[i].End; s != nil {
			c := *s
			out[i].End = &c
		}
	}
	return out
}

func renumber(in []Sample) []Sample {
	for i := range in {
		in[i].Seq = uint64(i) + 1
	}
	return in
}

func TestHealthyRunPasses(t *testing.T) {
	p := resolved(t)
	v := Judge(p, healthy(p))
	for _, g := range v.Gates {
		want := inventory.ResultPass
		if g.Gate == GateAccelerator {
			want = inventory.ResultNotApplicable
		}
		if g.Result != want || g.Measured != g.Expected {
			t.Errorf("%s is %s, %d of %d: %s", g.Gate, g.Result, g.Measured, g.Expected, g.Sentences(9))
		}
	}
	if v.Result != inventory.ResultPass || len(v.Suspects) > 0 || v.Base != testPlan().Digest() || v.Resolved != p.Digest() {
		t.Errorf("%+v", v)
	}
	if ev := v.Evidence(Subject{Node: "n1", Run: "r1", Document: "sha256:d"}); len(ev) != len(Gates())-1 || ev[0].Cites["plan"] != v.Base || ev[0].Cites["image"] == "" {
		t.Errorf("evidence %+v", ev)
	}
}

// TestEverythingMissingIsUnjudged removes every sample, every value, and every
// field that carries trust, one at a time: not one may still pass.
func TestEverythingMissingIsUnjudged(t *testing.T) {
	p := resolved(t)
	good := healthy(p)
	n := 0
	must := func(what string, samples []Sample, want inventory.Result) {
		t.Helper()
		n++
		if v := Judge(p, samples); v.Result != want {
			t.Errorf("%s: %s, want %s", what, v.Result, want)
		} else if want == inventory.ResultUnjudged && v.Gate(GateSamples).Result != inventory.ResultUnjudged {
			t.Errorf("%s: samples.complete is %s", what, v.Gate(GateSamples).Result)
		}
	}
	for i := range good {
		must(fmt.Sprintf("sample %d lost", i+1), append(clone(good[:i]), good[i+1:]...), inventory.ResultUnjudged)
		must(fmt.Sprintf("sample %d (%s) never sent", i+1, good[i].Kind), renumber(append(clone(good[:i]), clone(good[i+1:])...)), inventory.ResultUnjudged)
		must(fmt.Sprintf("cut after %d", i), clone(good[:i]), inventory.ResultUnjudged)
		if i > 0 {
			must(fmt.Sprintf("sample %d twice", i+1), append(clone(good[:i+1]), good[i:]...), inventory.ResultUnjudged)
		}
		for k, v := range good[i].Values {
			must(fmt.Sprintf("value %s of %s absent", v.Metric, v.Entity), mutate(good, i, func(s *Sample) { s.Values = slices.Delete(s.Values, k, k+1) }), observedOnly(p, good[i].Test, v.Metric, inventory.ResultUnjudged))
			must(fmt.Sprintf("value %s twice", v.Metric), mutate(good, i, func(s *Sample) { s.Values = append(s.Values, v) }), observedOnly(p, good[i].Test, v.Metric, inventory.ResultUnjudged))
			for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				must(fmt.Sprintf("value %s is %v", v.Metric, x), mutate(good, i, func(s *Sample) { s.Values[k].Value = x }), observedOnly(p, good[i].Test, v.Metric, inventory.ResultUnjudged))
			}
			must(fmt.Sprintf("value %s in furlongs", v.Metric), mutate(good, i, func(s *Sample) { s.Values[k].Unit = "furlong" }), observedOnly(p, good[i].Test, v.Metric, inventory.ResultUnjudged))
			must(fmt.Sprintf("value %s of a stranger", v.Metric), mutate(good, i, func(s *Sample) { s.Values[k].Entity = Entity{Kind: EntityDrive, ID: "X"} }), observedOnly(p, good[i].Test, v.Metric, inventory.ResultUnjudged))
			must(fmt.Sprintf("one %s more, of a stranger", v.Metric), mutate(good, i, func(s *Sample) {
				s.Values = append(s.Values, Value{Metric: v.Metric, Unit: v.Unit, Value: v.Value, Entity: Entity{Kind: EntityDrive, ID: "X"}})
			}), observedOnly(p, good[i].Test, v.Metric, inventory.ResultUnjudged))
		}
		if good[i].Exec == nil {
			continue
		}
		for what, f := range map[string]func(*Exec){
			"tool missing": func(e *Exec) { e.Missing, e.Exit, e.Accepted = true, 127, false }, "exit 3": func(e *Exec) { e.Exit, e.Accepted = 3, false },
			"timed out": func(e *Exec) { e.TimedOut = true }, "signal": func(e *Exec) { e.Signal = "killed" }, "not started": func(e *Exec) { e.Error = "no" },
		} {
			must(what+" in "+good[i].Test, mutate(good, i, func(s *Sample) { f(s.Exec) }), inventory.ResultUnjudged)
			must(what+" without values in "+good[i].Test, mutate(good, i, func(s *Sample) { f(s.Exec); s.Values = nil }), inventory.ResultUnjudged)
		}
		must("fault in "+good[i].Test, mutate(good, i, func(s *Sample) { s.Fault = "not understood" }), inventory.ResultUnjudged)
		must("no exec in "+good[i].Test, mutate(good, i, func(s *Sample) { s.Exec = nil }), inventory.ResultUnjudged)
		must("begun again after "+good[i].Test, renumber(slices.Insert(clone(good), i+1, Sample{Kind: SampleBegin, Test: good[i].Test, Target: good[i].Target, Attempt: 2})), inventory.ResultUnjudged)
	}
	if n < 300 {
		t.Errorf("only %d mutations", n)
	}
}

// observedOnly: a metric that is only observed may vanish without a trace in
// the result.
func observedOnly(p Profile, test, metric string, want inventory.Result) inventory.Result {
	x, _ := p.Test(test)
	judged := test == "before" && metric == "ecc_uncorrected" // read as the base of a difference
	for _, l := range x.Limits {
		judged = judged || l.Metric == metric && !l.Observe
	}
	if judged {
		return want
	}
	return inventory.ResultPass
}

func mutate(good []Sample, i int, f func(*Sample)) []Sample {
	out := clone(good)
	f(&out[i])
	return out
}

// TestEveryLimitCanFail breaks every enforced limit alone: each must fail its
// own gate and name its entity.
func TestEveryLimitCanFail(t *testing.T) {
	p := resolved(t)
	good := healthy(p)
	broken := 0
	for _, x := range p.Tests {
		for _, l := range x.Limits {
			for _, e := range l.Expect {
				samples := clone(good)
				for i := range samples {
					for k, v := range samples[i].Values {
						if samples[i].Test == x.ID && v.Metric == l.Metric && v.Entity == e {
							switch {
							case l.Min != nil:
								samples[i].Values[k].Value = *l.Min - 0.5
							case l.Max != nil:
								samples[i].Values[k].Value = *l.Max + 0.5
							default:
								samples[i].Values[k].Value = *l.Equals + 1
								if *l.Equals > 0 {
									samples[i].Values[k].Value = 0
								}
							}
						}
					}
				}
				v := Judge(p, samples)
				gate := l.Gate
				if gate == "" {
					gate = GateSuite
				}
				want := inventory.ResultFail
				if l.Observe {
					want = inventory.ResultPass
				}
				if got := v.Gate(gate); got.Result != want || v.Result != want {
					t.Errorf("%s %s of %s: gate %s is %s", x.ID, l.Metric, e, gate, got.Result)
				} else if want == inventory.ResultFail && !strings.Contains(got.Sentences(9), e.String()) {
					t.Errorf("%s %s: %q does not name %s", x.ID, l.Metric, got.Sentences(9), e)
				}
				broken++
			}
		}
	}
	if broken < 20 {
		t.Errorf("only %d limits were broken", broken)
	}
}
