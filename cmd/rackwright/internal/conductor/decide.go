package conductor

import (
	"context"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// decide puts a person's decision about a node beside the main way to the law: no
// machine sends a unit to repair, and none brings it back; a board that a leak has
// ruined, or a fan that grinds, goes to triage by a person's word. What the law refuses is answered
// with its reason and changes nothing. The answer comes a turn after the event:
// a server that dies between the two must find the request still open.
func (s *Steps) decide(ctx context.Context, t Turn, req inventory.Request, e inventory.EventKind) (Result, bool, error) {
	args, err := argsOf(req)
	if err != nil {
		return Result{}, false, err
	}
	put := slices.ContainsFunc(req.Lines, func(l inventory.RequestLine) bool { return l.Subject == t.Subject() && l.Result == lineRunning })
	r := Result{Change: inventory.Change{Due: time.Now()}}
	var line inventory.RequestLine
	to, err := lifecycle.Next(t.Node, e)
	switch {
	case err == nil:
		line = inventory.RequestLine{Result: lineRunning, Detail: args.Reason}
		r.Event = &inventory.Event{Kind: e, Reason: args.Reason, By: req.By}
		r.Reason = "towards " + string(to)
	case put: // the law refuses it now because it is done
		line = inventory.RequestLine{Result: lineOK, Detail: args.Reason}
	default:
		line = inventory.RequestLine{Result: lineRefused, Detail: err.Error()}
	}
	return r, true, s.answer(ctx, t, req, line)
}
