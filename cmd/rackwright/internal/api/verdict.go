package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/report"
	"github.com/rackwright/rackwright/inventory"
)

// RunVerdict is what burn-in said: of one run, or of every node of a request.
type RunVerdict struct {
	Run     inventory.RunID  `json:"run"`
	Result  inventory.Result `json:"result" doc:"fail before unjudged before pass, over all nodes"`
	Results []NodeVerdict    `json:"results"`
}

// NodeVerdict is one node's. Without a verdict the result is unjudged and
// Missing says why.
type NodeVerdict struct {
	Node     inventory.NodeID `json:"node"`
	Address  string           `json:"address"`
	Run      inventory.RunID  `json:"run,omitempty"`
	Result   inventory.Result `json:"result"`
	Document inventory.Digest `json:"document,omitempty" doc:"of the verdict as stored"`
	Waived   []inventory.Gate `json:"waived,omitempty" doc:"let pass by two people until a day; the result stays as judged"`
	Missing  string           `json:"missing,omitempty"`
	Verdict  *burnin.Verdict  `json:"verdict,omitempty"`
	// Simulated: a simulator had a hand in it, be it the agent or the machine.
	Simulated bool `json:"simulated,omitempty"`
}

func (s *Service) addVerdicts(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/runs/{run}/verdict", "get-verdict", "What burn-in said in a run, or in the runs of a request"),
		func(ctx context.Context, in *runPath) (*body[RunVerdict], error) {
			v, err := s.verdict(ctx, in.Run)
			return answer(v), err
		})
	o := op(http.MethodGet, "/runs/{run}/junit", "get-junit", "The same as JUnit XML: fail is failure, unjudged is error, not applicable is skipped")
	o.Responses = map[string]*huma.Response{"200": {Description: "JUnit XML", Content: map[string]*huma.MediaType{"application/xml": {Schema: &huma.Schema{Type: "string"}}}}}
	huma.Register(api, o, func(ctx context.Context, in *runPath) (*huma.StreamResponse, error) {
		v, err := s.verdict(ctx, in.Run)
		if err != nil {
			return nil, err
		}
		suites := make([]report.Suite, 0, len(v.Results))
		for _, r := range v.Results {
			suites = append(suites, report.Suite{Name: r.Address, Run: r.Run, Verdict: r.Verdict, Missing: r.Missing, Waived: r.Waived, Simulated: r.Simulated})
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			c.SetHeader("Content-Type", "application/xml")
			if err := report.JUnit(c.BodyWriter(), suites); err != nil {
				s.Log.Warn("a JUnit report was not taken to its end", "run", in.Run, "err", err)
			}
		}}, nil
	})
}

// verdict asks as getRun does: somebody else's run looks like none.
func (s *Service) verdict(ctx context.Context, id string) (RunVerdict, error) {
	d, err := s.getRun(ctx, &runPath{Run: id})
	if err != nil {
		return RunVerdict{}, err
	}
	out := RunVerdict{Run: inventory.RunID(id), Result: inventory.ResultPass, Results: []NodeVerdict{}}
	if run := d.Body.Run; run != nil {
		if run.Op == inventory.OpBurnIn && run.Subject.Scope == inventory.ScopeNode {
			err = s.addVerdict(ctx, &out, inventory.NodeID(run.Subject.ID), run)
		}
	} else {
		out.Run = d.Body.Request.Run
		err = s.requestVerdicts(ctx, &out, *d.Body.Request)
	}
	if err == nil && len(out.Results) == 0 {
		err = fmt.Errorf("run %q burned nothing in: %w", id, inventory.ErrNotFound)
	}
	return out, problem(err)
}

// requestVerdicts: every node that the request burns in. A node of which no run
// began is unjudged, unless it is of a kind that is never burned in.
func (s *Service) requestVerdicts(ctx context.Context, out *RunVerdict, req inventory.Request) error {
	if req.Op != inventory.OpBurnIn && req.Op != inventory.OpBringUp {
		return nil
	}
	for _, l := range req.Lines {
		if l.Subject.Scope != inventory.ScopeNode {
			continue
		}
		runs, err := s.Store.ListRuns(ctx, l.Subject)
		if err != nil {
			return err
		}
		var last, other *inventory.Run // of this request, of another one
		for i, r := range runs {
			which := &other
			if r.Parent == req.Run {
				which = &last
			}
			if r.Op == inventory.OpBurnIn && (*which == nil || r.Started.After((*which).Started)) {
				*which = &runs[i]
			}
		}
		before := len(out.Results)
		if err := s.addVerdict(ctx, out, inventory.NodeID(l.Subject.ID), last); err != nil {
			return err
		}
		if last == nil && other != nil && len(out.Results) > before {
			out.Results[before].Missing += "; the last one of another request is " + string(other.ID)
		}
	}
	return nil
}

func (s *Service) addVerdict(ctx context.Context, out *RunVerdict, node inventory.NodeID, run *inventory.Run) error {
	n, err := s.Store.Node(ctx, node)
	if err != nil || run == nil && n.Kind != inventory.KindCompute {
		return err
	}
	v := NodeVerdict{Node: n.ID, Address: n.Address, Simulated: n.Simulated, Result: inventory.ResultUnjudged, Missing: "no burn-in run of this request began"}
	if run != nil {
		v.Run = run.ID
		if err := s.judged(ctx, &v, *run); err != nil {
			return err
		}
	}
	if v.Result == inventory.ResultFail || v.Result == inventory.ResultUnjudged && out.Result == inventory.ResultPass {
		out.Result = v.Result
	}
	out.Results = append(out.Results, v)
	return nil
}

// judged finds the verdict that the evidence of a run cites.
func (s *Service) judged(ctx context.Context, v *NodeVerdict, run inventory.Run) error {
	v.Missing = "the run is not judged yet: wait for its end"
	if !run.Ended.IsZero() {
		v.Missing = "the run ended without a verdict: " + run.Detail
	}
	list, err := s.Store.Evidence(ctx, run.Subject)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(list) {
		if e.Run != run.ID || e.Document == "" || !slices.Contains(burnin.Gates(), e.Gate) {
			continue
		}
		raw, err := s.Store.Document(ctx, e.Document)
		if err != nil {
			return err
		}
		var verdict burnin.Verdict
		if err := json.Unmarshal(raw, &verdict); err != nil {
			return fmt.Errorf("verdict %s of run %s: %w", e.Document, run.ID, err)
		}
		v.Verdict, v.Document, v.Result, v.Missing = &verdict, e.Document, verdict.Result, ""
		v.Simulated = v.Simulated || e.Simulated || verdict.Simulated
		break
	}
	v.Waived, err = s.waivedGates(ctx, run.Subject)
	return err
}

// waivedGates are the burn-in gates that a waiver of two people covers today.
func (s *Service) waivedGates(ctx context.Context, on inventory.Subject) ([]inventory.Gate, error) {
	list, err := s.Store.Waivers(ctx, on)
	if errors.Is(err, inventory.ErrNotFound) {
		return nil, nil
	}
	var out []inventory.Gate
	for _, w := range list {
		if w.Approver != "" && w.Until.After(time.Now()) && slices.Contains(burnin.Gates(), w.Gate) && !slices.Contains(out, w.Gate) {
			out = append(out, w.Gate)
		}
	}
	slices.Sort(out)
	return out, err
}
