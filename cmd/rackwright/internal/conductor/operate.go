package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// wish is the oldest open request for an operation itself, else the oldest one
// to bring the whole rack up: who names the operation says more of it, and an
// approved plan must not wait behind a bring-up that would do another. False
// when nobody asks.
func wish(t Turn, op inventory.OpKind) (inventory.Request, bool) {
	for _, kind := range []inventory.OpKind{op, inventory.OpBringUp} {
		for _, req := range t.Asked {
			if req.Op == kind {
				return req, true
			}
		}
	}
	return inventory.Request{}, false
}

// wishArgs are the arguments that makers read from a request.
type wishArgs struct {
	// Baselines are names of firmware baselines; the one of the node's profile counts.
	Baselines []string `json:"baselines,omitempty"`
	Baseline  string   `json:"baseline,omitempty"`
	// Plan is the name of a burn-in plan, Image of a boot image.
	Plan  string `json:"plan,omitempty"`
	Image string `json:"image,omitempty"`
	// Reason is why a person decided so.
	Reason string `json:"reason,omitempty"`
}

func argsOf(req inventory.Request) (wishArgs, error) {
	var a wishArgs
	if len(req.Args) == 0 {
		return a, nil
	}
	if err := json.Unmarshal(req.Args, &a); err != nil {
		return a, fmt.Errorf("arguments of request %s: %w: %w", req.Run, inventory.ErrInvalid, err)
	}
	return a, nil
}

// open starts a run and takes its locks. A lock that another run holds is a
// Result with the blocker, not an error: nothing is wrong, it is not its turn.
func open(ctx context.Context, store Store, t Turn, op inventory.OpKind, plan inventory.Digest) (*inventory.Operation, *Result, error) {
	parent := inventory.RunID("")
	if req, ok := wish(t, op); ok {
		parent = req.Run
	}
	by, err := lockedOut(ctx, store, t, parent)
	if err != nil || by != nil { // before a run begins: a lock may wait for a person for days, and each try would be a run in the journal
		return nil, shutOut(t, by), err
	}
	return begin(ctx, store, t, op, parent, plan, scopesOf(t, op))
}

// scopesOf are the locks that an operation on this subject takes.
func scopesOf(t Turn, op inventory.OpKind) []inventory.Subject {
	var scopes []inventory.Subject
	for _, s := range lifecycle.Locks(op) {
		switch s {
		case inventory.ScopeNode:
			scopes = append(scopes, inventory.NodeSubject(t.Node.ID))
		case inventory.ScopeRack:
			scopes = append(scopes, inventory.RackSubject(t.Rack.ID))
		}
	}
	return scopes
}

// begin starts a run, and takes these locks for it.
func begin(ctx context.Context, store Store, t Turn, op inventory.OpKind, parent inventory.RunID, plan inventory.Digest, scopes []inventory.Subject) (*inventory.Operation, *Result, error) {
	run, err := store.StartRun(ctx, t.Claim, op, parent, plan)
	if err != nil {
		return nil, nil, err
	}
	if len(scopes) > 0 {
		err = store.Lock(ctx, t.Claim, scopes...)
	}
	var by *inventory.HeldError
	if errors.As(err, &by) {
		return nil, shutOut(t, by), nil
	}
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	return &inventory.Operation{Run: run, Kind: op, Plan: plan, Since: now, Deadline: now.Add(budgets[op]), Abort: inventory.AbortSafe}, nil, nil
}

// budgets are the starting budgets of operations (lifecycle.md §12). Makers
// whose plan says how long it takes set their own.
var budgets = map[inventory.OpKind]time.Duration{inventory.OpSecure: 10 * time.Minute, inventory.OpFirmware: time.Hour, inventory.OpBurnIn: time.Hour,
	inventory.OpPower: 10 * time.Minute}

// lockedOut says who holds this node or its rack, if not this run itself.
func lockedOut(ctx context.Context, store Store, t Turn, parent inventory.RunID) (*inventory.HeldError, error) {
	all, err := store.Locks(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if mine := l.Run == t.Claim.Run || l.Run == parent; !mine && (l.Scope == t.Subject() || l.Scope == inventory.RackSubject(t.Rack.ID)) {
			return &inventory.HeldError{Scope: t.Subject(), Lock: &l}, nil
		}
	}
	return nil, nil
}

func shutOut(t Turn, by *inventory.HeldError) *Result {
	if by == nil {
		return nil
	}
	return &Result{Change: inventory.Change{Outcome: inventory.OutcomeFailed, Detail: by.Error(), Blockers: []inventory.Blocker{held(t, by)}}, Wait: heldWait}
}

// heldWait is when a step looks again for a lock that another run holds.
const heldWait = 15 * time.Second

// keep stores an operation with its state and comes back after a wait.
func keep(op inventory.Operation, state any, wait time.Duration) (Result, bool, error) {
	if state != nil {
		raw, err := json.Marshal(state)
		if err != nil {
			return Result{}, false, fmt.Errorf("state of %s: %w", op.Kind, err)
		}
		op.State = raw
	}
	r := Result{Change: inventory.Change{Operation: &op}, Wait: wait}
	if wait <= 0 {
		r.Due = time.Now()
	}
	return r, false, nil
}

// stateOf reads an operation's state back.
func stateOf[T any](op *inventory.Operation) (T, error) {
	var out T
	if op == nil || len(op.State) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(op.State, &out); err != nil {
		return out, fmt.Errorf("state of %s run %s: %w", op.Kind, op.Run, err)
	}
	return out, nil
}

// file adds machine evidence where it says something new: the same result from
// the same document again would only wake the subject for nothing.
func file(ctx context.Context, store Store, f lifecycle.Facts, e inventory.Evidence) (bool, error) {
	old, ok := last(f.Evidence, e.Gate, e.Subject)
	same := old.Document == e.Document || e.Result == inventory.ResultFail // a failure that is read again and again is one
	if ok && old.Producer == e.Producer && old.Result == e.Result && old.Detail == e.Detail && same {
		return false, nil
	}
	_, err := store.File(ctx, e)
	return err == nil, err
}

func blocker(t Turn, gate inventory.Gate, owner inventory.Owner, fix string, args ...string) inventory.Blocker {
	return inventory.Blocker{Gate: gate, Subject: t.Subject(), Owner: owner, Fix: fix, Args: args}
}

// over says that a step has used up its time (lifecycle.md §12).
func over(t Turn, op inventory.Operation) *inventory.Blocker {
	if op.Deadline.IsZero() || time.Now().Before(op.Deadline) {
		return nil
	}
	b := blocker(t, "", inventory.OwnerSystem, "conductor.over_budget", t.Node.Address, string(op.Kind)+" "+op.Step, op.Deadline.Sub(op.Since).Round(time.Second).String())
	return &b
}
