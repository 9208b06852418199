package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Racks implements inventory.Reader.
func (s *Store) Racks(ctx context.Context) ([]inventory.Rack, error) {
	return list[inventory.Rack](ctx, s.read, "racks", "SELECT body FROM rack ORDER BY name")
}

// Rack implements inventory.Reader.
func (s *Store) Rack(ctx context.Context, id inventory.RackID) (inventory.Rack, error) {
	return rack(ctx, s.read, id)
}

func rack(ctx context.Context, q querier, id inventory.RackID) (inventory.Rack, error) {
	return one[inventory.Rack](ctx, q, fmt.Sprintf("rack %q", id), "SELECT body FROM rack WHERE id = $1 OR name = $1 ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1", string(id))
}

// Node implements inventory.Reader.
func (s *Store) Node(ctx context.Context, id inventory.NodeID) (inventory.Node, error) {
	return node(ctx, s.read, id)
}

func node(ctx context.Context, q querier, id inventory.NodeID) (inventory.Node, error) {
	return one[inventory.Node](ctx, q, fmt.Sprintf("node %q", id), "SELECT body FROM node WHERE id = $1 OR address = $1 ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1", string(id))
}

// members are the nodes of a rack by address.
func members(ctx context.Context, q querier, id inventory.RackID) ([]inventory.Node, error) {
	return list[inventory.Node](ctx, q, "nodes of a rack", "SELECT body FROM node WHERE rack_id = $1 ORDER BY address", string(id))
}

// Select implements inventory.Reader: terms are ANDed, the empty selector
// selects nothing.
func (s *Store) Select(ctx context.Context, sel inventory.Selector) iter.Seq2[inventory.Node, error] {
	return func(yield func(inventory.Node, error) bool) {
		nodes, err := selected(ctx, s.read, sel)
		if err != nil {
			yield(inventory.Node{}, err)
			return
		}
		for _, n := range nodes {
			if !yield(n, nil) {
				return
			}
		}
	}
}

func selected(ctx context.Context, q querier, sel inventory.Selector) ([]inventory.Node, error) {
	if sel.Empty() {
		return nil, nil
	}
	racks := map[inventory.RackID]bool{}
	for _, id := range sel.Racks {
		r, err := rack(ctx, q, id)
		if err != nil {
			return nil, err
		}
		racks[r.ID] = true
	}
	var all []inventory.Node
	var err error
	switch {
	case len(sel.Nodes) > 0:
		for _, id := range sel.Nodes {
			n, err := node(ctx, q, id)
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
	case len(racks) == 1:
		for id := range racks {
			all, err = members(ctx, q, id)
		}
	default:
		all, err = list[inventory.Node](ctx, q, "nodes", "SELECT body FROM node ORDER BY address")
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(n inventory.Node) bool {
		return len(racks) > 0 && !racks[n.Rack] || len(sel.Kinds) > 0 && !slices.Contains(sel.Kinds, n.Kind)
	}), nil
}

// Find implements inventory.Reader: by MAC, then by UUID.
func (s *Store) Find(ctx context.Context, h inventory.Hint) (inventory.Node, error) {
	what := fmt.Sprintf("machine %s %s", h.MAC, h.UUID)
	if h.MAC != "" {
		n, err := one[inventory.Node](ctx, s.read, what, "SELECT n.body FROM node n JOIN node_mac m ON m.node_id = n.id WHERE m.mac = $1", string(h.MAC))
		if !errors.Is(err, inventory.ErrNotFound) {
			return n, err
		}
	}
	if u := inventory.Usable(h.UUID); u != "" {
		return one[inventory.Node](ctx, s.read, what, "SELECT body FROM node WHERE uuid = $1", u)
	}
	return inventory.Node{}, fmt.Errorf("%s: %w", what, inventory.ErrNotFound)
}

// Observation implements inventory.Reader.
func (s *Store) Observation(ctx context.Context, id inventory.NodeID, from inventory.Source) (inventory.Observation, error) {
	n, err := s.Node(ctx, id)
	if err != nil {
		return inventory.Observation{}, err
	}
	return one[inventory.Observation](ctx, s.read, fmt.Sprintf("%s observation of %s", from, n.Address),
		"SELECT body FROM collection WHERE node_id = $1 AND source = $2 ORDER BY at_ms DESC, id DESC LIMIT 1", string(n.ID), string(from))
}

// Findings implements inventory.Reader.
func (s *Store) Findings(ctx context.Context, sel inventory.Selector) ([]inventory.Finding, error) {
	if sel.Empty() {
		return nil, nil
	}
	ids, racks := map[inventory.NodeID]bool{}, map[inventory.RackID]bool{}
	nodes, err := selected(ctx, s.read, sel)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		ids[n.ID] = true
	}
	if len(sel.Nodes) == 0 && len(sel.Kinds) == 0 { // findings of no node belong to their rack
		for _, id := range sel.Racks {
			r, err := rack(ctx, s.read, id)
			if err != nil {
				return nil, err
			}
			racks[r.ID] = true
		}
	}
	all, err := list[inventory.Finding](ctx, s.read, "findings", "SELECT body FROM finding ORDER BY id DESC")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(f inventory.Finding) bool {
		mine := ids[f.Node] || slices.ContainsFunc(f.Others, func(o inventory.NodeID) bool { return ids[o] })
		return !mine && !racks[f.Rack] && !(sel.All && f.Node == "")
	}), nil
}

// Finding implements inventory.Reader.
func (s *Store) Finding(ctx context.Context, id inventory.FindingID) (inventory.Finding, error) {
	return one[inventory.Finding](ctx, s.read, fmt.Sprintf("finding %q", id), "SELECT body FROM finding WHERE id = $1", string(id))
}

// Evidence implements inventory.Reader.
func (s *Store) Evidence(ctx context.Context, on inventory.Subject) ([]inventory.Evidence, error) {
	on, _, err := subject(ctx, s.read, on)
	if err != nil {
		return nil, err
	}
	return evidence(ctx, s.read, on)
}

func evidence(ctx context.Context, q querier, on inventory.Subject) ([]inventory.Evidence, error) {
	return list[inventory.Evidence](ctx, q, "evidence of "+on.String(), "SELECT body FROM evidence WHERE subject = $1 ORDER BY at_ms, id", on.String())
}

// Waivers implements inventory.Reader; a rack's include its members'.
func (s *Store) Waivers(ctx context.Context, on inventory.Subject) ([]inventory.Waiver, error) {
	on, _, err := subject(ctx, s.read, on)
	if err != nil {
		return nil, err
	}
	if on.Scope == inventory.ScopeRack {
		return list[inventory.Waiver](ctx, s.read, "waivers", "SELECT body FROM waiver WHERE rack_id = $1 ORDER BY id", on.ID)
	}
	return list[inventory.Waiver](ctx, s.read, "waivers", "SELECT body FROM waiver WHERE subject = $1 ORDER BY id", on.String())
}

// Blockers implements inventory.Reader: those of the nodes, and of the racks
// that are named.
func (s *Store) Blockers(ctx context.Context, sel inventory.Selector) ([]inventory.Blocker, error) {
	nodes, err := selected(ctx, s.read, sel)
	if err != nil {
		return nil, err
	}
	var subjects []inventory.Subject
	for _, id := range sel.Racks {
		r, err := rack(ctx, s.read, id)
		if err != nil {
			return nil, err
		}
		if len(sel.Nodes) == 0 && len(sel.Kinds) == 0 {
			subjects = append(subjects, inventory.RackSubject(r.ID))
		}
	}
	for _, n := range nodes {
		subjects = append(subjects, inventory.NodeSubject(n.ID))
	}
	var out []inventory.Blocker
	for _, on := range subjects {
		part, err := list[inventory.Blocker](ctx, s.read, "blockers", "SELECT body FROM blocker WHERE subject = $1 ORDER BY n", on.String())
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

// Sightings implements inventory.Reader.
func (s *Store) Sightings(ctx context.Context) ([]inventory.Sighting, error) {
	return list[inventory.Sighting](ctx, s.read, "sightings", "SELECT body FROM sighting ORDER BY at_ms DESC")
}

// Intents implements inventory.Reader.
func (s *Store) Intents(ctx context.Context, on inventory.Subject) ([]inventory.Intent, error) {
	on, _, err := subject(ctx, s.read, on)
	if err != nil {
		return nil, err
	}
	return list[inventory.Intent](ctx, s.read, "intents of "+on.String(),
		"SELECT i.body FROM intent i JOIN run r ON r.id = i.run_id WHERE r.subject = $1 ORDER BY i.begun_ms, i.id", on.String())
}

// Faults implements inventory.Reader.
func (s *Store) Faults(ctx context.Context, doc inventory.Digest) ([]inventory.RowFault, error) {
	return list[inventory.RowFault](ctx, s.read, "quarantined rows", "SELECT body FROM quarantine WHERE doc = $1 ORDER BY n", string(doc))
}

// subject resolves an address in a subject to the id, and names its rack. Other
// scopes than node and rack stay as they are and belong to the site.
func subject(ctx context.Context, q querier, on inventory.Subject) (inventory.Subject, inventory.RackID, error) {
	switch on.Scope {
	case inventory.ScopeNode:
		n, err := node(ctx, q, inventory.NodeID(on.ID))
		return inventory.NodeSubject(n.ID), n.Rack, err
	case inventory.ScopeRack:
		r, err := rack(ctx, q, inventory.RackID(on.ID))
		return inventory.RackSubject(r.ID), r.ID, err
	}
	return on, "", nil
}
