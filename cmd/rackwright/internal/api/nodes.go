package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// NodeDetail is one node with its why: gates, blockers, findings, parts, runs.
type NodeDetail struct {
	NodeLine
	Next     inventory.Milestone    `json:"next,omitempty"`
	Gates    []lifecycle.GateResult `json:"gates"`
	Blockers []inventory.Blocker    `json:"blockers"`
	Open     []inventory.Finding    `json:"openFindings"`
	Expected []inventory.Component  `json:"expected"`
	Observed []inventory.Component  `json:"observed"`
	Evidence []inventory.Evidence   `json:"evidence"`
	Runs     []inventory.Run        `json:"runs"`
	Boot     []inventory.BootLine   `json:"boot"`
	At       time.Time              `json:"at"`
}

// Failed is the newest evidence of each gate that did not pass, for a node that
// stands beside the main way: why somebody must look at it. Anywhere else the
// gates of the next milestone say it.
func (d NodeDetail) Failed() []inventory.Evidence {
	if d.Milestone != inventory.NodeTriage && d.Milestone != inventory.NodeRepair {
		return nil
	}
	newest := map[inventory.Gate]int{}
	for i, e := range d.Evidence {
		if !e.Void {
			newest[e.Gate] = i
		}
	}
	var out []inventory.Evidence
	for i, e := range d.Evidence {
		if at, ok := newest[e.Gate]; ok && at == i && e.Result != inventory.ResultPass {
			out = append(out, e)
		}
	}
	return out
}

type nodePath struct {
	Node    string    `path:"node" doc:"node id or address such as A12/C07 (slash as %2F)"`
	At      time.Time `query:"at" doc:"as it was then (RFC 3339)"`
	KnownAt time.Time `query:"known-at" doc:"as the record said then (RFC 3339)"`
}

type nodesIn struct {
	Rack      string `query:"rack" doc:"rack id or name; empty: every rack the caller may see"`
	Kind      string `query:"kind" doc:"compute, switch, power_shelf …"`
	Milestone string `query:"milestone"`
}

func (s *Service) addNodes(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/nodes", "list-nodes", "Nodes of the racks the caller may see"), s.listNodes)
	huma.Register(api, op(http.MethodGet, "/nodes/{node}", "get-node", "One node with its why"),
		func(ctx context.Context, in *nodePath) (*body[NodeDetail], error) {
			n, _, _, err := s.node(ctx, in.Node, auth.Read)
			if err != nil {
				return nil, err
			}
			d, err := s.NodeDetail(ctx, n, inventory.At{Valid: in.At, Known: in.KnownAt})
			return answer(d), problem(err)
		})
}

func (s *Service) listNodes(ctx context.Context, in *nodesIn) (*body[[]NodeLine], error) {
	mine, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	out := []NodeLine{}
	found := in.Rack == ""
	for _, r := range mine {
		if in.Rack != "" && in.Rack != string(r.ID) && !strings.EqualFold(in.Rack, r.Name) {
			continue
		}
		found = true
		d, err := s.RackDetail(ctx, r)
		if err != nil {
			return nil, problem(err)
		}
		for _, slot := range d.Slots {
			n := slot.Node
			if n.ID != "" && (in.Kind == "" || string(n.Kind) == in.Kind) && (in.Milestone == "" || string(n.Milestone) == in.Milestone) {
				out = append(out, n)
			}
		}
	}
	if !found {
		return nil, problem(notFound("rack", in.Rack))
	}
	return answer(out), nil
}

// NodeDetail reads one node; the pages use it, too.
func (s *Service) NodeDetail(ctx context.Context, n inventory.Node, at inventory.At) (NodeDetail, error) {
	d := NodeDetail{At: time.Now().UTC()}
	f, err := facts.Node(ctx, s.Store, n.ID, d.At)
	if err != nil {
		return d, err
	}
	on := inventory.Selector{Nodes: []inventory.NodeID{n.ID}}
	if d.Blockers, err = s.Store.Blockers(ctx, on); err != nil {
		return d, err
	}
	d.Open = slices.DeleteFunc(openFindings(f.Findings), func(x inventory.Finding) bool { return !touches(x, n.ID) })
	d.NodeLine = nodeLine(f.Node, d.Open, d.Blockers)
	if next, ok := lifecycle.After(f.Node.Milestone); ok {
		d.Next, d.Gates = next, append(lifecycle.Standing(next, f), lifecycle.GateResults(next, f)...)
	}
	if d.Expected, d.Observed, err = s.Store.Components(ctx, n.ID, at); err != nil {
		return d, err
	}
	if d.Evidence, err = s.Store.Evidence(ctx, inventory.NodeSubject(n.ID)); err != nil {
		return d, err
	}
	if d.Runs, err = s.Store.ListRuns(ctx, inventory.NodeSubject(n.ID)); err != nil {
		return d, err
	}
	for _, m := range n.MACs {
		lines, err := s.Store.Lines(ctx, inventory.Hint{MAC: m}, d.At.Add(-24*time.Hour))
		if err != nil {
			return d, err
		}
		d.Boot = append(d.Boot, lines...)
	}
	return d, nil
}
