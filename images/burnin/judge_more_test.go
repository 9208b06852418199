package burnin

import (
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// TestFailBeatsMissing: a broken value is a fail even when the tool also timed
// out and others are absent.
func TestFailBeatsMissing(t *testing.T) {
	p := resolved(t)
	good := healthy(p)
	i := slices.IndexFunc(good, func(s Sample) bool { return s.Kind == SampleResult && s.Test == "memory" })
	v := Judge(p, mutate(good, i, func(s *Sample) {
		s.Exec.TimedOut, s.Fault = true, "cut"
		s.Values = []Value{{Metric: "hardware_incidents", Unit: "count", Value: 1}}
	}))
	if v.Result != inventory.ResultFail || v.Gate(GateSuite).Result != inventory.ResultFail || v.Gate(GateSamples).Result != inventory.ResultUnjudged {
		t.Errorf("%s: %+v", v.Result, v.Gates)
	}
}

func TestKernelLines(t *testing.T) {
	p := resolved(t)
	drive := Entity{Kind: EntityDrive, ID: "SER-A"}
	for _, c := range []struct {
		name string
		line KernelLine
		gate inventory.Gate
		want inventory.Result
	}{
		{"machine check", KernelLine{Class: KernelHardware, Text: "mce"}, GateErrors, inventory.ResultFail},
		{"medium error", KernelLine{Class: KernelIO, Text: "critical medium error", Entity: drive}, GateErrors, inventory.ResultFail},
		{"throttled", KernelLine{Class: KernelThermal, Text: "cpu clock throttled"}, GateThermal, inventory.ResultFail},
		{"out of memory", KernelLine{Class: KernelOOM, Text: "Out of memory"}, GateSuite, inventory.ResultUnjudged},
		{"gap", KernelLine{Class: KernelGap}, GateErrors, inventory.ResultUnjudged},
		{"log lost", KernelLine{Class: KernelUnreachable}, GateErrors, inventory.ResultUnjudged},
		{"unknown class", KernelLine{Class: "martian"}, GateErrors, inventory.ResultUnjudged},
		{"class the plan does not fail on", KernelLine{Class: KernelCorrected}, GateErrors, inventory.ResultPass},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := healthy(p)
			s := Sample{Kind: SampleKernel, Test: "memory", Kernel: &c.line}
			v := Judge(p, renumber(slices.Insert(clone(good), 5, s, s, s)))
			g := v.Gate(c.gate)
			if g.Result != c.want || v.Result != c.want {
				t.Errorf("%s is %s, the verdict %s", c.gate, g.Result, v.Result)
			}
			if len(g.Reasons) > 1 {
				t.Errorf("one kind of line, %d reasons", len(g.Reasons))
			}
			if c.line.Entity == drive && !slices.Contains(v.Suspects, drive) {
				t.Errorf("suspects %v", v.Suspects)
			}
		})
	}
}

func TestFrame(t *testing.T) {
	p := resolved(t)
	for _, c := range []struct {
		name string
		do   func([]Sample) []Sample
		gate inventory.Gate
		want inventory.Result
		says string
	}{
		{"nothing at all", func([]Sample) []Sample { return nil }, GateSuite, inventory.ResultUnjudged, "no start"},
		{"other plan", func(s []Sample) []Sample { s[0].Start.Plan = "sha256:0"; return s }, GateSuite, inventory.ResultUnjudged, "ran plan sha256:0"},
		{"aborted", func(s []Sample) []Sample {
			s[len(s)-1].End.Status, s[len(s)-1].End.Reason = EndAborted, "stopped"
			return s
		}, GateSuite, inventory.ResultUnjudged, "stopped"},
		{"kernel log closed at the start", func(s []Sample) []Sample { s[0].Start.KernelLog = false; return s }, GateErrors, inventory.ResultUnjudged, "kernel log"},
		{"kernel log closed at the end", func(s []Sample) []Sample { s[len(s)-1].End.KernelLog = false; return s }, GateErrors, inventory.ResultUnjudged, "kernel log"},
		{"no boot id", func(s []Sample) []Sample { s[0].Start.BootID = ""; return s }, GateErrors, inventory.ResultUnjudged, "no start"},
		{"restart of the node", func(s []Sample) []Sample {
			again := *s[0].Start
			again.BootID = "boot-2"
			return renumber(slices.Insert(s, 6, Sample{Kind: SampleStart, Start: &again}))
		}, GateErrors, inventory.ResultFail, "restarted during memory"},
		{"restart of the agent", func(s []Sample) []Sample {
			return renumber(slices.Insert(s, 6, Sample{Kind: SampleStart, Start: s[0].Start}))
		}, GateErrors, inventory.ResultPass, ""},
		{"parts changed", func(s []Sample) []Sample {
			s[len(s)-2].Fingerprint = "sha256:other"
			return s
		}, GateFingerprint, inventory.ResultFail, "changed between identify and identify-after"},
		{"parts not read", func(s []Sample) []Sample { s[len(s)-2].Fingerprint = ""; return s }, GateFingerprint, inventory.ResultUnjudged, "before and after"},
		{"counter went back", func(s []Sample) []Sample {
			for i := range s {
				for k := range s[i].Values {
					if s[i].Test == "before" && s[i].Values[k].Metric == "ecc_uncorrected" {
						s[i].Values[k].Value = 4
					}
				}
			}
			return s
		}, GateErrors, inventory.ResultUnjudged, "went backwards"},
		{"result that was never begun", func(s []Sample) []Sample {
			i := slices.IndexFunc(s, func(x Sample) bool { return x.Kind == SampleBegin && x.Test == "cpu" })
			return renumber(slices.Delete(s, i, i+1))
		}, GateSuite, inventory.ResultUnjudged, "step cpu has no result"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(p, c.do(clone(healthy(p))))
			g := v.Gate(c.gate)
			if g.Result != c.want || !strings.Contains(g.Sentences(20), c.says) {
				t.Errorf("%s is %s: %s", c.gate, g.Result, g.Sentences(20))
			}
		})
	}
}

// TestSecondAttemptCounts: after a restart of the agent the step was run again;
// the last attempt is the one that counts, also when it is the worse one.
func TestSecondAttemptCounts(t *testing.T) {
	p := resolved(t)
	good := healthy(p)
	i := slices.IndexFunc(good, func(s Sample) bool { return s.Kind == SampleResult && s.Test == "cpu" })
	second := clone(good[i : i+1])[0]
	second.Attempt = 2
	begin := Sample{Kind: SampleBegin, Test: "cpu", Attempt: 2}
	samples := renumber(slices.Insert(clone(good), i+1, begin, second))
	if v := Judge(p, samples); v.Result != inventory.ResultPass {
		t.Errorf("%s: %s", v.Result, v.Gate(GateSuite).Sentences(3))
	}
	samples[i+2].Values[0].Value = 7
	if v := Judge(p, samples); v.Result != inventory.ResultFail {
		t.Errorf("the worse second attempt gives %s", v.Result)
	}
}

func TestResolve(t *testing.T) {
	if v := Judge(testPlan(), nil); v.Result != inventory.ResultUnjudged || v.Gate(GateAccelerator).Result != inventory.ResultUnjudged {
		t.Errorf("an unresolved plan gives %s", v.Result)
	}
	for _, c := range []struct {
		name string
		do   func(*Machine)
		gate inventory.Gate
		want inventory.Result
		says string
	}{
		{"ordered drive not seen", func(m *Machine) {
			m.Expected = append(m.Expected, inventory.Component{Key: inventory.Key{Kind: inventory.KindDrive}, Quantity: 4})
		}, GateSuite, inventory.ResultUnjudged, "2 of 6 ordered drives"},
		{"drive without serial", func(m *Machine) { m.Observed = append(m.Observed, part(inventory.KindDrive, "D2", "N/A")) }, GateSuite, inventory.ResultUnjudged, "no usable serial"},
		{"drive only the node sees", func(m *Machine) { m.Inband = append(m.Inband, part(inventory.KindDrive, "0000:41:00.0", "")) }, GateSuite, inventory.ResultUnjudged, "no usable serial"},
		{"accelerators only the node sees", func(m *Machine) { m.Inband = append(m.Inband, part(inventory.KindGPU, "0000:1a:00.0", "")) }, GateAccelerator, inventory.ResultUnjudged, "Test the 1 accelerators"},
		{"nothing known", func(m *Machine) { *m = Machine{} }, GateSuite, inventory.ResultUnjudged, "knows no CPU"},
		{"accelerators on the list", func(m *Machine) { m.Observed = append(m.Observed, part(inventory.KindGPU, "GPU1", "G1")) }, GateAccelerator, inventory.ResultUnjudged, "Test the 1 accelerators"},
		{"accelerators of the rack type", func(m *Machine) { m.Accelerator = inventory.KindTrainium }, GateAccelerator, inventory.ResultUnjudged, "Test the trainium accelerators"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := testMachine()
			c.do(&m)
			p, err := Resolve(testPlan(), m)
			if err != nil {
				t.Fatal(err)
			}
			g := Judge(p, healthy(p)).Gate(c.gate)
			if g.Result != c.want || !strings.Contains(g.Sentences(9), c.says) {
				t.Errorf("%s is %s: %s", c.gate, g.Result, g.Sentences(9))
			}
		})
	}
	p := resolved(t)
	if _, err := Resolve(p, testMachine()); err == nil {
		t.Error("a resolved plan was resolved again")
	}
	seen := testMachine()
	seen.Inband = []inventory.Component{part(inventory.KindDrive, "0000:41:00.0", "SER-C"), part(inventory.KindDrive, "0000:40:00.0", "SER-A")}
	if p, err := Resolve(testPlan(), seen); err != nil || len(p.Tests[4].Targets) != 3 || len(p.Tests[4].Limits[0].Expect) != 3 {
		t.Errorf("a drive that only the node sees is not tested: %v, %v", p.Tests[4].Targets, err)
	}
	bare := testMachine()
	bare.Observed[len(bare.Observed)-1].Facts = nil
	p, err := Resolve(testPlan(), bare)
	if err != nil {
		t.Fatal(err)
	}
	if v := Judge(p, healthy(p)); v.Result != inventory.ResultPass || len(p.Tests[1].NotApplicable) == 0 {
		t.Errorf("without EDAC: %s, %q", v.Result, p.Tests[1].NotApplicable)
	}
}
