package conductor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// meanwhile answers what is asked of a node's power while something else runs
// there. Nothing waits for days to strike a machine that somebody works at by then:
// power on and restart are refused. Power off breaks what may be broken, whose lock
// then keeps new work out until a person has looked; what must not be interrupted
// is said to who asked, and goes on.
func (s *Steps) meanwhile(ctx context.Context, t Turn, f lifecycle.Facts) error {
	kind, never, err := s.underWay(t)
	if err != nil {
		return err
	}
	if kind == inventory.OpPower {
		return nil // its own maker puts them in their order
	}
	free := t
	free.Node.Operation = nil // what runs is this function's matter
	for _, req := range t.Asked {
		if req.Op != inventory.OpPower {
			continue
		}
		off := lifecycle.SwitchesOff(req.Args)
		line := inventory.RequestLine{Result: lineRefused, Detail: fmt.Sprintf("%s runs on %s; ask again when it has ended, or break it: rackwright break %s --reason …", kind, t.Node.Address, t.Node.Address)}
		if b, held := forbiddenRequest(free, f, req); held {
			line.Detail = inventory.Sentence(b.Fix, b.Args)
		} else if off && time.Since(req.At) > budgets[inventory.OpPower]*9/10 { // a run that is broken for it must be followed by it
			line = inventory.RequestLine{Result: lineFailed, Detail: notSent(string(kind)+" is in a step that is not interrupted") + notKnownOff}
		} else if off {
			err := s.breakFor(ctx, t, req, kind, never)
			if !errors.Is(err, errNotNow) {
				return err
			}
			line = inventory.RequestLine{Result: lineRunning, Detail: fmt.Sprintf("not sent yet: %s is in a step that is read back, or not interrupted, first", kind) + notKnownOff}
		}
		if err := s.answer(ctx, t, req, line); err != nil {
			return err
		}
	}
	return nil
}

// underWay is what runs on a node, and whether it must not be interrupted now.
func (s *Steps) underWay(t Turn) (kind inventory.OpKind, never bool, err error) {
	op := t.Operation()
	switch {
	case op == nil:
		return t.Unsettled[0].Op, true, nil
	case len(t.Unsettled) > 0 || op.Abort != inventory.AbortNever:
		return op.Kind, len(t.Unsettled) > 0, nil
	}
	edge, ok := s.maker(op.Kind).(bounded)
	if !ok {
		return op.Kind, true, nil
	}
	at, err := edge.Boundary(*op) // nothing of it has left
	return op.Kind, !at, err
}

// errNotNow: what runs is not broken now.
var errNotNow = errors.New("not now")

// breakFor breaks what runs for a power off. The claim is lost with it: the next
// turn switches off.
func (s *Steps) breakFor(ctx context.Context, t Turn, req inventory.Request, kind inventory.OpKind, never bool) error {
	if never {
		return errNotNow
	}
	err := s.Store.Overtake(ctx, t.Claim, fmt.Sprintf("power off, asked for by %s, overtakes %s", req.By, kind))
	if errors.Is(err, inventory.ErrNotFound) {
		return errNotNow // it holds no lock: it is short, and ends by itself
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s was broken for a power off: %w", kind, inventory.ErrStale)
}
