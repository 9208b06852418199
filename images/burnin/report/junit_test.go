package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
)

var update = flag.Bool("update", false, "write the golden file")

func why(text string) *burnin.Reason {
	return &burnin.Reason{ID: "x", Owner: inventory.OwnerVendor, Sentence: text}
}

// suites has one of every result, as gate and as check, a waived gate, a
// simulated run, and a node without a verdict.
func suites() []Suite {
	one, zero := 1.0, 0.0
	disk := burnin.Entity{Kind: burnin.EntityDrive, ID: "SER<A>"}
	check := func(test, metric string, r inventory.Result, gate inventory.Gate) burnin.CheckResult {
		return burnin.CheckResult{Test: test, Metric: metric, Unit: "count", Rule: "equals 0", Source: "house: test", Gate: gate, Result: r}
	}
	pass, fail := check("memory", "errors", inventory.ResultPass, burnin.GateSuite), check("disk", "errors", inventory.ResultFail, burnin.GateSuite)
	pass.Value, fail.Value, fail.Entity, fail.Reason = &zero, &one, disk, why("drive SER<A> has 1 error & more")
	open := check("cpu", "bogo_ops", inventory.ResultUnjudged, burnin.GateSuite)
	open.Reason = why("stress-ng printed nothing")
	na := check("after", "ecc_uncorrected", inventory.ResultNotApplicable, burnin.GateErrors)
	na.Reason = why("the board reports no memory controllers")
	seen := check("memory", "copy_rate", inventory.ResultFail, burnin.GateSuite)
	seen.Observe, seen.Value, seen.Reason = true, &one, why("slow")
	v := burnin.Verdict{Plan: "test", Version: 1, Base: "sha256:b", Resolved: "sha256:r", Image: "sha256:i", Result: inventory.ResultFail, Simulated: true,
		Started: time.Unix(1795000000, 0).UTC(), Ended: time.Unix(1795000012, 5e8).UTC(), Tools: []burnin.ToolUse{{Name: "fio", Version: "3.33"}},
		Checks: []burnin.CheckResult{pass, fail, open, na, seen},
		Gates: []burnin.GateVerdict{
			{Gate: burnin.GateSuite, Result: inventory.ResultFail, Reasons: []burnin.Reason{*fail.Reason, *open.Reason}, Measured: 2, Expected: 3},
			{Gate: burnin.GateThermal, Result: inventory.ResultPass, Measured: 1, Expected: 1},
			{Gate: burnin.GateErrors, Result: inventory.ResultNotApplicable},
			{Gate: burnin.GateAccelerator, Result: inventory.ResultUnjudged, Reasons: []burnin.Reason{*why("accelerators NOT tested")}}}}
	return []Suite{{Name: "A12/C01", Run: "01RUN", Verdict: &v, Waived: []inventory.Gate{burnin.GateAccelerator}},
		{Name: "A12/C02", Run: "02RUN", Missing: "the run has no verdict yet", Simulated: true}}
}

func TestJUnitGolden(t *testing.T) {
	var got bytes.Buffer
	if err := JUnit(&got, suites()); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "junit.xml")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%s", got.String())
	}
}

// TestJUnitCounts reads the report back as a consumer does: what its parts say
// adds up to what its heads say, and nothing unjudged reads as passed or skipped.
func TestJUnitCounts(t *testing.T) {
	var raw bytes.Buffer
	if err := JUnit(&raw, suites()); err != nil {
		t.Fatal(err)
	}
	var all testSuites
	if err := xml.Unmarshal(raw.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	if all.Tests != 10 || all.Failures != 2 || all.Errors != 3 || all.Skipped != 2 {
		t.Errorf("10 cases, 2 failures, 3 errors, 2 skipped expected: %+v", all)
	}
	for _, s := range all.Suites {
		for _, c := range s.Cases {
			if (c.Name == "accelerator.tested" || strings.Contains(c.Name, "bogo_ops")) && c.Error == nil {
				t.Errorf("%s is unjudged and reads as %+v", c.Name, c)
			}
		}
	}
}

// TestUnknownResult: what we do not know has not passed.
func TestUnknownResult(t *testing.T) {
	var c testCase
	if c.say("brand-new", "?"); c.Error == nil {
		t.Error("an unknown result reads as passed")
	}
}

type full struct{}

var errFull = errors.New("disk is full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestJUnitWriteError(t *testing.T) {
	if err := JUnit(full{}, suites()); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}
