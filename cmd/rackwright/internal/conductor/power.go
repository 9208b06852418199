package conductor

import (
	"context"
	"errors"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// Power switches a node when somebody asks. Nothing repeats it by itself. Each
// request is answered by its own action, and a request for power off overtakes
// what was asked before it: whoever asks for it may stand before water.
type Power struct {
	Store  Store
	Access *Access
	Poll   time.Duration
	Quiet  time.Duration // a reset that left no trace within this never began; default 30 s
}

// powerActions are what people may ask for.
var powerActions = map[string]redfish.PowerAction{"on": redfish.ActionOn, "off": redfish.ActionGracefulShutdown, "force-off": redfish.ActionForceOff, "restart": redfish.ActionForceRestart}

// powerState says whose request an operation serves.
type powerState struct {
	Request inventory.RunID `json:"request"`
}

// Kind implements Maker.
func (*Power) Kind() inventory.OpKind { return inventory.OpPower }

// Boundary implements bounded: switching off goes on under a hold.
func (*Power) Boundary(op inventory.Operation) (bool, error) {
	return !lifecycle.OffUnderWay(&op), nil
}

// Make implements Maker.
func (m *Power) Make(ctx context.Context, t Turn, _ lifecycle.Facts) (Result, bool, error) {
	t, err := m.expire(ctx, t)
	if err == nil {
		err = m.overtake(ctx, t)
	}
	if err != nil {
		return Result{}, false, err
	}
	op := t.Operation()
	if op == nil && len(t.Unsettled) == 0 {
		return m.start(ctx, t)
	}
	if op != nil && len(t.Unsettled) == 0 {
		if _, off := offAfter(t, serving(t, op)); off && !lifecycle.OffUnderWay(op) { // nothing of it has left
			return ended(inventory.OutcomeFailed, "overtaken by a request for power off"), false, nil
		}
		if over(t, *op) != nil { // who asked does not expect it any more, and may stand at the machine
			why := notSent("its BMC did not answer or was held") + notOff(op)
			return ended(inventory.OutcomeFailed, why), false, m.answer(ctx, t, op, inventory.RequestLine{Result: lineFailed, Detail: why})
		}
	}
	return m.turn(ctx, t, op)
}

// turn sends the reset, or reads back the one that was sent.
func (m *Power) turn(ctx context.Context, t Turn, op *inventory.Operation) (Result, bool, error) {
	bmc, err := m.Access.dial(ctx, t.Node.BMC, t.Guard)
	if err != nil {
		return m.later(ctx, t, op, err)
	}
	defer bmc.Close()
	var r resetDone
	if len(t.Unsettled) > 0 {
		if r, err = readReset(ctx, bmc, t.Unsettled[0], quietOr(m.Quiet)); err == nil && r.outcome == inventory.OutcomeUnknown && m.forced(t) {
			r.outcome, r.detail, r.wait = inventory.OutcomeFailed, "not off so far; overtaken by a request to force it", 0
		}
	} else {
		r, err = sendReset(ctx, t, bmc, resetIntent{Step: "power", Effect: "switch the node as asked", Attempt: op.Attempt, Action: redfish.PowerAction(op.Detail)})
	}
	if err != nil {
		return m.later(ctx, t, op, err)
	}
	out := Result{Change: inventory.Change{Settles: r.intent, Outcome: r.outcome, Detail: r.detail}, Wait: r.wait}
	if r.outcome == inventory.OutcomeUnknown {
		out.Operation = op
		return out, false, m.answer(ctx, t, op, inventory.RequestLine{Result: lineRunning, Detail: r.detail + notOff(op)})
	}
	line := inventory.RequestLine{Result: lineOK, Detail: r.detail}
	if r.outcome == inventory.OutcomeFailed {
		line.Result, line.Detail = lineFailed, r.detail+notOff(op)
	}
	out.Due = time.Now()
	return out, false, m.answer(ctx, t, op, line)
}

// start begins what is asked first; a request for power off goes before others, and
// one that forces it before all.
func (m *Power) start(ctx context.Context, t Turn) (Result, bool, error) {
	req, ok := forceAsked(t)
	if !ok {
		req, ok = offAfter(t, inventory.Request{})
	}
	if !ok {
		req, ok = own(t, inventory.OpPower)
	}
	if !ok {
		return Result{}, true, nil
	}
	action, known := actionOf(req)
	if !known {
		return Result{}, true, m.say(ctx, t, req, inventory.RequestLine{Result: lineRefused, Detail: "say which: on, off, force-off or restart"})
	}
	by, err := lockedOut(ctx, m.Store, t, req.Run)
	if err != nil {
		return Result{}, false, err
	}
	scopes := scopesOf(t, inventory.OpPower)
	switch broken := by != nil && by.Lock.State == "needs-repair"; {
	case broken && takesPower(action):
		scopes = nil // nobody works there, and whoever must look at what was broken off may want it off first
	case by != nil:
		line := inventory.RequestLine{Result: lineRunning, Detail: "not sent yet: " + by.Error()}
		return *shutOut(t, by), false, m.say(ctx, t, req, line)
	}
	op, shut, err := begin(ctx, m.Store, t, inventory.OpPower, req.Run, "", scopes)
	if err != nil || shut != nil {
		return deref(shut), false, err
	}
	op.Step, op.Detail, op.Attempt = "power", string(action), 1
	return keep(*op, powerState{Request: req.Run}, 0)
}

// answer tells the one request that an operation serves.
func (m *Power) answer(ctx context.Context, t Turn, op *inventory.Operation, line inventory.RequestLine) error {
	req := serving(t, op)
	if req.Run == "" {
		return nil // answered before, or withdrawn
	}
	return m.say(ctx, t, req, line)
}

func (m *Power) say(ctx context.Context, t Turn, req inventory.Request, line inventory.RequestLine) error {
	line.Subject = t.Subject()
	return m.Store.Answer(ctx, t.Claim, req.Run, line)
}

// later says why nothing could be sent yet, to the record and to who asked; an
// operation under way stays.
func (m *Power) later(ctx context.Context, t Turn, op *inventory.Operation, cause error) (Result, bool, error) {
	out := Result{Change: inventory.Change{Operation: op}, Wait: m.Poll, Reason: cause.Error()}
	if err := m.othersOff(ctx, t, op, cause); err != nil {
		return Result{}, false, err
	}
	if errors.Is(cause, redfish.ErrBusy) || errors.Is(cause, ErrLease) {
		return out, false, nil
	}
	b, err := trouble(t, "", cause)
	if err != nil {
		return Result{}, false, err
	}
	out.Blockers = []inventory.Blocker{*b}
	sent := "not sent yet: "
	if len(t.Unsettled) > 0 {
		sent = "sent, and what became of it is not known: "
	}
	return out, false, m.answer(ctx, t, op, inventory.RequestLine{Result: lineRunning, Detail: sent + cause.Error() + notOff(op)})
}

// othersOff tells everybody who waits for a power off behind an action that cannot
// be read back that the host is not known to be off.
func (m *Power) othersOff(ctx context.Context, t Turn, op *inventory.Operation, cause error) error {
	mine := serving(t, op)
	for _, req := range t.Asked {
		if req.Op != inventory.OpPower || req.Run == mine.Run || !lifecycle.SwitchesOff(req.Args) {
			continue
		}
		line := inventory.RequestLine{Result: lineRunning, Detail: "not sent yet: " + cause.Error() + notKnownOff}
		if time.Since(req.At) > budgets[inventory.OpPower] {
			line = inventory.RequestLine{Result: lineFailed, Detail: notSent(cause.Error()) + notKnownOff}
		}
		if err := m.say(ctx, t, req, line); err != nil {
			return err
		}
	}
	return nil
}

// notSent is what is told of a request that has used up its time.
func notSent(why string) string {
	return "not sent within " + budgets[inventory.OpPower].String() + ": " + why
}

const notKnownOff = "; it is NOT known to be off: if it must be, cut its supply by hand"

// notOff is what somebody who asked for power off has to know while it is not.
func notOff(op *inventory.Operation) string {
	if !lifecycle.OffUnderWay(op) {
		return ""
	}
	return notKnownOff
}

func ended(o inventory.Outcome, why string) Result {
	return Result{Change: inventory.Change{Outcome: o, Detail: why, Due: time.Now()}}
}
