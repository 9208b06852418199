package sqlstore

import (
	"context"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// Unsettled implements inventory.Work.
func (s *Store) Unsettled(ctx context.Context, c inventory.Claim) ([]inventory.Intent, error) {
	return list[inventory.Intent](ctx, s.read, "unsettled intents of "+c.Subject.String(),
		"SELECT i.body FROM intent i JOIN run r ON r.id = i.run_id WHERE r.subject = $1 AND i.settled = 0 ORDER BY i.begun_ms, i.id", c.Subject.String())
}

// Begin implements inventory.Work. The same run, step and attempt again is
// ErrConflict: what was written down is read back, never begun twice.
func (s *Store) Begin(ctx context.Context, c inventory.Claim, i inventory.Intent) (inventory.IntentID, error) {
	if i.Step == "" || i.Target == "" || i.Effect == "" || i.ReadBack == "" {
		return "", fmt.Errorf("an intent needs step, target, effect and how it is read back: %w", inventory.ErrInvalid)
	}
	err := s.tx(ctx, func(t *tx) error {
		_, rackID, err := t.claimed(ctx, c)
		if err != nil {
			return err
		}
		run, err := t.runOf(ctx, c)
		if err != nil {
			return err
		}
		i.ID, i.Run, i.Op, i.Begun, i.Outcome, i.Settled = inventory.IntentID(newID()), run.ID, run.Op, inventory.FromMillis(t.now), "", false
		n, err := t.changed(ctx, `INSERT INTO intent (id, run_id, step, attempt, token, target, begun_ms, outcome, settled, body)
			VALUES ($1,$2,$3,$4,$5,$6,$7,'',0,$8) ON CONFLICT DO NOTHING`, string(i.ID), string(run.ID), i.Step, i.Attempt, c.Token, i.Target, t.now, encode(i))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s attempt %d on %s was begun before, or another action there is not settled: %w", i.Step, i.Attempt, i.Target, inventory.ErrConflict)
		}
		_, err = t.event(ctx, rackID, "intent.begun", map[string]any{"intent": i.ID, "run": run.ID, "subject": c.Subject.String(), "step": i.Step,
			"attempt": i.Attempt, "target": i.Target, "effect": i.Effect})
		return err
	})
	return i.ID, err
}

// Late implements inventory.Work.
func (s *Store) Late(ctx context.Context, id inventory.IntentID, detail string) error {
	return s.tx(ctx, func(t *tx) error {
		i, err := one[inventory.Intent](ctx, t, fmt.Sprintf("intent %q", id), "SELECT body FROM intent WHERE id = $1", string(id))
		if err != nil {
			return err
		}
		run, err := one[inventory.Run](ctx, t, fmt.Sprintf("run %q", i.Run), "SELECT body FROM run WHERE id = $1", string(i.Run))
		if err != nil {
			return err
		}
		_, rackID, err := subject(ctx, t, run.Subject)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, rackID); err != nil {
			return err
		}
		_, err = t.event(ctx, rackID, "intent.late", map[string]any{"intent": i.ID, "subject": run.Subject.String(), "step": i.Step, "settled": i.Settled, "outcome": i.Outcome, "detail": detail})
		return err
	})
}

// settle writes what became of an intent. Unknown stays unsettled: it is read
// back before anything else is done to its target.
func (t *tx) settle(ctx context.Context, c inventory.Claim, rackID inventory.RackID, ch inventory.Change) error {
	i, err := one[inventory.Intent](ctx, t, fmt.Sprintf("intent %q", ch.Settles), "SELECT body FROM intent WHERE id = $1", string(ch.Settles))
	if err != nil {
		return err
	}
	if i.Settled {
		return fmt.Errorf("intent %s is settled as %s already: %w", i.ID, i.Outcome, inventory.ErrConflict)
	}
	if ch.Outcome == inventory.OutcomeNone {
		return fmt.Errorf("intent %s is settled without an outcome: %w", i.ID, inventory.ErrInvalid)
	}
	i.Outcome, i.Settled = ch.Outcome, ch.Outcome != inventory.OutcomeUnknown
	settled := 0
	if i.Settled {
		settled = 1
	}
	if err := t.exec(ctx, "UPDATE intent SET outcome = $1, settled = $2, ended_ms = $3, body = $4 WHERE id = $5", string(i.Outcome), settled, t.now, encode(i), string(i.ID)); err != nil {
		return err
	}
	_, err = t.event(ctx, rackID, "intent.settled", map[string]any{"intent": i.ID, "subject": c.Subject.String(), "step": i.Step, "outcome": i.Outcome, "detail": ch.Detail})
	return err
}
