package conductor

import (
	"context"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// decisions are what people decide about a node beside the main way: no machine
// sends a unit to repair, and none brings it back.
var decisions = map[inventory.OpKind]inventory.EventKind{inventory.OpReturn: inventory.EventReturn, inventory.OpRepair: inventory.EventRepair}

// decide puts a person's decision to the law. What the law refuses is answered
// with its reason and changes nothing.
func (s *Steps) decide(ctx context.Context, t Turn, req inventory.Request, e inventory.EventKind) (Result, bool, error) {
	args, err := argsOf(req)
	if err != nil {
		return Result{}, false, err
	}
	line := inventory.RequestLine{Result: lineOK, Detail: args.Reason}
	to, err := lifecycle.Next(t.Node, e)
	if err != nil {
		line.Result, line.Detail = lineRefused, err.Error()
	}
	if err := s.answer(ctx, t, req, line); err != nil {
		return Result{}, false, err
	}
	r := Result{Change: inventory.Change{Due: time.Now()}, Reason: line.Detail}
	if line.Result == lineOK {
		r.Event = &inventory.Event{Kind: e, Reason: args.Reason, By: req.By}
		r.Reason = "towards " + string(to)
	}
	return r, true, nil
}
