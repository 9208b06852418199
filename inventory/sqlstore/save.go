package sqlstore

import (
	"context"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// saveRack writes a rack with a new version.
func (t *tx) saveRack(ctx context.Context, r *inventory.Rack) error {
	r.Version++
	n, err := t.changed(ctx, "UPDATE rack SET milestone = $1, body = $2 WHERE id = $3", string(r.Milestone), encode(r), string(r.ID))
	if err == nil && n != 1 {
		err = fmt.Errorf("rack %s is gone: %w", r.Name, inventory.ErrNotFound)
	}
	return err
}

// saveNode writes a node with a new version.
func (t *tx) saveNode(ctx context.Context, n *inventory.Node) error {
	n.Version++
	count, err := t.changed(ctx, "UPDATE node SET milestone = $1, uuid = $2, body = $3 WHERE id = $4", string(n.Milestone), inventory.Usable(n.UUID), encode(n), string(n.ID))
	if err == nil && count != 1 {
		err = fmt.Errorf("node %s is gone: %w", n.Address, inventory.ErrNotFound)
	}
	return err
}

// wake makes a subject due now. A wake during a claimed turn is kept in woken,
// so that the turn's own next time does not swallow it.
func (t *tx) wake(ctx context.Context, on inventory.Subject) error {
	return t.exec(ctx, "UPDATE tick SET due_ms = $1, woken = 1 WHERE id = $2", t.now, on.String())
}

// wakeMembers makes all nodes of a rack due now.
func (t *tx) wakeMembers(ctx context.Context, id inventory.RackID) error {
	return t.exec(ctx, "UPDATE tick SET due_ms = $1, woken = 1 WHERE id IN (SELECT 'node:' || id FROM node WHERE rack_id = $2)", t.now, string(id))
}

// newTick gives a subject its timer.
func (t *tx) newTick(ctx context.Context, on inventory.Subject, rack inventory.RackID) error {
	if err := t.exec(ctx, "INSERT INTO shard (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", string(rack)); err != nil {
		return err
	}
	return t.exec(ctx, "INSERT INTO tick (id, shard_id, due_ms) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING", on.String(), string(rack), t.now)
}

// simulated marks what a simulator touched; the mark never goes away.
func (t *tx) simulated(ctx context.Context, n *inventory.Node) error {
	r, err := rack(ctx, t, n.Rack)
	if err != nil {
		return err
	}
	if !n.Simulated {
		n.Simulated = true
		if err := t.saveNode(ctx, n); err != nil {
			return err
		}
	}
	return t.simulatedRack(ctx, &r)
}

func (t *tx) simulatedRack(ctx context.Context, r *inventory.Rack) error {
	if r.Simulated {
		return nil
	}
	r.Simulated = true
	if err := t.saveRack(ctx, r); err != nil {
		return err
	}
	_, err := t.event(ctx, r.ID, "rack.simulated", map[string]string{"rack": r.Name})
	return err
}
