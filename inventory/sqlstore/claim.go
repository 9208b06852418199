package sqlstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Claim implements inventory.Work (lifecycle.md §8): renew own shards, take
// free ones up to an even share, then take due ticks of own shards.
func (s *Store) Claim(ctx context.Context, holder inventory.Holder, n int) ([]inventory.Claim, error) {
	if holder == "" || n <= 0 {
		return nil, fmt.Errorf("a claim needs a holder and a number: %w", inventory.ErrInvalid)
	}
	if idle, err := s.idle(ctx, holder); err != nil || idle {
		return nil, err
	}
	var out []inventory.Claim
	err := s.tx(ctx, func(t *tx) error {
		out = nil
		if err := t.shards(ctx, holder); err != nil {
			return err
		}
		lease := t.now + s.lease.Milliseconds()
		rows, err := t.QueryContext(ctx, `UPDATE tick SET holder = $1, lease_ms = $2, token = token + 1, woken = 0 WHERE id IN (
			SELECT id FROM tick WHERE shard_id IN (SELECT id FROM shard WHERE holder = $1 AND lease_ms > $3)
			AND due_ms <= $3 AND lease_ms < $4 ORDER BY due_ms, id LIMIT $5`+s.d.skip+`) RETURNING id, run_id, token`,
			string(holder), lease, t.now, t.now-s.grace.Milliseconds(), n)
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var id, run string
			c := inventory.Claim{Holder: holder, Until: inventory.FromMillis(lease)}
			if err := rows.Scan(&id, &run, &c.Token); err != nil {
				return fmt.Errorf("claim: %w", err)
			}
			c.Subject, c.Run = parse(id), inventory.RunID(run)
			out = append(out, c)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// idle answers the usual question of an idle server without a write: nothing is
// due, and no share has to be renewed or evened out.
func (s *Store) idle(ctx context.Context, holder inventory.Holder) (bool, error) {
	now, err := s.clock.now(ctx, s.read)
	if err != nil {
		return false, err
	}
	busy, _, err := number(ctx, s.read, `SELECT (SELECT COUNT(*) FROM tick WHERE due_ms <= $1 AND lease_ms < $2)
		+ (SELECT COUNT(*) FROM shard WHERE holder = $3 AND lease_ms < $4)
		+ (SELECT COUNT(*) FROM shard WHERE holder <> $3 AND lease_ms < $2)
		+ CASE WHEN EXISTS (SELECT 1 FROM server WHERE holder = $3 AND seen_ms > $5) THEN 0 ELSE 1 END`,
		now, now-s.grace.Milliseconds(), string(holder), now+s.lease.Milliseconds()*3/4, now-s.lease.Milliseconds()/4)
	return busy == 0, err
}

// shards keeps this server's share of the racks.
func (t *tx) shards(ctx context.Context, holder inventory.Holder) error {
	lease := t.s.lease.Milliseconds()
	if err := t.exec(ctx, "INSERT INTO server (holder, seen_ms) VALUES ($1,$2) ON CONFLICT (holder) DO UPDATE SET seen_ms = excluded.seen_ms", string(holder), t.now); err != nil {
		return err
	}
	if err := t.exec(ctx, "UPDATE shard SET lease_ms = $1 WHERE holder = $2 AND lease_ms > $3", t.now+lease, string(holder), t.now); err != nil {
		return err
	}
	live, _, err := number(ctx, t, "SELECT COUNT(*) FROM server WHERE seen_ms > $1", t.now-lease-t.s.grace.Milliseconds())
	if err != nil {
		return err
	}
	total, _, err := number(ctx, t, "SELECT COUNT(*) FROM shard")
	if err != nil {
		return err
	}
	mine, _, err := number(ctx, t, "SELECT COUNT(*) FROM shard WHERE holder = $1 AND lease_ms > $2", string(holder), t.now)
	if err != nil {
		return err
	}
	fair := (total + max(live, 1) - 1) / max(live, 1)
	switch {
	case mine < fair:
		return t.exec(ctx, `UPDATE shard SET holder = $1, token = token + 1, lease_ms = $2 WHERE id IN (
			SELECT id FROM shard WHERE lease_ms < $3 ORDER BY id LIMIT $4`+t.s.d.skip+`)`, string(holder), t.now+lease, t.now-t.s.grace.Milliseconds(), fair-mine)
	case mine > fair: // somebody came: give back what nothing runs in
		return t.exec(ctx, `UPDATE shard SET holder = '', lease_ms = 0 WHERE id IN (SELECT id FROM shard WHERE holder = $1
			AND id NOT IN (SELECT shard_id FROM tick WHERE lease_ms > $2) ORDER BY id LIMIT $3)`, string(holder), t.now, mine-fair)
	}
	return nil
}

// Shards implements inventory.Work.
func (s *Store) Shards(ctx context.Context, holder inventory.Holder) ([]inventory.RackID, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id FROM shard WHERE holder = $1 ORDER BY id", string(holder))
	if err != nil {
		return nil, fmt.Errorf("shards of %s: %w", holder, err)
	}
	defer rows.Close()
	var out []inventory.RackID
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("shards of %s: %w", holder, err)
		}
		out = append(out, inventory.RackID(id))
	}
	return out, rows.Err()
}

// fence is the first statement of every write of a tick: no row, no right.
func (t *tx) fence(ctx context.Context, c inventory.Claim) error {
	n, err := t.changed(ctx, "UPDATE tick SET token = token WHERE id = $1 AND token = $2 AND lease_ms > $3", c.Subject.String(), c.Token, t.now)
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%s token %d: %w", c.Subject, c.Token, inventory.ErrStale)
	}
	return nil
}

// claimed is how every write of a tick begins: its subject, the rack held against
// other writers, and the claim checked.
func (t *tx) claimed(ctx context.Context, c inventory.Claim) (on inventory.Subject, rackID inventory.RackID, err error) {
	if on, rackID, err = subject(ctx, t, c.Subject); err != nil {
		return on, rackID, err
	}
	if err = t.hold(ctx, rackID); err != nil {
		return on, rackID, err
	}
	return on, rackID, t.fence(ctx, c)
}

// Renew implements inventory.Work.
func (s *Store) Renew(ctx context.Context, c inventory.Claim) (inventory.Claim, error) {
	err := s.tx(ctx, func(t *tx) error {
		if err := t.fence(ctx, c); err != nil {
			return err
		}
		lease := t.now + s.lease.Milliseconds()
		c.Until = inventory.FromMillis(lease)
		return t.exec(ctx, "UPDATE tick SET lease_ms = $1 WHERE id = $2", lease, c.Subject.String())
	})
	return c, err
}

func sortedRacks(m map[inventory.RackID]int) []inventory.RackID {
	out := make([]inventory.RackID, 0, len(m))
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
