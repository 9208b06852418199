package conductor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// forced: somebody asks for force-off while the operating system still shuts down.
func (m *Power) forced(t Turn) bool {
	_, ok := forceAsked(t)
	return ok && doing(t, t.Operation()) == redfish.ActionGracefulShutdown
}

func forceAsked(t Turn) (inventory.Request, bool) {
	for _, req := range t.Asked {
		if action, _ := actionOf(req); req.Op == inventory.OpPower && action == redfish.ActionForceOff {
			return req, true
		}
	}
	return inventory.Request{}, false
}

// expire ends what was asked so long ago that nobody expects it any more: whoever
// stands at the machine hours later must not see it start.
func (m *Power) expire(ctx context.Context, t Turn) (Turn, error) {
	if t.Operation() != nil || len(t.Unsettled) > 0 { // what is under way is answered by what becomes of it
		return t, nil
	}
	var still []inventory.Request
	for _, req := range t.Asked {
		if req.Op != inventory.OpPower || time.Since(req.At) <= budgets[inventory.OpPower] {
			still = append(still, req)
			continue
		}
		why := notSent("something else held this node")
		if lifecycle.SwitchesOff(req.Args) {
			why += notKnownOff
		}
		if err := m.say(ctx, t, req, inventory.RequestLine{Result: lineFailed, Detail: why}); err != nil {
			return t, err
		}
	}
	t.Asked = still
	return t, nil
}

// overtake refuses what was asked before a request for power off: nobody who
// cuts the power of a machine wants it back a minute later.
func (m *Power) overtake(ctx context.Context, t Turn) error {
	for _, req := range t.Asked {
		off, ok := offAfter(t, req)
		if req.Op != inventory.OpPower || !ok || lifecycle.SwitchesOff(req.Args) || sent(t, req) {
			continue
		}
		line := inventory.RequestLine{Result: lineRefused, Detail: fmt.Sprintf("overtaken: %s asked for power off at %s", off.By, off.At.UTC().Format("15:04:05 MST"))}
		if err := m.say(ctx, t, req, line); err != nil {
			return err
		}
	}
	return nil
}

// sent: the reset of this request may have left; it is read back first.
func sent(t Turn, req inventory.Request) bool {
	return len(t.Unsettled) > 0 && serving(t, t.Operation()).Run == req.Run
}

// offAfter is the first request for power off that stands behind another one in
// the order they were asked; the zero request stands before all.
func offAfter(t Turn, than inventory.Request) (inventory.Request, bool) {
	behind := than.Run == ""
	for _, req := range t.Asked {
		if behind && req.Op == inventory.OpPower && lifecycle.SwitchesOff(req.Args) {
			return req, true
		}
		behind = behind || req.Run == than.Run
	}
	return inventory.Request{}, false
}

// serving is the open request that an operation serves; one begun by an earlier
// release does not say, and serves the oldest that asks for its action.
func serving(t Turn, op *inventory.Operation) inventory.Request {
	st, err := stateOf[powerState](op)
	said := err == nil && st.Request != ""
	for _, req := range t.Asked {
		action, known := actionOf(req)
		switch {
		case req.Op != inventory.OpPower:
		case said && req.Run == st.Request, !said && known && action == doing(t, op):
			return req
		}
	}
	return inventory.Request{}
}

// doing is the action under way; of an operation that a person broke off, the
// intent that it left says it.
func doing(t Turn, op *inventory.Operation) redfish.PowerAction {
	if op != nil {
		return redfish.PowerAction(op.Detail)
	}
	var before resetBefore
	if len(t.Unsettled) == 0 || json.Unmarshal(t.Unsettled[0].Before, &before) != nil {
		return ""
	}
	return before.Action
}

func actionOf(req inventory.Request) (redfish.PowerAction, bool) {
	var args struct {
		Action string `json:"action"`
	}
	if json.Unmarshal(req.Args, &args) != nil {
		return "", false
	}
	a, ok := powerActions[args.Action]
	return a, ok
}
