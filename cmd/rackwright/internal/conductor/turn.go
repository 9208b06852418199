package conductor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Turn is what one step sees: the claim it works under, the subject as read
// under that claim, the requests that wait for it, and the intents whose
// outcome nobody knows yet (read those back before anything else).
type Turn struct {
	Claim     inventory.Claim
	Rack      inventory.Rack
	Node      inventory.Node   // zero in a rack's turn
	Members   []inventory.Node // all nodes of the rack
	Asked     []inventory.Request
	Unsettled []inventory.Intent
	Begin     inventory.Begin
	// Guard is asked right before the bytes of a hardware write leave.
	Guard func(context.Context) error
	// Extend keeps the claim alive for work that may last longer than a tick:
	// an upload or a full walk. The context ends when the claim is lost.
	Extend func(context.Context) (context.Context, context.CancelFunc)
}

// Subject is the node, or the rack in a rack's turn.
func (t Turn) Subject() inventory.Subject { return t.Claim.Subject }

// Operation is what runs on the subject now, or nil.
func (t Turn) Operation() *inventory.Operation {
	if t.Claim.Subject.Scope == inventory.ScopeRack {
		return t.Rack.Operation
	}
	return t.Node.Operation
}

// Step asks one question or does one thing, in at most 30 s unless it Extends.
// An error is infrastructure: the subject comes back after a back-off and
// nothing has changed. Anything the hardware answered is a Result.
type Step func(context.Context, Turn) (Result, error)

// Result is what a turn leaves. No Outcome: come back after Wait. Wait zero:
// sleep until something wakes the subject.
type Result struct {
	inventory.Change
	Wait   time.Duration
	Reason string // for the log, once per change
}

// worst is how many panics or overruns in a row make a blocker (lifecycle.md L12).
const worst = 5

func (c *Conductor) turn(ctx context.Context, claim inventory.Claim, asked time.Time) {
	log := c.Log.With("subject", claim.Subject.String())
	lease := newLease(c, claim, asked)
	result, err := c.attempt(ctx, lease)
	claim = lease.claim()
	switch {
	case errors.Is(err, inventory.ErrStale):
		log.Info("claim lost, dropping the turn")
		c.late(ctx, lease, "the turn ended without an answer")
		return
	case err != nil:
		log.Warn("step could not run; it will come back", "err", err)
		if result, err = c.afterError(ctx, claim, err); err != nil {
			log.Error("the record cannot be read; the lease will end and the next holder looks again", "err", err)
			return
		}
	default:
		c.forget(claim.Subject)
	}
	if c.apply(ctx, claim, result) {
		c.late(ctx, lease, result.said())
	}
}

// late journals what became of an action whose claim was lost under it: a server
// that stood still wakes up, and its request may have arrived. Somebody else has
// read the hardware since and settled it; the record must not be all that says so.
func (c *Conductor) late(ctx context.Context, l *lease, said string) {
	if l.begun == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lateTime)
	defer cancel()
	if err := c.Store.Late(ctx, l.begun, said); err != nil {
		c.Log.Error("what became of an action could not be journalled", "subject", l.claim().Subject.String(), "intent", l.begun, "said", said, "err", err)
	}
}

const lateTime = 10 * time.Second

// said is what a turn found out, in words.
func (r Result) said() string {
	parts := []string{string(r.Outcome), r.Detail}
	if r.Operation != nil {
		parts = append(parts, r.Operation.Step, r.Operation.Detail)
	}
	parts = append(parts, r.Reason)
	return strings.Join(slices.DeleteFunc(slices.Compact(parts), func(s string) bool { return s == "" }), "; ")
}

// apply stores what a turn found, and reports whether its claim was lost.
func (c *Conductor) apply(ctx context.Context, claim inventory.Claim, result Result) (lost bool) {
	log := c.Log.With("subject", claim.Subject.String())
	if result.Wait > 0 {
		result.Due = time.Now().Add(jitter(result.Wait))
	}
	err := c.Store.Apply(ctx, claim, result.Change)
	var shut *inventory.BlockedError
	if errors.As(err, &shut) {
		// The law has the last word: what the step believed open is shut.
		result.Event, result.Blockers, result.Detail = nil, shut.Blockers, shut.Error()
		err = c.Store.Apply(ctx, claim, result.Change)
	}
	switch {
	case errors.Is(err, inventory.ErrStale):
		log.Info("claim lost before the result was stored; the next holder looks again")
	case err != nil:
		log.Error("result not stored; the lease will end and the next holder looks again", "err", err)
	case result.Event != nil:
		log.Info("moved", "event", string(result.Event.Kind), "reason", result.Event.Reason)
	case result.Reason != "":
		log.Debug("turn", "reason", result.Reason)
	}
	return errors.Is(err, inventory.ErrStale)
}

// attempt loads the subject and runs its step; a panic becomes an error.
func (c *Conductor) attempt(ctx context.Context, lease *lease) (result Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Log.Error("step panicked", "subject", lease.claim().Subject.String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("step panicked: %v; the stack is in the server's log", p) // people see this sentence
		}
	}()
	turn, step, err := c.load(ctx, lease)
	if err != nil {
		return Result{}, err
	}
	cut, cancel := context.WithTimeout(ctx, c.Timing.Cut)
	defer cancel()
	return step(cut, turn)
}

func (c *Conductor) load(ctx context.Context, lease *lease) (Turn, Step, error) {
	claim := lease.claim()
	t := Turn{Claim: claim, Guard: lease.guard}
	t.Begin = func(ctx context.Context, i inventory.Intent) (inventory.IntentID, error) {
		id, err := c.Store.Begin(ctx, lease.claim(), i)
		if err == nil {
			lease.begun = id
		}
		return id, err
	}
	t.Extend = func(ctx context.Context) (context.Context, context.CancelFunc) { return lease.extend(ctx) }
	var err error
	var step Step
	rack := inventory.RackID(claim.Subject.ID)
	if claim.Subject.Scope == inventory.ScopeNode {
		if t.Node, err = c.Store.Node(ctx, inventory.NodeID(claim.Subject.ID)); err != nil {
			return t, nil, err
		}
		rack = t.Node.Rack
	}
	if t.Rack, err = c.Store.Rack(ctx, rack); err != nil {
		return t, nil, err
	}
	for n, err := range c.Store.Select(ctx, inventory.Selector{Racks: []inventory.RackID{t.Rack.ID}}) {
		if err != nil {
			return t, nil, err
		}
		t.Members = append(t.Members, n)
	}
	if t.Asked, err = c.Store.Asked(ctx, claim); err != nil {
		return t, nil, err
	}
	if t.Unsettled, err = c.Store.Unsettled(ctx, claim); err != nil {
		return t, nil, err
	}
	if claim.Subject.Scope == inventory.ScopeNode {
		step = c.NodeSteps[t.Node.Milestone]
	} else {
		step = c.RackSteps[t.Rack.Milestone]
	}
	if step == nil {
		return t, nil, fmt.Errorf("no step for %s at node %q rack %q", claim.Subject, t.Node.Milestone, t.Rack.Milestone)
	}
	return t, step, nil
}

// afterError keeps the operation as it is and comes back later; from the fifth
// error in a row people see it as a blocker, and the neighbours go on.
func (c *Conductor) afterError(ctx context.Context, claim inventory.Claim, cause error) (Result, error) {
	c.mu.Lock()
	c.trials[claim.Subject]++
	n := c.trials[claim.Subject]
	c.mu.Unlock()
	op, err := c.current(ctx, claim.Subject)
	if err != nil {
		return Result{}, err
	}
	result := Result{Wait: min(c.Timing.Backoff<<min(n-1, 10), c.Timing.Longest)}
	result.Operation = op
	if n >= worst {
		result.Blockers = []inventory.Blocker{{Subject: claim.Subject, Owner: inventory.OwnerSystem,
			Fix: "conductor.error", Args: []string{cause.Error()}}}
	}
	return result, nil
}

// current reads the operation again: applying none would end it.
func (c *Conductor) current(ctx context.Context, s inventory.Subject) (*inventory.Operation, error) {
	if s.Scope == inventory.ScopeRack {
		r, err := c.Store.Rack(ctx, inventory.RackID(s.ID))
		return r.Operation, err
	}
	n, err := c.Store.Node(ctx, inventory.NodeID(s.ID))
	return n.Operation, err
}

func (c *Conductor) forget(s inventory.Subject) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.trials, s)
}

// jitter spreads a wait by ± 10 %, so that a rack's nodes do not beat in step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
