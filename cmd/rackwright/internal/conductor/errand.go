package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// Locate blinks a node's locator LED when somebody asks. It is repeatable and
// changes nothing that a certificate speaks of.
type Locate struct {
	Store  Store
	Access *Access
}

// Kind implements Maker.
func (*Locate) Kind() inventory.OpKind { return inventory.OpLocate }

// Make implements Maker.
func (m *Locate) Make(ctx context.Context, t Turn, _ lifecycle.Facts) (Result, bool, error) {
	req, ok := own(t, inventory.OpLocate)
	if !ok {
		return Result{}, true, nil
	}
	on := struct {
		On *bool `json:"on"`
	}{}
	if len(req.Args) > 0 {
		if err := json.Unmarshal(req.Args, &on); err != nil {
			return m.done(ctx, t, fmt.Errorf("arguments: %w: %w", inventory.ErrInvalid, err))
		}
	}
	bmc, err := m.Access.dial(ctx, t.Node.BMC, t.Guard)
	if err == nil {
		defer bmc.Close()
		err = bmc.SetLocator(ctx, on.On == nil || *on.On)
	}
	return m.done(ctx, t, err)
}

func (m *Locate) done(ctx context.Context, t Turn, err error) (Result, bool, error) {
	line := inventory.RequestLine{Result: lineOK}
	if err != nil {
		line = inventory.RequestLine{Result: lineFailed, Detail: err.Error()}
	}
	return Result{}, true, Answered(ctx, m.Store, t, inventory.OpLocate, line)
}

// own is the oldest open request for exactly this operation.
func own(t Turn, op inventory.OpKind) (inventory.Request, bool) {
	for _, req := range t.Asked {
		if req.Op == op {
			return req, true
		}
	}
	return inventory.Request{}, false
}

// Power switches a node when somebody asks. Nothing repeats it by itself.
type Power struct {
	Store  Store
	Access *Access
	Poll   time.Duration
	Quiet  time.Duration // a reset that left no trace within this never began; default 30 s
}

// powerActions are what people may ask for.
var powerActions = map[string]redfish.PowerAction{"on": redfish.ActionOn, "off": redfish.ActionGracefulShutdown, "force-off": redfish.ActionForceOff, "restart": redfish.ActionForceRestart}

// Kind implements Maker.
func (*Power) Kind() inventory.OpKind { return inventory.OpPower }

// Boundary implements bounded: switching off goes on under a hold.
func (*Power) Boundary(op inventory.Operation) (bool, error) {
	return !lifecycle.OffUnderWay(&op), nil
}

// Make implements Maker.
func (m *Power) Make(ctx context.Context, t Turn, _ lifecycle.Facts) (Result, bool, error) {
	op := t.Operation()
	if op == nil && len(t.Unsettled) == 0 {
		return m.start(ctx, t)
	}
	if op != nil && len(t.Unsettled) == 0 && over(t, *op) != nil { // who asked does not expect it any more, and may stand at the machine
		why := "not sent within " + budgets[inventory.OpPower].String() + ": its BMC did not answer or was held"
		return Result{Change: inventory.Change{Outcome: inventory.OutcomeFailed, Detail: why, Due: time.Now()}}, false,
			Answered(ctx, m.Store, t, inventory.OpPower, inventory.RequestLine{Result: lineFailed, Detail: why})
	}
	bmc, err := m.Access.dial(ctx, t.Node.BMC, t.Guard)
	if err != nil {
		return m.later(t, op, err)
	}
	defer bmc.Close()
	var r resetDone
	if len(t.Unsettled) > 0 {
		r, err = readReset(ctx, bmc, t.Unsettled[0], quietOr(m.Quiet))
	} else {
		r, err = sendReset(ctx, t, bmc, resetIntent{Step: "power", Effect: "switch the node as asked", Attempt: op.Attempt, Action: redfish.PowerAction(op.Detail)})
	}
	if err != nil {
		return m.later(t, op, err)
	}
	out := Result{Change: inventory.Change{Settles: r.intent, Outcome: r.outcome, Detail: r.detail}, Wait: r.wait}
	if r.outcome == inventory.OutcomeUnknown {
		out.Operation = op
		return out, false, nil
	}
	line := inventory.RequestLine{Result: lineOK, Detail: r.detail}
	if r.outcome == inventory.OutcomeFailed {
		line.Result = lineFailed
	}
	out.Due = time.Now()
	return out, false, Answered(ctx, m.Store, t, inventory.OpPower, line)
}

func (m *Power) start(ctx context.Context, t Turn) (Result, bool, error) {
	req, ok := own(t, inventory.OpPower)
	if !ok {
		return Result{}, true, nil
	}
	var args struct {
		Action string `json:"action"`
	}
	err := json.Unmarshal(req.Args, &args)
	action, known := powerActions[args.Action]
	if err != nil || !known {
		line := inventory.RequestLine{Result: lineRefused, Detail: "say which: --arg action=on, off, force-off or restart"}
		return Result{}, true, Answered(ctx, m.Store, t, inventory.OpPower, line)
	}
	op, shut, err := open(ctx, m.Store, t, inventory.OpPower, "")
	if err != nil || shut != nil {
		return deref(shut), false, err
	}
	op.Step, op.Detail, op.Attempt = "power", string(action), 1
	return keep(*op, nil, 0)
}

// later answers a request that could not be begun; an operation under way stays.
func (m *Power) later(t Turn, op *inventory.Operation, cause error) (Result, bool, error) {
	out := Result{Change: inventory.Change{Operation: op}, Wait: m.Poll, Reason: cause.Error()}
	if errors.Is(cause, redfish.ErrBusy) || errors.Is(cause, ErrLease) {
		return out, false, nil
	}
	b, err := trouble(t, "", cause)
	if err != nil {
		return Result{}, false, err
	}
	out.Blockers = []inventory.Blocker{*b}
	return out, false, nil
}
