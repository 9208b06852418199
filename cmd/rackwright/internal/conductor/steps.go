package conductor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Maker produces the machine evidence of one milestone: it looks, secures,
// flashes or tests, one small turn at a time. It returns done when it has
// nothing to do now, so that the gates alone decide.
type Maker interface {
	// Kind is the operation that the maker runs.
	Kind() inventory.OpKind
	// Make takes one turn. f are the node's facts as read in this turn.
	Make(ctx context.Context, t Turn, f lifecycle.Facts) (r Result, done bool, err error)
}

// Steps builds the one step of each milestone. A milestone without a maker is
// reached by people's evidence alone.
type Steps struct {
	Store  Store
	Makers map[inventory.Milestone]Maker // by the milestone they lead to
	Extra  map[inventory.OpKind]Maker    // operations that lead to no milestone: locate, power
	Freeze func(ctx context.Context, t Turn, f lifecycle.Facts) (inventory.Evidence, error)
	Issue  func(ctx context.Context, t Turn, f lifecycle.Facts) (inventory.Evidence, error)
}

// Fill gives a conductor its steps.
func (s *Steps) Fill(c *Conductor) {
	c.NodeSteps, c.RackSteps = map[inventory.Milestone]Step{}, map[inventory.RackMilestone]Step{}
	for _, m := range lifecycle.NodeMilestones() {
		c.NodeSteps[m] = s.node
	}
	for _, m := range lifecycle.RackMilestones() {
		c.RackSteps[m] = s.rack
	}
}

// safe puts a safety latch before everything else: whoever reads what to do next
// must not be sent to a wet tray to check its cable.
func safe(t Turn, r Result, err error) (Result, error) {
	held := t.Node.Holds
	if !t.Node.Held(inventory.HoldSafetyLatch) {
		held = t.Rack.Holds
	}
	i := slices.IndexFunc(held, func(h inventory.Hold) bool { return h.Name == inventory.HoldSafetyLatch })
	if err != nil || r.Event != nil || i < 0 {
		return r, err
	}
	name := t.Rack.Name
	if t.Node.Held(inventory.HoldSafetyLatch) {
		name = t.Node.Address
	}
	r.Blockers = slices.DeleteFunc(r.Blockers, func(b inventory.Blocker) bool { return b.Gate != lifecycle.GateLeak })
	r.Blockers = append(r.Blockers, blocker(t, "", inventory.OwnerFacilities, "conductor.latch", name, held[i].Reason))
	return r, nil
}

// node is the step of every node milestone: finish what runs, then pass the
// gates if they are open, then let the maker work if somebody asked, and else
// say what is missing and who must act.
func (s *Steps) node(ctx context.Context, t Turn) (Result, error) {
	r, err := s.nodeStep(ctx, t)
	return safe(t, r, err)
}

func (s *Steps) nodeStep(ctx context.Context, t Turn) (Result, error) {
	f, err := facts.Node(ctx, s.Store, t.Node.ID, time.Now())
	if err != nil {
		return Result{}, err
	}
	if op := t.Operation(); op != nil || len(t.Unsettled) > 0 {
		if err := s.meanwhile(ctx, t, f); err != nil {
			return Result{}, err
		}
		return s.resume(ctx, t, f)
	}
	if r, busy, err := s.asked(ctx, t, f); busy || err != nil {
		return r, err
	}
	next, ok := lifecycle.After(t.Node.Milestone)
	if !ok {
		return s.beside(t, f), nil
	}
	shut := lifecycle.Gate(next, f)
	if len(shut) == 0 {
		e, _ := lifecycle.EventTo(next)
		return Result{Change: inventory.Change{Event: &inventory.Event{Kind: e, Reason: "every gate is open"}}, Reason: "gates of " + string(next) + " are open"}, nil
	}
	m := s.Makers[next]
	if leakShut(next, f) {
		m = s.Extra[inventory.OpSweep] // what may leak is read again, and nothing else is done with it
	}
	if m != nil && machineShut(next, f) {
		r, done, err := s.start(ctx, t, f, m)
		if err != nil || !done {
			return r, err
		}
		shut = append(r.Blockers, shut...)
	}
	return Result{Change: inventory.Change{Blockers: shut}, Reason: fmt.Sprintf("%d gates of %s are shut", len(shut), next)}, nil
}

// machineShut reports whether a machine has evidence to make for a milestone.
func machineShut(m inventory.Milestone, f lifecycle.Facts) bool {
	return leakShut(m, f) || slices.ContainsFunc(lifecycle.GateResults(m, f), machineOwes)
}

// leakShut reports whether a machine must read a node dry before it may go on.
func leakShut(m inventory.Milestone, f lifecycle.Facts) bool {
	return slices.ContainsFunc(lifecycle.Standing(m, f), machineOwes)
}

func machineOwes(g lifecycle.GateResult) bool { return g.Producer == inventory.ByMachine && !g.Open() }

// start runs a maker when it may: asked for, not held, nothing else running.
func (s *Steps) start(ctx context.Context, t Turn, f lifecycle.Facts, m Maker) (Result, bool, error) {
	on := t.Subject()
	if !wanted(t, m.Kind()) {
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{{Subject: on, Owner: inventory.OwnerTechnician, Fix: "conductor.ask",
			Args: []string{t.Node.Address, string(m.Kind())}}}}}, true, nil
	}
	if b, held := forbidden(t, m.Kind()); held {
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{b}}}, true, nil
	}
	return m.Make(ctx, t, f)
}

// forbidden says which hold or state forbids an operation, as a blocker.
func forbidden(t Turn, op inventory.OpKind) (inventory.Blocker, bool) {
	err := lifecycle.Allowed(t.Node, op)
	if err == nil {
		holder := t.Node
		holder.Holds = t.Rack.Holds // a hold on the rack holds its members
		holder.Operation = nil
		err = lifecycle.Allowed(holder, op)
	}
	if err == nil {
		return inventory.Blocker{}, false
	}
	return held(t, err), true
}

// held says what holds a node, to those who may lift it.
func held(t Turn, err error) inventory.Blocker {
	var e *inventory.HeldError
	if errors.As(err, &e) && e.Lock != nil && e.Lock.State == "needs-repair" {
		name := t.Node.Address
		if e.Scope.Scope == inventory.ScopeRack {
			name = t.Rack.Name
		}
		return blocker(t, "", inventory.OwnerTechnician, "conductor.locked", name, err.Error())
	}
	if !errors.As(err, &e) || e.Hold == nil {
		return blocker(t, "", inventory.OwnerTechnician, "conductor.held", t.Node.Address, err.Error())
	}
	owner := inventory.OwnerTechnician
	if roles, _ := lifecycle.LiftRoles(e.Hold.Name); slices.Contains(roles, inventory.RoleFacilities) {
		owner = inventory.OwnerFacilities
	}
	return blocker(t, "", owner, "conductor.hold", t.Node.Address, string(e.Hold.Name), e.Hold.Reason)
}

// forbiddenRequest is forbidden for one request: switching off is what most
// holds still allow, a safety latch above all (lifecycle.md §5), and nobody
// switches on what leaks (§11).
func forbiddenRequest(t Turn, f lifecycle.Facts, req inventory.Request) (inventory.Blocker, bool) {
	if req.Op != inventory.OpPower || !lifecycle.SwitchesOff(req.Args) {
		if shut := lifecycle.Leaky(f); len(shut) > 0 && req.Op == inventory.OpPower {
			return shut[0], true
		}
		return forbidden(t, req.Op)
	}
	node, use := t.Node, t
	node.Holds, use.Rack.Holds = nil, nil
	use.Node = node
	if b, held := forbidden(use, req.Op); held {
		return b, true // the customer's, or retired
	}
	err := lifecycle.May(t.Subject(), t.Node.Holds, lifecycle.UsePowerOff)
	if err == nil {
		err = lifecycle.May(inventory.RackSubject(t.Rack.ID), t.Rack.Holds, lifecycle.UsePowerOff)
	}
	if err == nil {
		return inventory.Blocker{}, false
	}
	return held(t, err), true
}

// wanted: somebody asked for this operation on this subject, or for all of it.
func wanted(t Turn, op inventory.OpKind) bool {
	for _, req := range t.Asked {
		if req.Op == op || req.Op == inventory.OpBringUp {
			return true
		}
	}
	return false
}

// resume goes on with what runs; an operation whose maker is gone is a wiring
// fault that must not end in silence.
func (s *Steps) resume(ctx context.Context, t Turn, f lifecycle.Facts) (Result, error) {
	kind := inventory.OpKind("")
	if op := t.Operation(); op != nil {
		kind = op.Kind
	} else {
		kind = t.Unsettled[0].Op
	}
	m := s.maker(kind)
	if m == nil {
		return Result{}, fmt.Errorf("operation %s of %s has no maker", kind, t.Node.Address)
	}
	if r, waits, err := paused(t, f, m); waits || err != nil {
		return r, err
	}
	r, done, err := m.Make(ctx, t, f)
	if err == nil && done {
		r.Due = time.Now() // nothing left to do: look at the gates at once
	}
	if err == nil && r.Operation != nil {
		if b := over(t, *r.Operation); b != nil {
			r.Blockers = append(r.Blockers, *b)
		}
	}
	return r, err
}

// bounded is a maker whose operation can stand still between two actions.
type bounded interface {
	// Boundary: nothing is under way on the hardware, and the next turn may begin something.
	Boundary(op inventory.Operation) (bool, error)
}

// paused keeps an operation where it stands while a hold, or what its leak
// detectors say, forbids its next action. What is under way on the hardware is followed to its end.
func paused(t Turn, f lifecycle.Facts, m Maker) (Result, bool, error) {
	op := t.Operation()
	edge, ok := m.(bounded)
	late := op != nil && over(t, *op) != nil
	if op == nil || !ok || len(t.Unsettled) > 0 {
		return Result{}, false, nil
	}
	if _, off := offAfter(t, inventory.Request{}); op.Kind == inventory.OpPower && (late || off) { // it is answered: nobody expects it any more, or power off overtakes it
		return Result{}, false, nil
	}
	if at, err := edge.Boundary(*op); err != nil || !at {
		return Result{}, false, err
	}
	var shut []inventory.Blocker
	if op.Kind != inventory.OpSecure { // a password change puts nothing under power, and without it nobody reads a BMC that was reset
		shut = lifecycle.Leaky(f)
	}
	if b, held := forbidden(t, op.Kind); held {
		shut = append([]inventory.Blocker{b}, shut...)
	}
	if len(shut) == 0 {
		return Result{}, false, nil
	}
	if late {
		shut = append(shut, *over(t, *op))
	}
	return Result{Change: inventory.Change{Operation: op, Blockers: shut}, Wait: heldWait, Reason: "held between two actions"}, true, nil
}

func (s *Steps) maker(kind inventory.OpKind) Maker {
	for _, m := range s.Makers {
		if m.Kind() == kind {
			return m
		}
	}
	return s.Extra[kind]
}

// failedFor is what the newest failed gate of a node says.
func failedFor(n inventory.Node, f lifecycle.Facts) string {
	var newest inventory.Evidence
	for _, e := range f.Evidence {
		if e.Subject == inventory.NodeSubject(n.ID) && e.Result == inventory.ResultFail && e.Detail != "" && !e.At.Before(newest.At) {
			newest = e
		}
	}
	if newest.Gate == "" {
		return ""
	}
	return " (" + string(newest.Gate) + ": " + strings.TrimRight(newest.Detail, ". ") + ")"
}

// beside is a node off the main way: a person decides.
func (s *Steps) beside(t Turn, f lifecycle.Facts) Result {
	if t.Node.Milestone == inventory.NodeTriage || t.Node.Milestone == inventory.NodeRepair {
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{{Subject: t.Subject(), Owner: inventory.OwnerVendor, Fix: "conductor.triage",
			Args: []string{t.Node.Address, "it is in " + string(t.Node.Milestone) + failedFor(t.Node, f)}}}}}
	}
	return Result{}
}
