package sqlstore

import (
	"context"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// Apply implements inventory.Work: outcome, event, new milestone, operation,
// locks, blockers and next time in one transaction, under the claim's fence.
func (s *Store) Apply(ctx context.Context, c inventory.Claim, ch inventory.Change) error {
	return s.tx(ctx, func(t *tx) error {
		on, rackID, err := t.claimed(ctx, c)
		if err != nil {
			return err
		}
		if ch.Settles != "" {
			if err := t.settle(ctx, c, rackID, ch); err != nil {
				return err
			}
		}
		if err := t.operate(ctx, c, rackID, ch); err != nil {
			return err
		}
		moved := false
		if ch.Event != nil {
			if on.Scope == inventory.ScopeNode {
				moved, err = t.moveNode(ctx, inventory.NodeID(on.ID), *ch.Event)
			} else {
				moved, err = t.moveRack(ctx, rackID, *ch.Event, ch.Excluded)
			}
			if err != nil {
				return err
			}
		}
		if err := t.blockers(ctx, on, rackID, ch.Blockers); err != nil {
			return err
		}
		due := never
		if !ch.Due.IsZero() {
			due = ch.Due.UnixMilli()
		}
		if moved {
			due = t.now
		}
		return t.exec(ctx, "UPDATE tick SET due_ms = CASE WHEN woken = 1 THEN CAST($1 AS BIGINT) ELSE CAST($2 AS BIGINT) END, woken = 0, holder = '', lease_ms = 0 WHERE id = $3", t.now, due, on.String())
	})
}

// operate stores or ends the operation of the subject.
func (t *tx) operate(ctx context.Context, c inventory.Claim, rackID inventory.RackID, ch inventory.Change) error {
	run, some, err := t.underway(ctx, c)
	if err != nil {
		return err
	}
	before, err := t.operation(ctx, c.Subject)
	if err != nil {
		return err
	}
	if ch.Operation != nil && !some {
		return fmt.Errorf("%s has an operation without a run: %w", c.Subject, inventory.ErrConflict)
	}
	if ch.Operation != nil || before != nil {
		if encode(ch.Operation) != encode(before) {
			if err := t.setOperation(ctx, c.Subject, ch.Operation); err != nil {
				return err
			}
		}
	}
	if step(before) != step(ch.Operation) || abort(before) != abort(ch.Operation) { // who watches must learn at once what may be cut
		if _, err := t.event(ctx, rackID, "operation.step", map[string]any{"subject": c.Subject.String(), "run": run.ID, "was": step(before), "is": step(ch.Operation),
			"abort": abort(ch.Operation), "detail": ch.Detail}); err != nil {
			return err
		}
		if err := t.wake(ctx, inventory.RackSubject(rackID)); err != nil {
			return err
		}
	}
	if ch.Operation != nil || !some {
		return nil
	}
	if ch.Outcome == "" && before == nil { // its server died between start and first step, and now something else comes first
		ch.Outcome, ch.Detail = inventory.OutcomeUnknown, inventory.BrokenOff
	}
	if err := t.endRun(ctx, run, ch.Outcome, ch.Detail); err != nil {
		return err
	}
	if err := t.exec(ctx, "UPDATE tick SET run_id = '' WHERE id = $1", c.Subject.String()); err != nil {
		return err
	}
	_, err = t.event(ctx, rackID, "run.ended", map[string]any{"run": run.ID, "operation": run.Op, "subject": c.Subject.String(), "outcome": ch.Outcome, "detail": ch.Detail})
	return err
}

func step(op *inventory.Operation) string {
	if op == nil {
		return ""
	}
	return string(op.Kind) + "/" + op.Step
}

func abort(op *inventory.Operation) inventory.AbortClass {
	if op == nil {
		return ""
	}
	return op.Abort
}

// underway is the run under way on the claim's subject.
func (t *tx) underway(ctx context.Context, c inventory.Claim) (inventory.Run, bool, error) {
	runs, err := list[inventory.Run](ctx, t, "run", "SELECT r.body FROM run r JOIN tick k ON k.run_id = r.id WHERE k.id = $1", c.Subject.String())
	if err != nil || len(runs) == 0 {
		return inventory.Run{}, false, err
	}
	return runs[0], true, nil
}

func (t *tx) operation(ctx context.Context, on inventory.Subject) (*inventory.Operation, error) {
	if on.Scope == inventory.ScopeNode {
		n, err := node(ctx, t, inventory.NodeID(on.ID))
		return n.Operation, err
	}
	r, err := rack(ctx, t, inventory.RackID(on.ID))
	return r.Operation, err
}

func (t *tx) setOperation(ctx context.Context, on inventory.Subject, op *inventory.Operation) error {
	if on.Scope == inventory.ScopeNode {
		n, err := node(ctx, t, inventory.NodeID(on.ID))
		if err != nil {
			return err
		}
		n.Operation = op
		return t.saveNode(ctx, &n)
	}
	r, err := rack(ctx, t, inventory.RackID(on.ID))
	if err != nil {
		return err
	}
	r.Operation = op
	return t.saveRack(ctx, &r)
}

// blockers replaces what blocks a subject; one that stays keeps its first time.
func (t *tx) blockers(ctx context.Context, on inventory.Subject, rackID inventory.RackID, now []inventory.Blocker) error {
	old, err := list[inventory.Blocker](ctx, t, "blockers", "SELECT body FROM blocker WHERE subject = $1 ORDER BY n", on.String())
	if err != nil {
		return err
	}
	since := map[string]inventory.Blocker{}
	for _, b := range old {
		since[string(b.Gate)+b.Fix+fmt.Sprint(b.Args)] = b
	}
	fresh := len(now) != len(old)
	for i := range now {
		was, ok := since[string(now[i].Gate)+now[i].Fix+fmt.Sprint(now[i].Args)]
		now[i].Since = was.Since
		if !ok {
			fresh, now[i].Since = true, inventory.FromMillis(t.now)
		}
	}
	if !fresh {
		return nil
	}
	if err := t.exec(ctx, "DELETE FROM blocker WHERE subject = $1", on.String()); err != nil {
		return err
	}
	lines := make([]string, len(now))
	for i, b := range now {
		lines[i] = string(b.Owner) + ": " + inventory.Sentence(b.Fix, b.Args)
		if err := t.exec(ctx, "INSERT INTO blocker (subject, n, body) VALUES ($1,$2,$3)", on.String(), i, encode(b)); err != nil {
			return err
		}
	}
	_, err = t.event(ctx, rackID, "blockers", map[string]any{"subject": on.String(), "blockers": lines})
	return err
}
