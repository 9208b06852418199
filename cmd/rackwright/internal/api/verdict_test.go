package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/inventory"
)

// TestVerdict: a request is unjudged while a node of it is, whatever the others
// say; the verdict that the evidence cites comes out as JSON and JUnit, and
// nobody sees those of a foreign rack.
func TestVerdict(t *testing.T) {
	d := newDesk(t)
	var req inventory.Request
	d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpBurnIn, Nodes: []string{"A12/C01", "A12/C02"}}, http.StatusAccepted, &req)
	verdict := func(who string, run inventory.RunID) (v api.RunVerdict) {
		t.Helper()
		d.ask(who, http.MethodGet, "/runs/"+string(run)+"/verdict", nil, http.StatusOK, &v)
		return v
	}
	v := verdict("vic", req.Run)
	if v.Result != inventory.ResultUnjudged || len(v.Results) != 2 || v.Results[0].Missing == "" {
		t.Fatalf("before any run: %+v", v)
	}
	_, run := d.works(t.Context(), "A12/C01", inventory.OpBurnIn, req.Run, inventory.AbortSafe)
	v = verdict("vic", run)
	if v.Result != inventory.ResultUnjudged || !strings.Contains(v.Results[0].Missing, "not judged yet") {
		t.Errorf("while it runs: %+v", v)
	}
	// the real judge over no samples: everything is unjudged, with its reasons
	p, err := plan.Embedded("smoke")
	if err != nil {
		t.Fatal(err)
	}
	d.file(t, burnin.Judge(p, nil), "A12/C01", run)
	v = verdict("vic", run)
	if got := v.Results[0]; v.Result != inventory.ResultUnjudged || got.Verdict == nil || got.Verdict.Plan != "smoke" || got.Document == "" || got.Missing != "" {
		t.Errorf("judged without samples: %+v", v)
	}
	passed := burnin.Verdict{Plan: "smoke", Version: 1, Result: inventory.ResultPass, Gates: []burnin.GateVerdict{{Gate: burnin.GateSuite, Result: inventory.ResultPass}}}
	d.file(t, passed, "A12/C01", run)
	v = verdict("vic", run)
	if v.Result != inventory.ResultPass {
		t.Errorf("the newest verdict of the run counts: %+v", v)
	}
	v = verdict("vic", req.Run)
	if v.Result != inventory.ResultUnjudged || v.Results[0].Result != inventory.ResultPass || v.Results[1].Result != inventory.ResultUnjudged {
		t.Errorf("one passed, one never began: %+v", v)
	}
	failed := passed
	failed.Result, failed.Gates = inventory.ResultFail, []burnin.GateVerdict{{Gate: burnin.GateSuite, Result: inventory.ResultFail}}
	d.file(t, failed, "A12/C01", run)
	v = verdict("wes", req.Run)
	if v.Results[0].Simulated || v.Result != inventory.ResultFail {
		t.Errorf("fail goes before unjudged: %+v", v)
	}
	says(t, d.ask("wes", http.MethodGet, "/runs/"+string(req.Run)+"/junit", nil, http.StatusOK, nil),
		`tests="2" failures="1" errors="1" skipped="0"`, `testsuite name="A12/C01"`, `no burn-in run of this request began`)
	failed.Simulated = true
	d.file(t, failed, "A12/C01", run)
	if v = verdict("wes", run); !v.Results[0].Simulated {
		t.Errorf("a simulated agent looks real: %+v", v)
	}
	for _, what := range []string{"/verdict", "/junit"} {
		foreign := d.ask("fred", http.MethodGet, "/runs/"+string(req.Run)+what, nil, http.StatusNotFound, nil)
		says(t, foreign, "not_found")
	}
	var again inventory.Request
	d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpBringUp, Racks: []string{"A12"}}, http.StatusAccepted, &again)
	v = verdict("vic", again.Run)
	if v.Result != inventory.ResultUnjudged || len(v.Results) != 4 || !strings.Contains(v.Results[0].Missing, "of another request is "+string(run)) {
		t.Errorf("a request that burned nothing in names the run that did: %+v", v)
	}
	var sweep inventory.Request
	d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpSweep, Nodes: []string{"A12/C01"}}, http.StatusAccepted, &sweep)
	says(t, d.ask("tess", http.MethodGet, "/runs/"+string(sweep.Run)+"/verdict", nil, http.StatusNotFound, nil), "burned nothing in")
}

// file stores a verdict and its evidence, as the conductor does.
func (d *desk) file(t *testing.T, v burnin.Verdict, address string, run inventory.RunID) {
	t.Helper()
	raw, err := v.JSON()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := d.store.Put(t.Context(), inventory.DocVerdict, raw)
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.store.Node(t.Context(), inventory.NodeID(address))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range v.Evidence(burnin.Subject{Node: n.ID, Run: run, Attempt: 1, Document: doc, At: time.Now()}) {
		if _, err := d.store.File(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBurnInPlans: the list is the embedded plans, whole: what is read back as
// JSON is the same plan by digest.
func TestBurnInPlans(t *testing.T) {
	d := newDesk(t)
	var list []api.BurnInPlan
	d.ask("fred", http.MethodGet, "/burnin/plans", nil, http.StatusOK, &list)
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
		if p.Profile.Digest() != p.Digest {
			t.Errorf("plan %s changed on its way: %s", p.Name, p.Digest)
		}
	}
	if !slices.Equal(names, plan.Names()) || len(names) < 2 {
		t.Errorf("listed %v", names)
	}
	var one map[string]json.RawMessage
	d.ask("fred", http.MethodGet, "/burnin/plans/smoke", nil, http.StatusOK, &one)
	if len(one["steps"]) == 0 || string(one["plan"]) != `"smoke"` {
		t.Errorf("smoke has %v", one)
	}
	says(t, d.ask("fred", http.MethodGet, "/burnin/plans/none", nil, http.StatusNotFound, nil), "known are smoke, x86")
}
