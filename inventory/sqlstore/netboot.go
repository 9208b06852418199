package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func bindingKey(b inventory.Binding) string { return b.Subnet.String() + " " + b.Addr.String() }

// Reserve implements inventory.Bindings: in memory, so that a flood of
// discovers writes nothing. A reservation of somebody else is ErrConflict.
func (s *Store) Reserve(ctx context.Context, b inventory.Binding) (inventory.Binding, error) {
	now, err := s.clock.now(ctx, s.read)
	if err != nil {
		return b, err
	}
	owner, state, until, err := s.owner(ctx, s.read, b)
	if err != nil {
		return b, err
	}
	if owner != string(b.MAC) && blocks(state, until, now) {
		return b, fmt.Errorf("%s is taken: %w", b.Addr, inventory.ErrConflict)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.offered[bindingKey(b)]; ok && old.MAC != b.MAC && old.Until.UnixMilli() > now {
		return b, fmt.Errorf("%s is offered to another machine: %w", b.Addr, inventory.ErrConflict)
	}
	b.State = inventory.BindingOffered
	s.offered[bindingKey(b)] = b
	return b, nil
}

func blocks(state inventory.BindingState, until, now int64) bool {
	switch state {
	case inventory.BindingBound:
		return true
	case inventory.BindingActive, inventory.BindingQuarantined:
		return until > now
	}
	return false
}

// owner is who has an address now; nobody is the empty client.
func (s *Store) owner(ctx context.Context, q querier, b inventory.Binding) (string, inventory.BindingState, int64, error) {
	old, err := one[inventory.Binding](ctx, q, "binding", "SELECT body FROM binding WHERE subnet = $1 AND addr = $2", b.Subnet.String(), b.Addr.String())
	if errors.Is(err, inventory.ErrNotFound) {
		return "", "", 0, nil
	}
	return string(old.MAC), old.State, old.Until.UnixMilli(), err
}

// Confirm implements inventory.Bindings: committed before the ACK leaves.
func (s *Store) Confirm(ctx context.Context, b inventory.Binding) (inventory.Binding, error) {
	if b.MAC == "" || !b.Addr.IsValid() || !b.Subnet.IsValid() {
		return b, fmt.Errorf("a binding needs its client, address and subnet: %w", inventory.ErrInvalid)
	}
	err := s.tx(ctx, func(t *tx) error {
		owner, state, until, err := s.owner(ctx, t, b)
		if err != nil {
			return err
		}
		if owner != string(b.MAC) && blocks(state, until, t.now) {
			return fmt.Errorf("%s belongs to another machine: %w", b.Addr, inventory.ErrConflict)
		}
		if b.State != inventory.BindingBound {
			b.State = inventory.BindingActive
		}
		if err := t.exec(ctx, "DELETE FROM binding WHERE subnet = $1 AND (client = $2 OR addr = $3)", b.Subnet.String(), string(b.MAC), b.Addr.String()); err != nil {
			return err
		}
		return t.exec(ctx, "INSERT INTO binding (subnet, addr, client, until_ms, body) VALUES ($1,$2,$3,$4,$5)", b.Subnet.String(), b.Addr.String(), string(b.MAC), b.Until.UnixMilli(), encode(b))
	})
	if err == nil {
		s.mu.Lock()
		delete(s.offered, bindingKey(b))
		s.mu.Unlock()
	}
	return b, err
}

// Quarantine implements inventory.Bindings: somebody else answered for the address.
func (s *Store) Quarantine(ctx context.Context, addr netip.Addr, d time.Duration) error {
	return s.tx(ctx, func(t *tx) error {
		rows, err := list[inventory.Binding](ctx, t, "binding", "SELECT body FROM binding WHERE addr = $1", addr.String())
		if err != nil {
			return err
		}
		b := inventory.Binding{Addr: addr, Subnet: netip.PrefixFrom(addr, addr.BitLen())}
		if len(rows) > 0 {
			b.Subnet = rows[0].Subnet
		}
		b.State, b.Until = inventory.BindingQuarantined, inventory.FromMillis(t.now+d.Milliseconds())
		if err := t.exec(ctx, "DELETE FROM binding WHERE addr = $1", addr.String()); err != nil {
			return err
		}
		if err := t.exec(ctx, "INSERT INTO binding (subnet, addr, client, until_ms, body) VALUES ($1,$2,'',$3,$4)", b.Subnet.String(), addr.String(), b.Until.UnixMilli(), encode(b)); err != nil {
			return err
		}
		_, err = t.event(ctx, "", "address.quarantined", map[string]any{"address": addr.String(), "until": b.Until})
		return err
	})
}

// Release implements inventory.Bindings. A bound address stays the node's.
func (s *Store) Release(ctx context.Context, h inventory.Hint) error {
	return s.tx(ctx, func(t *tx) error {
		rows, err := list[inventory.Binding](ctx, t, "binding", "SELECT body FROM binding WHERE client = $1", string(h.MAC))
		if err != nil {
			return err
		}
		for _, b := range rows {
			if b.State != inventory.BindingActive {
				continue
			}
			b.State = inventory.BindingReleased
			if err := t.exec(ctx, "UPDATE binding SET body = $1, until_ms = $2 WHERE subnet = $3 AND addr = $4", encode(b), t.now, b.Subnet.String(), b.Addr.String()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Bound implements inventory.Bindings.
func (s *Store) Bound(ctx context.Context, subnet netip.Prefix) ([]inventory.Binding, error) {
	return list[inventory.Binding](ctx, s.read, "bindings", "SELECT body FROM binding WHERE subnet = $1 ORDER BY addr", subnet.String())
}

// Note implements inventory.Boots.
func (s *Store) Note(ctx context.Context, l inventory.BootLine) error {
	return s.tx(ctx, func(t *tx) error {
		if l.At.IsZero() {
			l.At = inventory.FromMillis(t.now)
		}
		return t.exec(ctx, "INSERT INTO boot_line (id, mac, at_ms, body) VALUES ($1,$2,$3,$4)", newID(), string(l.MAC), l.At.UnixMilli(), encode(l))
	})
}

// Lines implements inventory.Boots.
func (s *Store) Lines(ctx context.Context, h inventory.Hint, since time.Time) ([]inventory.BootLine, error) {
	return list[inventory.BootLine](ctx, s.read, "boot ledger", "SELECT body FROM boot_line WHERE mac = $1 AND at_ms >= $2 ORDER BY at_ms, id", string(h.MAC), inventory.Millis(since))
}

// Redeem implements inventory.Boots.
func (s *Store) Redeem(ctx context.Context, token inventory.Digest, h inventory.Hint) error {
	var twice bool
	err := s.tx(ctx, func(t *tx) error {
		n, err := t.changed(ctx, "INSERT INTO boot_token (hash, at_ms, body) VALUES ($1,$2,$3) ON CONFLICT (hash) DO NOTHING", string(token), t.now, encode(h))
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
		first, err := one[inventory.Hint](ctx, t, "boot token", "SELECT body FROM boot_token WHERE hash = $1", string(token))
		if err != nil {
			return err
		}
		if twice = h.Boot == "" || h.Boot != first.Boot; !twice {
			return nil
		}
		_, err = t.event(ctx, "", "boot.token_again", map[string]any{"mac": h.MAC, "uuid": h.UUID})
		return err
	})
	if err == nil && twice {
		return fmt.Errorf("this boot token was used before: %w", inventory.ErrConflict)
	}
	return err
}

// Sight implements inventory.Recorder: one row a machine and class, counted.
func (s *Store) Sight(ctx context.Context, x inventory.Sighting) error {
	return s.tx(ctx, func(t *tx) error {
		id := string(x.MAC) + " " + inventory.Usable(x.UUID) + " " + x.Class
		if x.MAC == "" { // whole batches of BMCs say the same UUID
			id += x.Addr
		}
		old, err := one[inventory.Sighting](ctx, t, "sighting", "SELECT body FROM sighting WHERE id = $1", id)
		if err != nil && !errors.Is(err, inventory.ErrNotFound) {
			return err
		}
		first := err != nil
		x.Count = old.Count + 1
		if x.At.IsZero() {
			x.At = inventory.FromMillis(t.now)
		}
		if err := t.exec(ctx, "INSERT INTO sighting (id, at_ms, body) VALUES ($1,$2,$3) ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body", id, x.At.UnixMilli(), encode(x)); err != nil || !first {
			return err
		}
		_, err = t.event(ctx, "", "machine.sighted", map[string]any{"mac": x.MAC, "uuid": x.UUID, "class": x.Class, "address": x.Addr})
		return err
	})
}
