package sqlstore

import (
	"context"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// StartRun implements inventory.Runs. One subject runs one thing at a time.
func (s *Store) StartRun(ctx context.Context, c inventory.Claim, op inventory.OpKind, parent inventory.RunID, plan inventory.Digest) (inventory.RunID, error) {
	var id inventory.RunID
	err := s.tx(ctx, func(t *tx) error {
		_, rackID, err := t.claimed(ctx, c)
		if err != nil {
			return err
		}
		if open, some, err := number(ctx, t, "SELECT 1 FROM tick WHERE id = $1 AND run_id <> ''", c.Subject.String()); err != nil || some {
			if err == nil {
				run, rerr := t.runOf(ctx, c)
				if rerr == nil && run.Op == op && run.Plan == plan && run.Parent == parent {
					id = run.ID // the same start again, after a crash between it and its first Apply
					return nil
				}
				err = fmt.Errorf("%s runs %s already (%d open): %w", c.Subject, run.Op, open, inventory.ErrHeld)
			}
			return err
		}
		id = inventory.RunID(newID())
		run := inventory.Run{ID: id, Parent: parent, Op: op, Subject: c.Subject, Plan: plan, Started: inventory.FromMillis(t.now)}
		if err := t.exec(ctx, "INSERT INTO run (id, parent, subject, started_ms, body) VALUES ($1,$2,$3,$4,$5)", string(id), string(parent), c.Subject.String(), t.now, encode(run)); err != nil {
			return err
		}
		if err := t.exec(ctx, "UPDATE tick SET run_id = $1 WHERE id = $2", string(id), c.Subject.String()); err != nil {
			return err
		}
		_, err = t.event(ctx, rackID, "run.started", map[string]any{"run": id, "operation": op, "subject": c.Subject.String(), "plan": plan, "parent": parent})
		return err
	})
	return id, err
}

// endRun closes a run and drops its locks, except those a person must confirm.
func (t *tx) endRun(ctx context.Context, run inventory.Run, outcome inventory.Outcome, detail string) error {
	run.Outcome, run.Detail, run.Ended = outcome, detail, inventory.FromMillis(t.now)
	if err := t.exec(ctx, "UPDATE run SET ended_ms = $1, body = $2 WHERE id = $3", t.now, encode(run), string(run.ID)); err != nil {
		return err
	}
	return t.exec(ctx, "DELETE FROM scope_lock WHERE run_id = $1 AND state = 'held'", string(run.ID))
}

// Run implements inventory.Runs.
func (s *Store) Run(ctx context.Context, id inventory.RunID) (inventory.Run, error) {
	return one[inventory.Run](ctx, s.read, fmt.Sprintf("run %q", id), "SELECT body FROM run WHERE id = $1", string(id))
}

// ListRuns implements inventory.Runs: newest first.
func (s *Store) ListRuns(ctx context.Context, on inventory.Subject) ([]inventory.Run, error) {
	on, _, err := subject(ctx, s.read, on)
	if err != nil {
		return nil, err
	}
	return list[inventory.Run](ctx, s.read, "runs of "+on.String(), "SELECT body FROM run WHERE subject = $1 ORDER BY started_ms DESC, id DESC", on.String())
}

// Append implements inventory.Runs.
func (s *Store) Append(ctx context.Context, b inventory.Batch) error {
	if b.From == 0 || b.To < b.From {
		return fmt.Errorf("batch %d–%d of run %s: numbers begin at 1 and rise: %w", b.From, b.To, b.Run, inventory.ErrInvalid)
	}
	return s.tx(ctx, func(t *tx) error {
		run, err := one[inventory.Run](ctx, t, fmt.Sprintf("run %q", b.Run), "SELECT body FROM run WHERE id = $1", string(b.Run))
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
		last, _, err := number(ctx, t, "SELECT MAX(to_seq) FROM batch WHERE run_id = $1", string(b.Run))
		if err != nil {
			return err
		}
		switch {
		case b.To <= uint64(last):
			return nil // sent again after a lost answer
		case b.From != uint64(last)+1:
			return fmt.Errorf("batch %d–%d of run %s: %d is next: %w", b.From, b.To, b.Run, last+1, inventory.ErrConflict)
		}
		if err := t.exec(ctx, "INSERT INTO batch (run_id, from_seq, to_seq, document) VALUES ($1,$2,$3,$4)", string(b.Run), int64(b.From), int64(b.To), string(b.Document)); err != nil {
			return err
		}
		return t.wake(ctx, run.Subject)
	})
}

// Batches implements inventory.Runs.
func (s *Store) Batches(ctx context.Context, id inventory.RunID) ([]inventory.Batch, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT from_seq, to_seq, document FROM batch WHERE run_id = $1 ORDER BY from_seq", string(id))
	if err != nil {
		return nil, fmt.Errorf("batches of %s: %w", id, err)
	}
	defer rows.Close()
	var out []inventory.Batch
	for rows.Next() {
		b := inventory.Batch{Run: id}
		if err := rows.Scan(&b.From, &b.To, &b.Document); err != nil {
			return nil, fmt.Errorf("batches of %s: %w", id, err)
		}
		out = append(out, b)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("batches of %s: %w", id, err)
	}
	return out, nil
}
