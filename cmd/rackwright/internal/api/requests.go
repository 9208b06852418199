package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// StartRequest asks for work. Racks and nodes are ids or addresses; an empty
// selector selects nothing and is refused.
type StartRequest struct {
	Op       inventory.OpKind     `json:"op" enum:"sweep,secure,firmware,burn_in,rack_test,bring_up,power,locate,triage,return,repair"`
	Racks    []string             `json:"racks,omitempty"`
	Nodes    []string             `json:"nodes,omitempty"`
	Kinds    []inventory.NodeKind `json:"kinds,omitempty"`
	All      bool                 `json:"all,omitempty"`
	Plan     inventory.Digest     `json:"plan,omitempty" doc:"digest of the approved plan (firmware)"`
	Args     json.RawMessage      `json:"args,omitempty" doc:"what the operation needs, such as {\"baselines\":[\"hgx-8@2026.09.1\"],\"plan\":\"smoke\"}"`
	Approver inventory.PersonID   `json:"approver,omitempty" doc:"second person, where a vendor asks"`
}

type startIn struct {
	Key    string `header:"Idempotency-Key" doc:"the same key gives the same run"`
	DryRun bool   `query:"dryRun" doc:"say what would be asked of whom, and change nothing"`
	Body   StartRequest
}

// RunDetail is a run, or the request that will become runs.
type RunDetail struct {
	Request *inventory.Request `json:"request,omitempty"`
	Run     *inventory.Run     `json:"run,omitempty"`
}

func (s *Service) addRequests(api huma.API) {
	start := op(http.MethodPost, "/requests", "start", "Ask for work; 202 means accepted, not done")
	start.DefaultStatus = http.StatusAccepted
	huma.Register(api, start, s.start)
	huma.Register(api, op(http.MethodGet, "/runs/{run}", "get-run", "A request with one line per target, or one run"), s.getRun)
	huma.Register(api, op(http.MethodGet, "/racks/{rack}/requests", "list-requests", "Requests that touch a rack"),
		func(ctx context.Context, in *rackPath) (*body[[]inventory.Request], error) {
			r, _, err := s.rack(ctx, in.Rack, auth.Read)
			if err != nil {
				return nil, err
			}
			list, err := s.Store.Requests(ctx, inventory.RackSubject(r.ID))
			return answer(nonNil(list)), problem(err)
		})
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// actionOf: reading again and blinking an LED are the technician's daily work,
// switching off is everybody's who stands before water or smoke; the rest changes
// the machine.
func actionOf(in StartRequest) auth.Action {
	switch in.Op {
	case inventory.OpPower:
		if lifecycle.SwitchesOff(in.Args) {
			return auth.EmergencyOff
		}
		return auth.Operate
	case inventory.OpSweep, inventory.OpLocate:
		return auth.Operate
	}
	return auth.Change
}

func (s *Service) start(ctx context.Context, in *startIn) (*accepted, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	on, racks, err := s.selector(ctx, in.Body, actionOf(in.Body))
	if err != nil {
		return nil, err
	}
	if err := s.approved(ctx, c, in.Body, racks); err != nil {
		return nil, err
	}
	if err := s.guard(ctx, c, in.Body, on); err != nil {
		return nil, err
	}
	req := inventory.Request{Key: in.Key, Op: in.Body.Op, On: on, Plan: in.Body.Plan, Args: in.Body.Args, By: c.Person.ID,
		Approver: in.Body.Approver, State: inventory.RequestAccepted}
	if in.DryRun {
		if req.Lines, err = s.preview(ctx, req); err != nil {
			return nil, err
		}
		return &accepted{Status: http.StatusOK, Body: req}, nil
	}
	if req.Key == "" {
		req.Key = inventory.CauseOf(ctx).Request
	}
	if req, err = s.Store.Ask(ctx, req); err != nil {
		return nil, problem(err)
	}
	s.wake()
	return &accepted{Status: http.StatusAccepted, Location: "/v1/runs/" + string(req.Run), Body: req}, nil
}

// approved: a vendor's change needs the consent of a person of the site.
func (s *Service) approved(ctx context.Context, c Caller, in StartRequest, racks []inventory.Rack) error {
	onlyVendor := !slices.ContainsFunc(c.Grants, func(g inventory.Grant) bool { return g.Role != inventory.RoleVendor && g.Role != inventory.RoleViewer })
	if actionOf(in) != auth.Change || !onlyVendor {
		return nil
	}
	if err := auth.Different(c.Person.ID, in.Approver, "a change asked by a vendor"); err != nil {
		p := problem(err).(*Problem)
		p.Fix = "Name somebody of the site who agrees: --approver PERSON (API: approver)."
		return p
	}
	p, err := s.Store.Person(ctx, in.Approver)
	if err != nil {
		return problem(err)
	}
	for _, r := range racks {
		if err := auth.Can(p.Grants, auth.ApproveVendor, s.target(r), now()); err != nil {
			return problem(err)
		}
	}
	return nil
}

// selector resolves addresses to ids and asks the matrix for every rack that
// is touched. What the caller may not see does not exist.
func (s *Service) selector(ctx context.Context, in StartRequest, a auth.Action) (inventory.Selector, []inventory.Rack, error) {
	on := inventory.Selector{Kinds: in.Kinds}
	var racks []inventory.Rack
	names := in.Racks
	if in.All {
		mine, err := s.reach(ctx)
		if err != nil {
			return on, nil, err
		}
		for _, r := range mine {
			names = append(names, string(r.ID))
		}
	}
	if len(names)+len(in.Nodes) == 0 {
		return on, nil, invalid("the selector is empty, so nothing is selected", "Name racks or nodes (rack=A12, A12/C07), or say --all.")
	}
	for _, name := range names {
		r, _, err := s.rack(ctx, name, a)
		if err != nil {
			return on, nil, err
		}
		racks, on.Racks = append(racks, r), append(on.Racks, r.ID)
	}
	for _, name := range in.Nodes {
		n, r, _, err := s.node(ctx, name, a)
		if err != nil {
			return on, nil, err
		}
		racks, on.Nodes = append(racks, r), append(on.Nodes, n.ID)
	}
	return on, racks, nil
}

type runPath struct {
	Run string `path:"run"`
}

func (s *Service) getRun(ctx context.Context, in *runPath) (*body[RunDetail], error) {
	var d RunDetail
	req, err := s.Store.Request(ctx, inventory.RunID(in.Run))
	if err == nil {
		d.Request, err = &req, s.seesAll(ctx, req)
	} else if errors.Is(err, inventory.ErrNotFound) {
		var run inventory.Run
		if run, err = s.Store.Run(ctx, inventory.RunID(in.Run)); err == nil {
			d.Run, err = &run, s.sees(ctx, run.Subject)
		}
	}
	if errors.Is(err, inventory.ErrNotFound) { // somebody else's looks like none
		err = notFound("run", in.Run)
	}
	if err != nil {
		return nil, problem(err)
	}
	return answer(d), nil
}

func (s *Service) seesAll(ctx context.Context, req inventory.Request) error {
	for _, l := range req.Lines {
		if err := s.sees(ctx, l.Subject); err != nil {
			return err
		}
	}
	if len(req.Lines) == 0 {
		_, err := s.may(ctx, auth.Read, inventory.Rack{})
		return err
	}
	return nil
}

// sees refuses a subject of a rack that the caller may not read.
func (s *Service) sees(ctx context.Context, on inventory.Subject) error {
	var err error
	switch on.Scope {
	case inventory.ScopeNode:
		_, _, _, err = s.node(ctx, on.ID, auth.Read)
	case inventory.ScopeRack:
		_, _, err = s.rack(ctx, on.ID, auth.Read)
	default:
		_, err = s.may(ctx, auth.Read, inventory.Rack{})
	}
	return err
}

// subject resolves an address: with a slash it is a node, else a rack.
func (s *Service) subject(ctx context.Context, name string, a auth.Action) (inventory.Subject, inventory.Rack, Caller, error) {
	if strings.Contains(name, "/") {
		n, r, c, err := s.node(ctx, name, a)
		return inventory.NodeSubject(n.ID), r, c, err
	}
	r, c, err := s.rack(ctx, name, a)
	if err == nil {
		return inventory.RackSubject(r.ID), r, c, nil
	}
	if n, nr, nc, nerr := s.node(ctx, name, a); nerr == nil {
		return inventory.NodeSubject(n.ID), nr, nc, nil
	}
	return inventory.Subject{}, r, c, err
}
