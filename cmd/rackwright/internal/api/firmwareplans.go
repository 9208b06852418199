package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/inventory"
)

// PlanAnswer is a stored firmware plan. Only its digest can be applied.
type PlanAnswer struct {
	Digest     inventory.Digest `json:"digest"`
	Address    string           `json:"address"`
	Plan       firmware.Plan    `json:"plan"`
	Downgrades []string         `json:"downgrades" doc:"one sentence each; a plan with any needs the approval of a second person"`
	Approvals  []PlanApproval   `json:"approvals"`
}

// PlanApproval is a second person's consent to one plan, given with their own token.
type PlanApproval struct {
	Plan   inventory.Digest   `json:"plan"`
	By     inventory.PersonID `json:"by"`
	At     time.Time          `json:"at"`
	Reason string             `json:"reason"`
}

// BaselineLine is one baseline as its author wrote it.
type BaselineLine struct {
	firmware.Baseline
	Document inventory.Digest `json:"document"`
}

type planPath struct {
	Plan string `path:"plan" doc:"digest of a stored firmware plan"`
}

type approvalIn struct {
	Plan string `path:"plan" doc:"digest of a stored firmware plan"`
	Body struct {
		Reason string `json:"reason" minLength:"8" doc:"why the older version is right; kept with the plan"`
	}
}

func (s *Service) addFirmwarePlans(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/firmware/baselines", "get-baselines", "Firmware baselines with their components and payloads"), s.listBaselines)
	huma.Register(api, op(http.MethodPost, "/nodes/{node}/plans", "store-plan", "Plan a baseline for a node and store the plan; its digest is what is approved and applied"), s.storePlan)
	huma.Register(api, op(http.MethodGet, "/plans/{plan}", "get-plan", "A stored firmware plan with its approvals"),
		func(ctx context.Context, in *planPath) (*body[PlanAnswer], error) {
			out, err := s.planOf(ctx, inventory.Digest(in.Plan), auth.Read)
			return answer(out), err
		})
	huma.Register(api, op(http.MethodPost, "/plans/{plan}/approval", "approve-plan", "Consent to a firmware plan that somebody else will start"), s.approvePlan)
}

func (s *Service) listBaselines(ctx context.Context, _ *struct{}) (*body[[]BaselineLine], error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	refs, err := s.Store.Refs(ctx, inventory.DocBaseline)
	if err != nil {
		return nil, problem(err)
	}
	out := []BaselineLine{}
	for _, r := range refs {
		b, err := s.baseline(ctx, r.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, BaselineLine{Baseline: b, Document: r.Digest})
	}
	return answer(out), nil
}

func (s *Service) storePlan(ctx context.Context, in *planIn) (*body[PlanAnswer], error) {
	n, _, _, err := s.node(ctx, in.Node, auth.Change)
	if err != nil {
		return nil, err
	}
	p, err := s.makePlan(ctx, n, in.Baseline)
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.Put(ctx, inventory.DocPlan, p.JSON()); err != nil {
		return nil, problem(err)
	}
	out, err := s.planOf(ctx, p.Digest, auth.Read)
	return answer(out), err
}

// makePlan plans against the last reading itself, as the conductor does: the
// same reading gives the same digest.
func (s *Service) makePlan(ctx context.Context, n inventory.Node, name string) (firmware.Plan, error) {
	b, err := s.baseline(ctx, name)
	if err != nil {
		return firmware.Plan{}, err
	}
	if b.Profile != "" && b.Profile != n.BMC.Profile && b.Profile != n.Profile {
		return firmware.Plan{}, invalid(fmt.Sprintf("baseline %s is written for profile %q, %s has %q", b.Name, b.Profile, n.Address, cmp.Or(n.BMC.Profile, n.Profile, "none yet")),
			"Name the baseline of this profile: rackwright get baselines.")
	}
	o, err := s.Store.Observation(ctx, n.ID, inventory.SourceRedfish)
	if errors.Is(err, inventory.ErrNotFound) {
		return firmware.Plan{}, invalid(n.Address+" was never read, so there is nothing to compare with", "Read it first: rackwright start sweep "+n.Address+" --wait.")
	}
	if err != nil {
		return firmware.Plan{}, problem(err)
	}
	p, err := firmware.NewPlan(b, n.ID, o.Components)
	return p, problem(err)
}

func (s *Service) baseline(ctx context.Context, name string) (firmware.Baseline, error) {
	ref, err := s.Store.Ref(ctx, inventory.DocBaseline, name)
	if errors.Is(err, inventory.ErrNotFound) {
		return firmware.Baseline{}, &Problem{Type: "about:blank", Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound, Code: "not_found",
			Detail: fmt.Sprintf("baseline %q is not here", name), Fix: "List them: rackwright get baselines; import one: rackwright import baseline FILE.", cause: err}
	}
	if err != nil {
		return firmware.Baseline{}, problem(err)
	}
	raw, err := s.Store.Document(ctx, ref.Digest)
	if err != nil {
		return firmware.Baseline{}, problem(err)
	}
	b, err := firmware.ParseBaseline(bytes.NewReader(raw))
	return b, problem(err)
}

// planOf reads a stored plan whose node the caller may act on. A plan of a
// foreign rack, and a digest of something else, look like none.
func (s *Service) planOf(ctx context.Context, d inventory.Digest, a auth.Action) (PlanAnswer, error) {
	if _, err := caller(ctx); err != nil {
		return PlanAnswer{}, err
	}
	none := problem(fmt.Errorf("plan %q: %w", d, inventory.ErrNotFound))
	raw, err := s.Store.Document(ctx, d)
	if errors.Is(err, inventory.ErrNotFound) {
		return PlanAnswer{}, none
	}
	if err != nil {
		return PlanAnswer{}, problem(err)
	}
	p, err := firmware.LoadPlan(raw)
	if err != nil || p.Node == "" || p.Baseline == "" {
		return PlanAnswer{}, none
	}
	n, _, _, err := s.node(ctx, string(p.Node), a)
	if errors.Is(err, inventory.ErrNotFound) {
		return PlanAnswer{}, none
	}
	if err != nil {
		return PlanAnswer{}, err
	}
	out := PlanAnswer{Digest: d, Address: n.Address, Plan: p, Downgrades: nonNil(p.Downgrades())}
	out.Approvals, err = s.approvals(ctx, d)
	return out, problem(err)
}

func approvalName(d inventory.Digest, by inventory.PersonID) string {
	return "plan-approval/" + d.Hex() + "/" + string(by)
}

func (s *Service) approvals(ctx context.Context, d inventory.Digest) ([]PlanApproval, error) {
	refs, err := s.Store.Refs(ctx, inventory.DocChecklist)
	if err != nil {
		return nil, err
	}
	out := []PlanApproval{}
	for _, r := range refs {
		if !strings.HasPrefix(r.Name, approvalName(d, "")) {
			continue
		}
		raw, err := s.Store.Document(ctx, r.Digest)
		if err != nil {
			return nil, err
		}
		var a PlanApproval
		if err := json.Unmarshal(raw, &a); err != nil {
			return nil, fmt.Errorf("approval %s: %w", r.Name, err)
		}
		out = append(out, a)
	}
	return out, nil
}

func (s *Service) approvePlan(ctx context.Context, in *approvalIn) (*body[PlanAnswer], error) {
	d := inventory.Digest(in.Plan)
	if _, err := s.planOf(ctx, d, auth.ApproveVendor); err != nil {
		return nil, err
	}
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(PlanApproval{Plan: d, By: c.Person.ID, At: now(), Reason: in.Body.Reason})
	if err != nil {
		return nil, problem(err)
	}
	doc, err := s.Store.Put(ctx, inventory.DocChecklist, raw)
	if err != nil {
		return nil, problem(err)
	}
	_, err = s.Store.SetRef(ctx, inventory.Ref{Kind: inventory.DocChecklist, Name: approvalName(d, c.Person.ID), Digest: doc})
	if err != nil && !errors.Is(err, inventory.ErrConflict) { // approved before: the first word stays
		return nil, problem(err)
	}
	out, err := s.planOf(ctx, d, auth.Read)
	return answer(out), err
}

// approvedBy: the named second person gave consent to exactly this plan, and
// still may.
func (s *Service) approvedBy(ctx context.Context, p PlanAnswer, by inventory.PersonID, node inventory.Node) error {
	if !slices.ContainsFunc(p.Approvals, func(a PlanApproval) bool { return a.By == by }) {
		return problem(fmt.Errorf("%s has not approved plan %s; they do it with their own token: rackwright approve firmware %s: %w", by, p.Digest, p.Digest, inventory.ErrDenied))
	}
	person, err := s.Store.Person(ctx, by)
	if err != nil {
		return problem(err)
	}
	r, err := s.Store.Rack(ctx, node.Rack)
	if err != nil {
		return problem(err)
	}
	if person.Disabled {
		return problem(fmt.Errorf("%s is disabled: %w", by, inventory.ErrDenied))
	}
	return problem(auth.Can(person.Grants, auth.ApproveVendor, s.target(r), now()))
}
