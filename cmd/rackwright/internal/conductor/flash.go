package conductor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Updaters opens the device of a node for one turn. done gives it back.
type Updaters interface {
	Updater(ctx context.Context, t Turn) (u firmware.Updater, done func(), err error)
}

// Flash makes firmware.versions: it plans against the signed baseline, lets the
// executor do one small thing a turn, and reads every instance again at the end.
type Flash struct {
	Store    Store
	Devices  Updaters
	Payloads firmware.Payloads
	Quiet    time.Duration // before an upload that left no trace is sent once more
	Poll     time.Duration
}

// Kind implements Maker.
func (*Flash) Kind() inventory.OpKind { return inventory.OpFirmware }

// flashState is what the operation remembers between turns.
type flashState struct {
	Progress firmware.Progress `json:"progress"`
}

// Make implements Maker.
func (m *Flash) Make(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	op := t.Operation()
	if op == nil && len(t.Unsettled) > 0 {
		return m.orphan(ctx, t, t.Unsettled[0])
	}
	if op == nil {
		req, _ := wish(t, inventory.OpFirmware)
		if e, ok := last(f.Evidence, lifecycle.GateFirmware, t.Subject()); ok && e.Result == inventory.ResultUnjudged && (req.Op != inventory.OpFirmware || req.At.Before(e.At)) {
			return Result{}, true, nil // what could not be read is not read for ever: a person looks, and asks again
		}
		return m.plan(ctx, t)
	}
	raw, err := m.Store.Document(ctx, op.Plan)
	if err != nil {
		return Result{}, false, err
	}
	plan, err := firmware.LoadPlan(raw)
	if err != nil {
		return Result{}, false, err
	}
	state, err := stateOf[flashState](op)
	if err != nil {
		return Result{}, false, err
	}
	p, err := firmware.Resume(state.Progress, t.Unsettled)
	if err != nil {
		return Result{}, false, err
	}
	return m.advance(ctx, t, f, *op, plan, p)
}

// Boundary implements bounded: between two steps, or before the first byte of one.
func (m *Flash) Boundary(op inventory.Operation) (bool, error) {
	s, err := stateOf[flashState](&op)
	p := s.Progress
	return !p.Finished() && (p.Phase == firmware.PhaseLook || p.Phase == firmware.PhaseClear), err
}

// orphan reads back what a run that was broken off has left: a person broke its
// lock, or a safety latch did. Nothing is sent.
func (m *Flash) orphan(ctx context.Context, t Turn, i inventory.Intent) (Result, bool, error) {
	run, err := m.Store.Run(ctx, i.Run)
	if err != nil {
		return Result{}, false, err
	}
	raw, err := m.Store.Document(ctx, run.Plan)
	if err != nil {
		return Result{}, false, err
	}
	plan, err := firmware.LoadPlan(raw)
	if err != nil {
		return Result{}, false, err
	}
	u, done, err := m.Devices.Updater(ctx, t)
	if err != nil {
		return Result{}, false, err
	}
	defer done()
	exec := &firmware.Executor{Updater: u, Poll: m.Poll, Quiet: m.Quiet}
	outcome, why, err := exec.ReadBack(ctx, plan, i)
	if err != nil {
		return Result{}, false, err
	}
	b := blocker(t, lifecycle.GateFirmware, inventory.OwnerVendor, "conductor.broken_flash", t.Node.Address, why)
	r := Result{Change: inventory.Change{Blockers: []inventory.Blocker{b}, Detail: why}, Wait: m.Poll}
	if outcome != inventory.OutcomeUnknown {
		r.Settles, r.Outcome = i.ID, outcome
	}
	return r, false, nil
}

// plan freezes what will be done, or says why nothing can be planned.
func (m *Flash) plan(ctx context.Context, t Turn) (Result, bool, error) {
	plan, err := m.wanted(ctx, t)
	if errors.Is(err, inventory.ErrInvalid) || errors.Is(err, inventory.ErrNotFound) {
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{blocker(t, lifecycle.GateFirmware, inventory.OwnerTechnician, "conductor.no_plan", t.Node.Address, err.Error())}}}, true, nil
	}
	if err != nil {
		return Result{}, false, err
	}
	digest, err := m.Store.Put(ctx, inventory.DocPlan, plan.JSON())
	if err != nil {
		return Result{}, false, err
	}
	op, shut, err := open(ctx, m.Store, t, inventory.OpFirmware, digest)
	if err != nil || shut != nil {
		return deref(shut), false, err
	}
	op.Deadline = op.Since.Add(planBudget(plan))
	op.Step, op.Detail = "plan", fmt.Sprintf("%d steps, %d components left alone", len(plan.Steps), len(plan.Skips))
	return keep(*op, flashState{}, 0)
}

// planBudget is how long a plan may take: its steps, their settling, and reading again.
func planBudget(plan firmware.Plan) time.Duration {
	d := readAgain
	for _, s := range plan.Steps {
		d += time.Duration(s.Budget) + time.Duration(s.Settle)
	}
	return d
}

func deref(r *Result) Result {
	if r == nil {
		return Result{}
	}
	return *r
}

// wanted is the plan that a person approved by digest, or the one that follows
// from the baseline named for this profile.
func (m *Flash) wanted(ctx context.Context, t Turn) (firmware.Plan, error) {
	req, _ := wish(t, inventory.OpFirmware)
	if req.Op == inventory.OpFirmware && req.Plan != "" {
		raw, err := m.Store.Document(ctx, req.Plan)
		if err != nil {
			return firmware.Plan{}, err
		}
		plan, err := firmware.LoadPlan(raw)
		if err == nil && plan.Node != t.Node.ID {
			err = fmt.Errorf("plan %s is for another node: %w", req.Plan, inventory.ErrInvalid)
		}
		return plan, err
	}
	args, err := argsOf(req)
	if err != nil {
		return firmware.Plan{}, err
	}
	b, err := m.baseline(ctx, t.Node, args)
	if err != nil {
		return firmware.Plan{}, err
	}
	o, err := m.Store.Observation(ctx, t.Node.ID, inventory.SourceRedfish)
	if err != nil {
		return firmware.Plan{}, err
	}
	return firmware.NewPlan(b, t.Node.ID, o.Components)
}

// baseline is the one that fits: named, and written for the node's profile.
func (m *Flash) baseline(ctx context.Context, n inventory.Node, args wishArgs) (firmware.Baseline, error) {
	names := slices.Clone(args.Baselines)
	if args.Baseline != "" {
		names = append(names, args.Baseline)
	}
	var fits []firmware.Baseline
	for _, name := range names {
		ref, err := m.Store.Ref(ctx, inventory.DocBaseline, name)
		if err != nil {
			return firmware.Baseline{}, fmt.Errorf("baseline %s: %w", name, err)
		}
		raw, err := m.Store.Document(ctx, ref.Digest)
		if err != nil {
			return firmware.Baseline{}, err
		}
		b, err := firmware.ParseBaseline(bytes.NewReader(raw))
		if err != nil {
			return b, err
		}
		if b.Profile == "" || b.Profile == n.BMC.Profile || b.Profile == n.Profile {
			fits = append(fits, b)
		}
	}
	switch {
	case len(names) == 0:
		return firmware.Baseline{}, fmt.Errorf("name a baseline: rackwright start bring_up RACK --baseline NAME: %w", inventory.ErrInvalid)
	case len(fits) == 0:
		return firmware.Baseline{}, fmt.Errorf("none of the baselines %s is written for profile %q: %w", strings.Join(names, ", "), n.Profile, inventory.ErrInvalid)
	case len(fits) > 1:
		return firmware.Baseline{}, fmt.Errorf("baselines %s and %s both fit profile %q; name one: %w", fits[0].Name, fits[1].Name, n.Profile, inventory.ErrInvalid)
	}
	return fits[0], nil
}

func (m *Flash) advance(ctx context.Context, t Turn, f lifecycle.Facts, op inventory.Operation, plan firmware.Plan, p firmware.Progress) (Result, bool, error) {
	long, stop := t.Extend(ctx)
	defer stop()
	u, done, err := m.Devices.Updater(long, t)
	if err != nil {
		return Result{}, false, err
	}
	defer done()
	if p.Finished() && p.Outcome == "" {
		return m.finish(long, t, f, op, plan, p, u)
	}
	exec := &firmware.Executor{Updater: u, Payloads: m.Payloads, Begin: t.Begin, Poll: m.Poll, Quiet: m.Quiet, Target: "bmc " + t.Node.BMC.URL}
	p, err = exec.Advance(long, plan, p)
	if err != nil {
		return Result{}, false, err
	}
	op.Step, op.Detail, op.Percent, op.Attempt = stepName(plan, p), p.Note, p.Percent, p.Attempt
	op.Abort = inventory.AbortAtBoundary
	if i := slices.IndexFunc(plan.Steps, func(s firmware.Step) bool { return s.ID == p.Step }); i >= 0 && !p.Finished() && p.Phase != firmware.PhaseLook {
		op.Abort = plan.Steps[i].Abort
	}
	r, _, err := keep(op, flashState{Progress: p}, p.Wait)
	if p.Outcome != "" {
		r.Settles, r.Outcome, r.Detail = p.Intent, p.Outcome, p.Note
	}
	if p.Outcome != inventory.OutcomeFailed && p.Phase != firmware.PhaseRunning && p.Phase != firmware.PhaseSettle && p.Phase != firmware.PhaseUnknown {
		r.Wait, r.Due = 0, time.Now() // the next question can be asked at once
	}
	return r, false, err
}

func stepName(plan firmware.Plan, p firmware.Progress) string {
	for _, s := range plan.Steps {
		if s.ID == p.Step {
			return strings.TrimSpace(fmt.Sprintf("%s %s %s", s.Verb, s.Want, p.Phase))
		}
	}
	return "verify"
}

// flashVerdict is the document that the gate's evidence cites.
type flashVerdict struct {
	Plan       inventory.Digest      `json:"plan"`
	Baseline   inventory.Digest      `json:"baseline"`
	Name       string                `json:"name"`
	Mismatches []firmware.Mismatch   `json:"mismatches"`
	Skips      []firmware.Skip       `json:"skips"`
	Failure    string                `json:"failure,omitempty"`
	Read       []inventory.Component `json:"read"`
}

// finish reads every instance again; only that is the verdict. A device that
// failed goes to triage, where a person decides.
func (m *Flash) finish(ctx context.Context, t Turn, f lifecycle.Facts, op inventory.Operation, plan firmware.Plan, p firmware.Progress, u firmware.Updater) (Result, bool, error) {
	seen, err := u.Installed(ctx)
	if err != nil {
		return Result{}, false, err
	}
	v := flashVerdict{Plan: plan.Digest, Baseline: plan.Baseline, Name: plan.Name, Mismatches: firmware.Verify(plan, seen), Skips: plan.Skips, Failure: p.Failure, Read: seen}
	if next, _ := lifecycle.After(t.Node.Milestone); next != inventory.NodeBaselined && p.Failure == "" && len(v.Mismatches) == 0 {
		// It fell back while this ran: what is proven now would be proven before what it must rest on. Its turn comes again.
		return Result{Change: inventory.Change{Outcome: inventory.OutcomeOK, Detail: "the node fell back to " + string(t.Node.Milestone) + " meanwhile; verified again later", Due: time.Now()}}, false, nil
	}
	blind := p.Failure == "" && blindOnly(v.Mismatches)
	if blind && time.Since(p.Since) < readAgain { // not read is not wrong: look again first
		op.Detail = "reading again: " + mismatchText(v)
		return keep(op, flashState{Progress: p}, m.Poll)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return Result{}, false, fmt.Errorf("firmware verdict of %s: %w", t.Node.Address, err)
	}
	doc, err := m.Store.Put(ctx, inventory.DocVerdict, raw)
	if err != nil {
		return Result{}, false, err
	}
	e := inventory.Evidence{Subject: t.Subject(), Gate: lifecycle.GateFirmware, Result: inventory.ResultPass, Producer: inventory.ByMachine, Document: doc, Run: op.Run,
		At: time.Now(), By: "rackwright/firmware", Cites: map[string]inventory.Digest{"baseline": plan.Baseline, "plan": plan.Digest}, Simulated: t.Node.Simulated}
	r := Result{Change: inventory.Change{Outcome: inventory.OutcomeOK, Detail: plan.Name + " verified on every instance", Due: time.Now()}}
	switch {
	case blind:
		e.Result, e.Detail = inventory.ResultUnjudged, mismatchText(v)
		r.Outcome, r.Detail = inventory.OutcomeUnknown, e.Detail
	case len(v.Mismatches) > 0 || p.Failure != "":
		e.Result, e.Detail = inventory.ResultFail, mismatchText(v)
		r.Outcome, r.Detail = inventory.OutcomeFailed, e.Detail
		r.Event = &inventory.Event{Kind: inventory.EventTriage, Reason: "firmware: " + e.Detail}
	}
	if _, err := m.Store.File(ctx, e); err != nil {
		return Result{}, false, err
	}
	line := inventory.RequestLine{Result: lineOK, Detail: r.Detail}
	if r.Outcome != inventory.OutcomeOK {
		line.Result = lineFailed
	}
	t.Asked = slices.DeleteFunc(slices.Clone(t.Asked), func(req inventory.Request) bool { return req.Plan != "" && req.Plan != op.Plan })
	return r, false, Answered(ctx, m.Store, t, inventory.OpFirmware, line) // an approved plan that did not run is not done
}

// readAgain is how long a version that cannot be read is asked for again.
const readAgain = 10 * time.Minute

// blindOnly reports whether nothing is wrong but that some versions were not read.
func blindOnly(all []firmware.Mismatch) bool {
	return len(all) > 0 && !slices.ContainsFunc(all, func(m firmware.Mismatch) bool {
		return m.State != string(inventory.StateNotRead) && m.State != string(inventory.StateReadFailed)
	})
}

func mismatchText(v flashVerdict) string {
	var parts []string
	if v.Failure != "" {
		parts = append(parts, v.Failure)
	}
	for _, m := range v.Mismatches {
		parts = append(parts, fmt.Sprintf("%s is %s (%s), wanted %s", m.Key.Slot, m.State, m.Got, m.Want))
	}
	return strings.Join(parts, " · ")
}
