package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// powerActions are the words of a power request.
var powerActions = []string{"on", "off", "force-off", "restart"}

// startArgs are the arguments of a request that can be judged before it is
// accepted; makers may read more.
type startArgs struct {
	Action    string   `json:"action"`
	Baselines []string `json:"baselines"`
	Baseline  string   `json:"baseline"`
	Plan      string   `json:"plan"`
	Image     string   `json:"image"`
	Reason    string   `json:"reason"`
}

// guard refuses a request that cannot or must not be served, before it is
// accepted. The conductor looks again when it acts: the world may have changed.
func (s *Service) guard(ctx context.Context, c Caller, in StartRequest, on inventory.Selector) error {
	var args startArgs
	if len(in.Args) > 0 {
		if err := json.Unmarshal(in.Args, &args); err != nil {
			return invalid("arguments: "+err.Error(), `Name baselines, a burn-in plan and an image: start … --baseline NAME --plan smoke --image NAME; in the API: args {"baselines":["hgx-8@2026.09.1"],"plan":"smoke"}.`)
		}
	}
	if in.Plan != "" && in.Op != inventory.OpFirmware {
		return invalid(fmt.Sprintf("plan %s: only firmware is started by the digest of a plan", in.Plan), `Flash by it: rackwright apply firmware DIGEST. A burn-in plan has a name: --plan smoke (API: args.plan).`)
	}
	switch in.Op {
	case inventory.OpTriage, inventory.OpReturn, inventory.OpRepair:
		if len(strings.TrimSpace(args.Reason)) < 10 {
			return invalid("a node goes to triage, and leaves it, with a reason of at least 10 characters", "Say what was done, such as \"DIMM_0 replaced, case 1234\".")
		}
		return s.guardDecision(ctx, in.Op, on)
	case inventory.OpPower:
		return s.guardPower(ctx, args, on)
	case inventory.OpFirmware:
		if in.Plan != "" {
			return s.guardPlan(ctx, c, in, args, on)
		}
		if len(args.Baselines) == 0 && args.Baseline == "" {
			return invalid("firmware needs a stored plan or a baseline", "Plan first: rackwright plan firmware NODE --baseline NAME, then rackwright apply firmware DIGEST.")
		}
		return s.guardNames(ctx, args)
	case inventory.OpBurnIn, inventory.OpBringUp:
		return s.guardNames(ctx, args)
	}
	return nil
}

// guardDecision refuses what the law refuses now.
func (s *Service) guardDecision(ctx context.Context, op inventory.OpKind, on inventory.Selector) error {
	e, _ := lifecycle.Decision(op)
	for n, err := range s.Store.Select(ctx, on) {
		if err == nil {
			_, err = lifecycle.Next(n, e)
		}
		if err != nil {
			return problem(err)
		}
	}
	return nil
}

// guardPower: nobody takes power from a node in a step that must not be
// interrupted.
func (s *Service) guardPower(ctx context.Context, args startArgs, on inventory.Selector) error {
	if !slices.Contains(powerActions, args.Action) {
		return invalid(fmt.Sprintf("%q is no power action", args.Action), fmt.Sprintf("Write one of %v: rackwright power NODE ACTION (API: args.action).", powerActions))
	}
	for n, err := range s.Store.Select(ctx, on) {
		if err != nil {
			return problem(err)
		}
		if o := n.Operation; o != nil && o.Abort == inventory.AbortNever {
			return problem(fmt.Errorf("do not power off: %s is in %s (%s, run %s), which must not be interrupted; wait for its end with rackwright watch: %w",
				n.Address, o.Kind, o.Step, o.Run, inventory.ErrHeld))
		}
		if err := s.mayRun(ctx, n, args.Action); err != nil {
			return err
		}
	}
	return nil
}

// mayRun refuses at once to give a node power that is held, with every hold that
// forbids it, or where something runs.
func (s *Service) mayRun(ctx context.Context, n inventory.Node, action string) error {
	if action != "on" && action != "restart" {
		return nil
	}
	r, err := s.Store.Rack(ctx, n.Rack)
	if err != nil {
		return problem(err)
	}
	var shut []string
	for name, list := range map[string][]inventory.Hold{n.Address: n.Holds, r.Name: r.Holds} {
		for _, h := range list {
			if lifecycle.May(inventory.NodeSubject(n.ID), []inventory.Hold{h}, lifecycle.UsePowerOn) != nil {
				roles, _ := lifecycle.LiftRoles(h.Name)
				shut = append(shut, fmt.Sprintf("%s on %s (%s; lifted by %v)", h.Name, name, h.Reason, roles))
			}
		}
	}
	if o := n.Operation; len(shut) == 0 && o != nil && o.Kind != inventory.OpPower {
		return problem(fmt.Errorf("%s runs on %s (%s, run %s); power %s waits for nothing: ask again when it has ended, or break it with rackwright break %s --reason …: %w",
			o.Kind, n.Address, o.Step, o.Run, action, n.Address, inventory.ErrHeld))
	}
	if len(shut) == 0 {
		return nil
	}
	slices.Sort(shut)
	p := problem(fmt.Errorf("%s gets no power: %s: %w", n.Address, strings.Join(shut, "; "), inventory.ErrHeld)).(*Problem)
	p.Fix = "Let those lift what holds it, when its cause is gone: rackwright release NODE HOLD --reason …"
	return p
}

// guardPlan: a plan is for its node only, and one that puts an older version in
// place of a newer needs a reason and a second person.
func (s *Service) guardPlan(ctx context.Context, c Caller, in StartRequest, args startArgs, on inventory.Selector) error {
	p, err := s.planOf(ctx, in.Plan, auth.Read)
	if err != nil {
		return err
	}
	if len(on.Racks) > 0 || len(on.Nodes) != 1 || on.Nodes[0] != p.Plan.Node {
		return invalid(fmt.Sprintf("plan %s is for %s and nothing else", in.Plan, p.Address), "Select exactly that node: rackwright apply firmware DIGEST does it.")
	}
	if p.Plan.Empty() {
		return invalid(fmt.Sprintf("plan %s has no steps: %s runs what %s wants", in.Plan, p.Address, p.Plan.Name), "There is nothing to apply.")
	}
	for _, d := range flashed(p) {
		f, err := s.Images.Store.Open(ctx, d)
		if errors.Is(err, inventory.ErrNotFound) {
			return noBlob(d)
		}
		if err != nil {
			return problem(err)
		}
		if err := f.Close(); err != nil {
			return problem(err)
		}
	}
	if len(p.Downgrades) == 0 {
		return nil
	}
	if args.Reason == "" {
		return invalid("the plan is a downgrade and has no reason: "+p.Downgrades[0], "Say why: rackwright apply firmware DIGEST --reason … (API: args.reason).")
	}
	if err := auth.Different(c.Person.ID, in.Approver, "a firmware downgrade ("+p.Downgrades[0]+")"); err != nil {
		return problem(err)
	}
	n, err := s.Store.Node(ctx, p.Plan.Node)
	if err != nil {
		return problem(err)
	}
	return s.approvedBy(ctx, p, in.Approver, n)
}

// flashed are the payloads of a plan, each once.
func flashed(p PlanAnswer) []inventory.Digest {
	var out []inventory.Digest
	for _, st := range p.Plan.Steps {
		if st.Payload != "" && !slices.Contains(out, st.Payload) {
			out = append(out, st.Payload)
		}
	}
	return out
}

// guardNames: a name that nobody knows is said now, not by a blocker later. A
// baseline that allows downgrades is planned node by node, so that a second
// person sees what is put back.
func (s *Service) guardNames(ctx context.Context, args startArgs) error {
	names := args.Baselines
	if args.Baseline != "" {
		names = append(names, args.Baseline)
	}
	for _, name := range names {
		b, err := s.baseline(ctx, name)
		if err != nil {
			return err
		}
		for _, w := range b.Wants {
			if w.Downgrade {
				return invalid(fmt.Sprintf("baseline %s allows a downgrade of %s", name, w.Name),
					"Plan it for each node and let a second person approve: rackwright plan firmware NODE --baseline "+name+".")
			}
		}
	}
	if args.Plan != "" {
		if _, err := plan.Embedded(args.Plan); err != nil {
			return invalid(err.Error(), "List them: rackwright get plans.")
		}
	}
	if args.Image != "" {
		if _, _, err := s.Images.Image(ctx, args.Image); errors.Is(err, inventory.ErrNotFound) {
			return invalid(err.Error(), "List them: rackwright get images; publish one: rackwright import image FILE.")
		} else if err != nil {
			return problem(err)
		}
	}
	return nil
}
