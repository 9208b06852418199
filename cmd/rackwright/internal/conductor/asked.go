package conductor

import (
	"context"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Results of a request line.
const (
	lineOK      = "ok"
	lineFailed  = "failed"
	lineUnknown = "unknown"
	lineRunning = "running"
	lineRefused = "refused"
)

// asked serves requests that lead to no milestone (sweep, locate, power), and
// answers bring-up requests with how far the node is.
func (s *Steps) asked(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	for _, req := range t.Asked {
		if req.Op == inventory.OpBringUp {
			if err := s.answer(ctx, t, req, bringUp(t.Node)); err != nil {
				return Result{}, false, err
			}
			continue
		}
		if e, decision := lifecycle.Decision(req.Op); decision {
			return s.decide(ctx, t, req, e)
		}
		m := s.serves(t, req.Op)
		if m == nil {
			if s.coming(t, req.Op) {
				continue // its turn comes with the milestone that it leads to
			}
			line := inventory.RequestLine{Result: lineRefused, Detail: "nothing here does " + string(req.Op) + " on a node at " + string(t.Node.Milestone)}
			if err := s.answer(ctx, t, req, line); err != nil {
				return Result{}, false, err
			}
			continue
		}
		if b, held := forbiddenRequest(t, f, req); held {
			if err := s.answer(ctx, t, req, inventory.RequestLine{Result: lineRefused, Detail: inventory.Sentence(b.Fix, b.Args)}); err != nil {
				return Result{}, false, err
			}
			continue
		}
		r, done, err := m.Make(ctx, t, f)
		if err != nil || !done {
			return r, true, err
		}
		r.Due = time.Now()
		return r, true, nil
	}
	return Result{}, false, nil
}

// serves is the maker of an operation that needs no milestone.
func (s *Steps) serves(t Turn, op inventory.OpKind) Maker {
	if m := s.Extra[op]; m != nil {
		return m
	}
	return nil
}

// coming: the operation leads to the milestone this node enters next.
func (s *Steps) coming(t Turn, op inventory.OpKind) bool {
	next, ok := lifecycle.After(t.Node.Milestone)
	if !ok {
		return false
	}
	for m, maker := range s.Makers {
		if maker.Kind() == op && lifecycle.Rank(m) >= lifecycle.Rank(next) {
			return true
		}
	}
	return false
}

func bringUp(n inventory.Node) inventory.RequestLine {
	switch {
	case lifecycle.Rank(n.Milestone) >= lifecycle.Rank(inventory.NodeBurnedIn):
		return inventory.RequestLine{Result: lineOK, Detail: string(n.Milestone)}
	case n.Milestone == inventory.NodeTriage || n.Milestone == inventory.NodeRepair:
		return inventory.RequestLine{Result: lineFailed, Detail: "in " + string(n.Milestone)}
	case n.Milestone == inventory.NodeRetired:
		return inventory.RequestLine{Result: lineRefused, Detail: "retired"}
	}
	return inventory.RequestLine{Result: lineRunning, Detail: string(n.Milestone)}
}

func (s *Steps) answer(ctx context.Context, t Turn, req inventory.Request, line inventory.RequestLine) error {
	line.Subject = t.Subject()
	if slices.Contains(req.Lines, line) {
		return nil // said before; each turn comes by here, and a commit is a write to the disk
	}
	return s.Store.Answer(ctx, t.Claim, req.Run, line)
}

// Answered answers every open request of one operation, when it is over.
func Answered(ctx context.Context, store Store, t Turn, op inventory.OpKind, line inventory.RequestLine) error {
	line.Subject = t.Subject()
	for _, req := range t.Asked {
		if req.Op != op {
			continue
		}
		if err := store.Answer(ctx, t.Claim, req.Run, line); err != nil {
			return err
		}
	}
	return nil
}
