package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Hold implements inventory.Recorder. A safety latch breaks the locks it meets:
// safety never waits.
func (s *Store) Hold(ctx context.Context, on inventory.Subject, h inventory.Hold) error {
	if !slices.Contains(lifecycle.Holds(), h.Name) {
		return fmt.Errorf("%q is no hold; the holds are %v: %w", h.Name, lifecycle.Holds(), inventory.ErrInvalid)
	}
	if strings.TrimSpace(h.Reason) == "" {
		return fmt.Errorf("hold %s needs a reason: %w", h.Name, inventory.ErrInvalid)
	}
	return s.tx(ctx, func(t *tx) error {
		on, rackID, err := subject(ctx, t, on)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, rackID); err != nil {
			return err
		}
		if h.Since.IsZero() {
			h.Since = inventory.FromMillis(t.now)
		}
		h.Since = inventory.FromMillis(h.Since.UnixMilli())
		if err := t.editHolds(ctx, on, func(held []inventory.Hold) ([]inventory.Hold, error) {
			return again(held, h, on)
		}); err != nil {
			return err
		}
		if _, err := t.event(ctx, rackID, "hold.set", map[string]any{"subject": on.String(), "hold": h.Name, "reason": h.Reason, "by": h.By}); err != nil {
			return err
		}
		if h.Name == inventory.HoldSafetyLatch {
			if err := t.breakLocks(ctx, on, rackID, "safety latch: "+h.Reason); err != nil {
				return err
			}
			if on.Scope == inventory.ScopeNode {
				if err := t.invalidate(ctx, inventory.NodeID(on.ID), inventory.EventSafetyTrip, h.Reason); err != nil {
					return err
				}
			}
		}
		return t.wakeAll(ctx, on, rackID)
	})
}

func (t *tx) wakeAll(ctx context.Context, on inventory.Subject, rackID inventory.RackID) error {
	if on.Scope == inventory.ScopeRack {
		if err := t.wakeMembers(ctx, rackID); err != nil {
			return err
		}
	} else if err := t.wake(ctx, on); err != nil {
		return err
	}
	return t.wake(ctx, inventory.RackSubject(rackID))
}

// editHolds changes the holds of a node or rack.
func (t *tx) editHolds(ctx context.Context, on inventory.Subject, edit func([]inventory.Hold) ([]inventory.Hold, error)) error {
	switch on.Scope {
	case inventory.ScopeNode:
		n, err := node(ctx, t, inventory.NodeID(on.ID))
		if err == nil {
			n.Holds, err = edit(n.Holds)
		}
		if err != nil {
			return err
		}
		return t.saveNode(ctx, &n)
	case inventory.ScopeRack:
		r, err := rack(ctx, t, inventory.RackID(on.ID))
		if err == nil {
			r.Holds, err = edit(r.Holds)
		}
		if err != nil {
			return err
		}
		return t.saveRack(ctx, &r)
	}
	return fmt.Errorf("%s cannot be held; hold a node or a rack: %w", on, inventory.ErrInvalid)
}

// again adds a hold, or renews one by the same holder. Somebody else's stays
// theirs: who could take it over could also lift it (lifecycle.md §5).
func again(held []inventory.Hold, h inventory.Hold, on inventory.Subject) ([]inventory.Hold, error) {
	i := slices.IndexFunc(held, func(x inventory.Hold) bool { return x.Name == h.Name })
	switch {
	case i < 0:
		return append(held, h), nil
	case held[i].By == h.By:
		return append(slices.Delete(slices.Clone(held), i, i+1), h), nil
	case h.Name == inventory.HoldSafetyLatch, h.By == "": // the latch never waits, and the engine has what it wants
		return held, nil
	}
	return held, fmt.Errorf("%s is on hold %s by %s since %s already (%s): %w", on, h.Name, held[i].By, held[i].Since.UTC().Format("2006-01-02 15:04"), held[i].Reason, inventory.ErrConflict)
}

// Lift implements inventory.Recorder. An empty person is the engine itself,
// which may lift what it set.
func (s *Store) Lift(ctx context.Context, on inventory.Subject, name inventory.HoldName, by inventory.PersonID, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("lifting %s needs a reason: %w", name, inventory.ErrInvalid)
	}
	return s.tx(ctx, func(t *tx) error {
		on, rackID, err := subject(ctx, t, on)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, rackID); err != nil {
			return err
		}
		err = t.editHolds(ctx, on, func(held []inventory.Hold) ([]inventory.Hold, error) {
			i := slices.IndexFunc(held, func(h inventory.Hold) bool { return h.Name == name })
			if i < 0 {
				return held, fmt.Errorf("%s is not on hold %s: %w", on, name, inventory.ErrNotFound)
			}
			if err := t.mayLift(ctx, held[i], by); err != nil {
				return held, err
			}
			if err := t.clear(ctx, on, rackID, held[i]); err != nil {
				return held, err
			}
			return slices.Delete(slices.Clone(held), i, i+1), nil
		})
		if err != nil {
			return err
		}
		if _, err := t.event(ctx, rackID, "hold.lifted", map[string]any{"subject": on.String(), "hold": name, "reason": reason, "by": by}); err != nil {
			return err
		}
		return t.wakeAll(ctx, on, rackID)
	})
}

func (t *tx) mayLift(ctx context.Context, h inventory.Hold, by inventory.PersonID) error {
	if by == "" && h.By == "" {
		return nil
	}
	roles, setter := lifecycle.LiftRoles(h.Name)
	if setter && by != "" && by == h.By {
		return nil
	}
	p, err := one[inventory.Person](ctx, t, fmt.Sprintf("person %q", by), "SELECT body FROM person WHERE id = $1", string(by))
	if err != nil {
		return err
	}
	for _, g := range p.Grants {
		if slices.Contains(roles, g.Role) && (g.Until.IsZero() || g.Until.UnixMilli() > t.now) && !p.Disabled {
			return nil
		}
	}
	return fmt.Errorf("hold %s is lifted by %v only: %w", h.Name, roles, inventory.ErrDenied)
}

// clear asks the law whether what a hold was set for is gone, where a reading
// can tell.
func (t *tx) clear(ctx context.Context, on inventory.Subject, rackID inventory.RackID, h inventory.Hold) error {
	if h.Name != inventory.HoldSafetyLatch {
		return nil
	}
	f, err := t.lawFacts(ctx, rackID)
	if err != nil {
		return err
	}
	return lifecycle.Clear(on, h.Since, f)
}

// Wake implements inventory.Recorder.
func (s *Store) Wake(ctx context.Context, on inventory.Subject) error {
	return s.tx(ctx, func(t *tx) error {
		on, _, err := subject(ctx, t, on)
		if err != nil {
			return err
		}
		return t.wake(ctx, on)
	})
}

// Bind implements inventory.Recorder.
func (s *Store) Bind(ctx context.Context, id inventory.NodeID, e inventory.Endpoint) error {
	return s.tx(ctx, func(t *tx) error {
		n, err := node(ctx, t, id)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, n.Rack); err != nil {
			return err
		}
		if n, err = node(ctx, t, n.ID); err != nil {
			return err
		}
		e.Node = n.ID
		if n.BMC == e {
			return nil
		}
		unpinned := n.BMC.Pin != "" && e.Pin == ""
		n.BMC = e
		if err := t.saveNode(ctx, &n); err != nil {
			return err
		}
		if unpinned { // nobody watches its detectors until its key is known again, and nobody knows whose were dry
			dry := func(e inventory.Evidence) bool {
				return e.Gate == lifecycle.GateLeak && e.Result == inventory.ResultPass
			}
			if err := t.voidThose(ctx, inventory.NodeSubject(n.ID), "its BMC is bound anew", dry); err != nil {
				return err
			}
		}
		if e.Simulated {
			if err := t.simulated(ctx, &n); err != nil {
				return err
			}
		}
		if _, err := t.event(ctx, n.Rack, "node.bound", map[string]any{"node": n.Address, "url": e.URL, "pin": e.Pin, "profile": e.Profile, "note": e.Note}); err != nil {
			return err
		}
		return t.wake(ctx, inventory.NodeSubject(n.ID))
	})
}
