package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

func openFindings(ctx context.Context, q querier, rack inventory.RackID) ([]inventory.Finding, error) {
	return list[inventory.Finding](ctx, q, "open findings", "SELECT body FROM finding WHERE rack_id = $1 AND closed_ev IS NULL ORDER BY id", string(rack))
}

// open states a finding; one row stands for it however often it is stated.
func (t *tx) open(ctx context.Context, f inventory.Finding) (inventory.Finding, bool, error) {
	print := string(f.Fingerprint())
	old, err := list[inventory.Finding](ctx, t, "finding", "SELECT body FROM finding WHERE fingerprint = $1 AND closed_ev IS NULL", print)
	if err != nil {
		return f, false, err
	}
	if len(old) > 0 {
		return old[0], false, nil
	}
	f.ID, f.Opened = inventory.FindingID(newID()), inventory.FromMillis(t.now)
	ev, err := t.event(ctx, f.Rack, "finding.opened", map[string]any{"finding": f.ID, "kind": f.Kind, "node": f.Node, "part": f.Key.String(),
		"owner": f.Owner, "fix": inventory.Sentence(f.Fix, f.Args), "others": f.Others})
	if err != nil {
		return f, false, err
	}
	return f, true, t.exec(ctx, "INSERT INTO finding (id, rack_id, node_id, fingerprint, kind, owner, opened_ev, body) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
		string(f.ID), string(f.Rack), string(f.Node), print, string(f.Kind), string(f.Owner), ev, encode(f))
}

// close ends a finding: by a later good read, or by a person.
func (t *tx) close(ctx context.Context, f inventory.Finding, by string) error {
	f.Closed, f.ClosedAt, f.ClosedBy = true, inventory.FromMillis(t.now), by
	ev, err := t.event(ctx, f.Rack, "finding.closed", map[string]any{"finding": f.ID, "kind": f.Kind, "node": f.Node, "by": by})
	if err != nil {
		return err
	}
	return t.exec(ctx, "UPDATE finding SET closed_ev = $1, body = $2 WHERE id = $3", ev, encode(f), string(f.ID))
}

// Dispose implements inventory.Recorder. A surplus unit is closed by its
// decision; a difference of a node stays open until a good read agrees.
func (s *Store) Dispose(ctx context.Context, id inventory.FindingID, decision string, by inventory.PersonID) error {
	if strings.TrimSpace(decision) == "" {
		return fmt.Errorf("no decision was given: %w", inventory.ErrInvalid)
	}
	return s.tx(ctx, func(t *tx) error {
		f, err := one[inventory.Finding](ctx, t, fmt.Sprintf("finding %q", id), "SELECT body FROM finding WHERE id = $1", string(id))
		if err != nil {
			return err
		}
		if err := t.hold(ctx, f.Rack); err != nil {
			return err
		}
		if f.Closed {
			return fmt.Errorf("finding %s is closed since %s: %w", id, f.ClosedAt.Format("2006-01-02 15:04"), inventory.ErrConflict)
		}
		f.Disposition = decision
		if _, err := t.event(ctx, f.Rack, "finding.disposed", map[string]any{"finding": f.ID, "decision": decision, "by": by}); err != nil {
			return err
		}
		if err := t.exec(ctx, "UPDATE finding SET body = $1 WHERE id = $2", encode(f), string(f.ID)); err != nil {
			return err
		}
		if f.Node == "" {
			if err := t.close(ctx, f, string(by)); err != nil {
				return err
			}
		} else if err := t.wake(ctx, inventory.NodeSubject(f.Node)); err != nil {
			return err
		}
		return t.wake(ctx, inventory.RackSubject(f.Rack))
	})
}
