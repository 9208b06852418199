package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
)

// Suite is the verdict of one node, or the reason why there is none.
type Suite struct {
	Name    string // address of the node
	Run     inventory.RunID
	Verdict *burnin.Verdict
	Missing string           // without a verdict: why
	Waived  []inventory.Gate // let pass by two people; the result below stays as judged
	// Simulated: the machine is simulated, whatever the agent said of itself.
	Simulated bool
}

// JUnit writes suites as JUnit XML, one testsuite a node, in the given order:
//
//   - a testcase per gate (classname "gate") and one per check, named
//     step/metric with its entity (classname: the gate it decides);
//   - fail is <failure>, unjudged is <error> and never <skipped>,
//     not_applicable is <skipped> with its reason;
//   - an observed check never fails: it says what it saw in <system-out>;
//   - waived gates and simulated runs are properties of the suite;
//   - a node without a verdict is one testcase with an <error>.
//
// The same suites give the same bytes. Errors are those of w.
func JUnit(w io.Writer, suites []Suite) error {
	all := testSuites{Name: "rackwright burn-in"}
	for _, s := range suites {
		x := suiteOf(s)
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+x.Tests, all.Failures+x.Failures, all.Errors+x.Errors, all.Skipped+x.Skipped
		all.Suites = append(all.Suites, x)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

type testSuites struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Suites   []testSuite `xml:"testsuite"`
}

type testSuite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"` // seconds
	Timestamp  string     `xml:"timestamp,attr,omitempty"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *message `xml:"failure"`
	Error   *message `xml:"error"`
	Skipped *message `xml:"skipped"`
	Out     string   `xml:"system-out,omitempty"`
}

type message struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func suiteOf(s Suite) testSuite {
	out := testSuite{Name: s.Name, Time: "0.000"}
	set := func(name, value string) {
		if value != "" {
			out.Properties = append(out.Properties, property{name, value})
		}
	}
	set("run", string(s.Run))
	if s.Simulated || s.Verdict != nil && s.Verdict.Simulated {
		set("simulated", "true")
	}
	if s.Verdict == nil {
		set("verdict", string(inventory.ResultUnjudged))
		out.add(testCase{Class: "gate", Name: string(burnin.GateSuite), Error: &message{Message: s.Missing, Type: string(inventory.ResultUnjudged)}})
		return out
	}
	v := *s.Verdict
	set("verdict", string(v.Result))
	set("plan", fmt.Sprintf("%s version %d", v.Plan, v.Version))
	set("plan.base", string(v.Base))
	set("plan.resolved", string(v.Resolved))
	set("image", string(v.Image))
	for _, g := range s.Waived {
		set("waived", string(g))
	}
	for _, t := range v.Tools {
		set("tool."+t.Name, strings.TrimSpace(t.Version+" "+string(t.Digest)))
	}
	if !v.Started.IsZero() {
		out.Timestamp = v.Started.UTC().Format("2006-01-02T15:04:05")
		if d := v.Ended.Sub(v.Started); d > 0 {
			out.Time = fmt.Sprintf("%.3f", float64(d)/float64(time.Second))
		}
	}
	for _, g := range v.Gates {
		out.add(gateCase(g, slices.Contains(s.Waived, g.Gate)))
	}
	for _, c := range v.Checks {
		out.add(checkCase(c))
	}
	return out
}

func (s *testSuite) add(c testCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func gateCase(g burnin.GateVerdict, waived bool) testCase {
	c := testCase{Class: "gate", Name: string(g.Gate)}
	if g.Expected > 0 {
		c.Out = fmt.Sprintf("%d of %d values measured", g.Measured, g.Expected)
	}
	if waived {
		c.Out = strings.TrimPrefix(c.Out+"; waived", "; ")
	}
	var lines []string
	for _, r := range g.Reasons {
		lines = append(lines, fmt.Sprintf("%s (%s)", r.Sentence, r.Owner))
	}
	c.say(g.Result, strings.Join(lines, "\n"))
	return c
}

func checkCase(x burnin.CheckResult) testCase {
	c := testCase{Class: string(x.Gate), Name: x.Test + "/" + x.Metric}
	if x.Entity != (burnin.Entity{}) {
		c.Name += " " + x.Entity.String()
	}
	said := ""
	if x.Reason != nil {
		said = x.Reason.Sentence
	}
	c.Out = fmt.Sprintf("limit %s %s (%s)", x.Rule, x.Unit, x.Source)
	if x.Value != nil {
		c.Out = fmt.Sprintf("%g %s, %s", *x.Value, x.Unit, c.Out)
	}
	if x.Observe {
		c.Out += strings.TrimSuffix("; observed only: "+said, ": ")
		return c
	}
	c.say(x.Result, said)
	return c
}

// say maps a result. A result that this release does not know is an error: it
// must never read as passed.
func (c *testCase) say(r inventory.Result, why string) {
	first, _, _ := strings.Cut(why, "\n")
	m := &message{Message: first, Type: string(r), Text: why}
	switch r {
	case inventory.ResultPass:
	case inventory.ResultFail:
		c.Failure = m
	case inventory.ResultNotApplicable:
		m.Type, m.Text = "", ""
		c.Skipped = m
	default:
		c.Error = m
	}
}
