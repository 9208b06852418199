package burnin

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Gates are the node gates this room gives evidence for (lifecycle.md §3).
const (
	GateSuite       inventory.Gate = "suite.verdict"
	GateSamples     inventory.Gate = "samples.complete"
	GateThermal     inventory.Gate = "thermal"
	GateErrors      inventory.Gate = "errors"
	GateFingerprint inventory.Gate = "fingerprint.same"
	GateAccelerator inventory.Gate = "accelerator.tested"
)

// Gates lists them in the order a verdict prints.
func Gates() []inventory.Gate {
	return []inventory.Gate{GateSuite, GateSamples, GateThermal, GateErrors, GateFingerprint, GateAccelerator}
}

var (
	idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)
	bases     = []string{"standard", "vendor", "measured", "site", "inventory", "house"}
	whens     = []string{"", "edac"}
)

// Check returns every fault of a plan at once, each naming its place; a plan
// with faults is never run. Nil means the plan is sound.
func Check(p Profile) []string {
	c := checker{p: p, seen: map[string]int{}}
	if !idPattern.MatchString(p.Name) {
		c.fault("plan", "name %q: want lower-case letters, digits and dashes", p.Name)
	}
	if p.Version < 1 {
		c.fault("version", "want a number from 1")
	}
	if len(p.Kernel) == 0 {
		c.fault("kernel", "name the kernel log classes that fail the run, at least %s and %s", KernelHardware, KernelIO)
	}
	for _, k := range p.Kernel {
		if !slices.Contains(KernelClasses(), k) {
			c.fault("kernel", "class %q is unknown; known are %v", k, KernelClasses())
		}
	}
	if len(p.Tests) == 0 {
		c.fault("steps", "a plan without steps judges nothing")
	}
	for i, t := range p.Tests {
		c.test(i, t)
		c.seen[t.ID] = i
	}
	c.frame()
	return c.faults
}

type checker struct {
	p      Profile
	seen   map[string]int // steps so far, by id
	faults []string
}

func (c *checker) fault(where, format string, args ...any) {
	c.faults = append(c.faults, where+": "+fmt.Sprintf(format, args...))
}

// frame: the machine's fingerprint is taken first and last.
func (c *checker) frame() {
	if n := len(c.p.Tests); n < 3 || c.p.Tests[0].Tool != ToolInventory || c.p.Tests[n-1].Tool != ToolInventory {
		c.fault("steps", "the first and the last step must be of tool %s: the same parts before and after", ToolInventory)
	}
	for _, t := range c.p.Tests {
		for _, l := range t.Limits {
			if !l.Observe && (l.Gate == GateSuite || l.Gate == "") && t.Tool != ToolInventory {
				return
			}
		}
	}
	c.fault("steps", "no enforced gate: this plan could only pass")
}

func (c *checker) test(i int, t Test) {
	at := fmt.Sprintf("steps[%d] %s", i, t.ID)
	spec, known := Tools()[t.Tool]
	switch {
	case !idPattern.MatchString(t.ID):
		c.fault(at, "id %q: want lower-case letters, digits and dashes", t.ID)
	case hasKey(c.seen, t.ID):
		c.fault(at, "id %q is used twice", t.ID)
	}
	if !known {
		c.fault(at, "tool %q is unknown; known are %s", t.Tool, strings.Join(ToolNames(), " "))
		return
	}
	for _, n := range t.Needs {
		if !hasKey(c.seen, n) {
			c.fault(at, "needs %q, which is no earlier step", n)
		}
	}
	if t.Timeout.D() <= t.Duration.D() || t.Timeout <= 0 {
		c.fault(at, "timeout %s must be longer than the duration %s", t.Timeout.D(), t.Duration.D())
	}
	if t.Each != spec.Each {
		c.fault(at, "tool %s runs once per %q, the step says each %q", t.Tool, spec.Each, t.Each)
	}
	if !slices.Contains(whens, t.When) {
		c.fault(at, "when %q is unknown; known is edac", t.When)
	}
	for name := range t.Args {
		if !slices.Contains(spec.Args, name) {
			c.fault(at, "argument %q is unknown to %s; known are %v", name, t.Tool, spec.Args)
		}
	}
	if writes := strings.Contains(t.Args["rw"], "write") || t.Args["rw"] == "trim"; t.Tool == ToolFio && writes != t.Destructive {
		c.fault(at, "rw %q and destructive %t do not agree", t.Args["rw"], t.Destructive)
	}
	if len(t.Targets) > 0 || t.NotApplicable != "" {
		c.fault(at, "targets are resolved from the inventory, not written")
	}
	c.limits(at, t, spec)
}

func (c *checker) limits(at string, t Test, spec ToolSpec) {
	enforced, work := []string{}, len(spec.Metrics) == 0
	for j, l := range t.Limits {
		where := fmt.Sprintf("%s gates[%d] %s", at, j, l.Metric)
		m, ok := metricOf(t.Tool, l.Metric)
		if !ok {
			c.fault(where, "tool %s has no such metric", t.Tool)
			continue
		}
		c.limit(where, l, m)
		if _, sensor := Sensors()[l.Metric]; sensor && t.Each != EntityNode {
			c.fault(where, "a sensor is gated on steps that run once, not per %s", t.Each)
		}
		if !l.Observe {
			enforced = append(enforced, l.Metric)
			work = work || m.Work
		}
	}
	for _, r := range spec.Required {
		if !slices.Contains(enforced, r) {
			c.fault(at, "metric %s of %s must be gated: it is where the tool says that it found a fault", r, t.Tool)
		}
	}
	if !work {
		c.fault(at, "no gate proves that %s did any work", t.Tool)
	}
}

func (c *checker) limit(where string, l Limit, m Metric) {
	set := 0
	for _, v := range []*float64{l.Equals, l.Min, l.Max} {
		if v != nil {
			set++
			if math.IsNaN(*v) || math.IsInf(*v, 0) {
				c.fault(where, "the limit is not a finite number")
			}
		}
	}
	if set != 1 {
		c.fault(where, "want exactly one of equals, min and max")
	}
	if l.Unit != m.Unit {
		c.fault(where, "unit %q: the metric is in %q", l.Unit, m.Unit)
	}
	if l.Per != m.Per {
		c.fault(where, "per %q: the metric is per %q", l.Per, m.Per)
	}
	basis, text, ok := strings.Cut(l.Source, ":")
	if !ok || !slices.Contains(bases, basis) || strings.TrimSpace(text) == "" {
		c.fault(where, "source %q: want \"basis: text\" with a basis of %v", l.Source, bases)
	}
	if l.Since != "" && !hasKey(c.seen, l.Since) {
		c.fault(where, "since %q is no earlier step", l.Since)
	}
	if !slices.Contains([]inventory.Gate{"", GateSuite, GateThermal, GateErrors}, l.Gate) {
		c.fault(where, "gate %q: want %s, %s or %s", l.Gate, GateSuite, GateThermal, GateErrors)
	}
	if len(l.Expect) > 0 {
		c.fault(where, "expect is resolved from the inventory, not written")
	}
}

func hasKey(m map[string]int, k string) bool { _, ok := m[k]; return ok }
