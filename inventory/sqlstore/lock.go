package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Lock implements inventory.Work: all scopes or none, for the run of the claim.
func (s *Store) Lock(ctx context.Context, c inventory.Claim, scopes ...inventory.Subject) error {
	return s.tx(ctx, func(t *tx) error {
		_, rackID, err := t.claimed(ctx, c)
		if err != nil {
			return err
		}
		run, err := t.runOf(ctx, c)
		if err != nil {
			return err
		}
		held, err := locks(ctx, t, rackID)
		if err != nil {
			return err
		}
		scopes = slices.Clone(scopes)
		slices.SortFunc(scopes, byScope)
		for _, want := range scopes {
			mine := false
			for _, l := range held {
				if l.Run == run.ID || l.Run == run.Parent && run.Parent != "" {
					mine = mine || l.Scope == want && l.Run == run.ID
					continue
				}
				if l.Scope == want || lifecycle.ConflictsWith(l.Scope.Scope, want.Scope) || l.Scope.Scope == inventory.ScopeDomain || want.Scope == inventory.ScopeDomain {
					return &inventory.HeldError{Scope: want, Lock: &l}
				}
			}
			if mine {
				continue
			}
			if err := t.exec(ctx, "INSERT INTO scope_lock (scope, rack_id, run_id, state, taken_ms) VALUES ($1,$2,$3,'held',$4) ON CONFLICT (scope) DO UPDATE SET run_id = excluded.run_id, state = 'held', taken_ms = excluded.taken_ms",
				want.String(), string(rackID), string(run.ID), t.now); err != nil {
				return err
			}
		}
		return nil
	})
}

// byScope is the order that keeps two runs from waiting for each other.
func byScope(a, b inventory.Subject) int {
	order := []inventory.Scope{inventory.ScopeRack, inventory.ScopeShelf, inventory.ScopeDomain, inventory.ScopeNode}
	if d := slices.Index(order, a.Scope) - slices.Index(order, b.Scope); d != 0 {
		return d
	}
	return strings.Compare(a.ID, b.ID)
}

func locks(ctx context.Context, q querier, rackID inventory.RackID) ([]inventory.Lock, error) {
	where, args := "", []any{}
	if rackID != "" {
		where, args = " WHERE rack_id = $1", append(args, string(rackID))
	}
	rows, err := q.QueryContext(ctx, "SELECT scope, run_id, state, taken_ms FROM scope_lock"+where+" ORDER BY taken_ms, scope", args...)
	if err != nil {
		return nil, fmt.Errorf("locks: %w", err)
	}
	defer rows.Close()
	var out []inventory.Lock
	for rows.Next() {
		var l inventory.Lock
		var scope string
		var since int64
		if err := rows.Scan(&scope, &l.Run, &l.State, &since); err != nil {
			return nil, fmt.Errorf("locks: %w", err)
		}
		l.Scope, l.Since = parse(scope), inventory.FromMillis(since)
		out = append(out, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("locks: %w", err)
	}
	return out, nil
}

// Locks implements inventory.Reader.
func (s *Store) Locks(ctx context.Context) ([]inventory.Lock, error) { return locks(ctx, s.read, "") }

// runOf is the run that the claim's tick executes; the record knows it, the
// claim may be older than the run.
func (t *tx) runOf(ctx context.Context, c inventory.Claim) (inventory.Run, error) {
	var id string
	err := t.QueryRowContext(ctx, "SELECT run_id FROM tick WHERE id = $1", c.Subject.String()).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) || err == nil && id == "" {
		return inventory.Run{}, fmt.Errorf("%s has no run; start one first: %w", c.Subject, inventory.ErrConflict)
	}
	if err != nil {
		return inventory.Run{}, fmt.Errorf("run of %s: %w", c.Subject, err)
	}
	return one[inventory.Run](ctx, t, "run "+id, "SELECT body FROM run WHERE id = $1", id)
}

// BreakLock implements inventory.Recorder. The first time ends the run as
// unknown and leaves needs-repair, which keeps new work out; the second time,
// once nothing is unsettled, a person confirms and the lock is gone.
func (s *Store) BreakLock(ctx context.Context, on inventory.Subject, by inventory.PersonID, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("breaking a lock needs a reason: %w", inventory.ErrInvalid)
	}
	return s.tx(ctx, func(t *tx) error {
		on, rackID, err := subject(ctx, t, on)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, rackID); err != nil {
			return err
		}
		held, err := locks(ctx, t, rackID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(held, func(l inventory.Lock) bool { return l.Scope == on })
		if i < 0 {
			return fmt.Errorf("%s is not locked: %w", on, inventory.ErrNotFound)
		}
		if held[i].State == "needs-repair" {
			return t.confirm(ctx, held[i], rackID, by, reason)
		}
		if err := t.breakLock(ctx, held[i], rackID, reason); err != nil {
			return err
		}
		return t.wakeAll(ctx, on, rackID)
	})
}

// Overtake implements inventory.Work.
func (s *Store) Overtake(ctx context.Context, c inventory.Claim, reason string) error {
	return s.tx(ctx, func(t *tx) error {
		on, rackID, err := t.claimed(ctx, c)
		if err != nil {
			return err
		}
		held, err := locks(ctx, t, rackID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(held, func(l inventory.Lock) bool { return l.Scope == on && l.State == "held" })
		if i < 0 {
			return fmt.Errorf("nothing on %s holds a lock: %w", on, inventory.ErrNotFound)
		}
		if err := t.breakLock(ctx, held[i], rackID, reason); err != nil {
			return err
		}
		return t.wakeAll(ctx, on, rackID)
	})
}

func (t *tx) confirm(ctx context.Context, l inventory.Lock, rackID inventory.RackID, by inventory.PersonID, reason string) error {
	open, _, err := number(ctx, t, "SELECT COUNT(*) FROM intent WHERE run_id = $1 AND settled = 0", string(l.Run))
	if err != nil {
		return err
	}
	if open > 0 {
		return fmt.Errorf("%d actions on %s are not read back yet; wait until the engine has looked: %w", open, l.Scope, inventory.ErrHeld)
	}
	if err := t.exec(ctx, "DELETE FROM scope_lock WHERE scope = $1", l.Scope.String()); err != nil {
		return err
	}
	if _, err := t.event(ctx, rackID, "lock.confirmed", map[string]any{"scope": l.Scope.String(), "run": l.Run, "by": by, "reason": reason}); err != nil {
		return err
	}
	return t.wakeAll(ctx, l.Scope, rackID)
}

// breakLocks breaks every lock that a safety latch meets.
func (t *tx) breakLocks(ctx context.Context, on inventory.Subject, rackID inventory.RackID, reason string) error {
	held, err := locks(ctx, t, rackID)
	if err != nil {
		return err
	}
	for _, l := range held {
		if (l.Scope == on || on.Scope == inventory.ScopeRack) && l.State == "held" {
			if off, err := t.switchesOff(ctx, l); err != nil {
				return err
			} else if off {
				continue
			}
			if err := t.breakLock(ctx, l, rackID, reason); err != nil {
				return err
			}
		}
	}
	return nil
}

// switchesOff: what powers a node off is what a safety latch wants.
func (t *tx) switchesOff(ctx context.Context, l inventory.Lock) (bool, error) {
	if l.Scope.Scope != inventory.ScopeNode {
		return false, nil
	}
	n, err := node(ctx, t, inventory.NodeID(l.Scope.ID))
	return err == nil && lifecycle.OffUnderWay(n.Operation) && n.Operation.Run == l.Run, err
}

func (t *tx) breakLock(ctx context.Context, l inventory.Lock, rackID inventory.RackID, reason string) error {
	run, err := one[inventory.Run](ctx, t, "run "+string(l.Run), "SELECT body FROM run WHERE id = $1", string(l.Run))
	if err != nil {
		return err
	}
	open, err := list[inventory.Intent](ctx, t, "intents", "SELECT body FROM intent WHERE run_id = $1 AND settled = 0", string(l.Run))
	if err != nil {
		return err
	}
	for _, i := range open {
		i.Outcome = inventory.OutcomeUnknown
		if err := t.exec(ctx, "UPDATE intent SET outcome = 'unknown', body = $1 WHERE id = $2", encode(i), string(i.ID)); err != nil {
			return err
		}
	}
	if err := t.exec(ctx, "UPDATE scope_lock SET state = 'needs-repair' WHERE scope = $1", l.Scope.String()); err != nil {
		return err
	}
	if err := t.setOperation(ctx, run.Subject, nil); err != nil {
		return err
	}
	if err := t.endRun(ctx, run, inventory.OutcomeUnknown, reason); err != nil {
		return err
	}
	// Whoever executes the run now has lost its right to.
	if err := t.exec(ctx, "UPDATE tick SET run_id = '', token = token + 1, holder = '', lease_ms = 0, due_ms = $1, woken = 1 WHERE id = $2", t.now, run.Subject.String()); err != nil {
		return err
	}
	_, err = t.event(ctx, rackID, "lock.broken", map[string]any{"scope": l.Scope.String(), "run": l.Run, "reason": reason, "unsettled": len(open)})
	return err
}
