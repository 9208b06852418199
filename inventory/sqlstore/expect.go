package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Expect implements inventory.Recorder. Rows that clash with the record are
// quarantined beside those the reader refused; the others are kept.
func (s *Store) Expect(ctx context.Context, m inventory.Manifest, by inventory.PersonID) error {
	if m.Source == "" {
		return fmt.Errorf("manifest without the digest of its document: %w", inventory.ErrInvalid)
	}
	return s.tx(ctx, func(t *tx) error {
		n, err := t.changed(ctx, "INSERT INTO expected_doc (digest, name, at_ms, by_id) VALUES ($1,$2,$3,$4) ON CONFLICT (digest) DO NOTHING",
			string(m.Source), m.Name, t.now, string(by))
		if err != nil || n == 0 { // the same file again changes nothing
			return err
		}
		racks := map[inventory.RackID]inventory.Rack{}
		for _, r := range m.Racks {
			made, err := t.expectRack(ctx, r)
			if err != nil {
				return err
			}
			racks[r.ID], racks[inventory.RackID(r.Name)] = made, made
		}
		known, err := t.owners(ctx)
		if err != nil {
			return err
		}
		faults := slices.Clone(m.Faults)
		count := map[inventory.RackID]int{}
		for _, n := range m.Nodes {
			r, ok := racks[n.Rack]
			if !ok {
				return fmt.Errorf("node %s names rack %q, which the manifest does not have: %w", n.Address, n.Rack, inventory.ErrInvalid)
			}
			parts := m.Components[n.ID]
			if parts == nil {
				parts = m.Components[inventory.NodeID(n.Address)]
			}
			fault, err := t.expectNode(ctx, m, known, r, n, parts)
			if err != nil {
				return err
			}
			if fault != nil {
				faults = append(faults, *fault)
				continue
			}
			known.add(n)
			count[r.ID]++
		}
		for i, f := range faults {
			if err := t.exec(ctx, "INSERT INTO quarantine (doc, n, body) VALUES ($1,$2,$3)", string(m.Source), i, encode(f)); err != nil {
				return err
			}
		}
		for _, r := range m.Racks {
			body := map[string]any{"document": m.Source, "name": m.Name, "nodes": count[racks[r.ID].ID], "quarantined": len(faults)}
			if _, err := t.event(ctx, racks[r.ID].ID, "manifest.imported", body); err != nil {
				return err
			}
			if err := t.reconcile(ctx, racks[r.ID], false); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) expectRack(ctx context.Context, r inventory.Rack) (inventory.Rack, error) {
	old, err := rack(ctx, t, inventory.RackID(r.Name))
	if err == nil {
		if old.Type.Digest != r.Type.Digest {
			return old, fmt.Errorf("rack %s has type %s already, this manifest says %s: rename the rack or correct the type: %w", r.Name, old.Type.Name, r.Type.Name, inventory.ErrConflict)
		}
		if err := t.hold(ctx, old.ID); err != nil {
			return old, err
		}
		return rack(ctx, t, old.ID) // as it is now that nobody else moves it
	}
	if !errors.Is(err, inventory.ErrNotFound) {
		return r, err
	}
	raw, err := document(ctx, t, r.Type.Digest)
	if err != nil {
		return r, fmt.Errorf("rack type %q of rack %s: %w", r.Type.Name, r.Name, err)
	}
	var kind inventory.RackType
	if err := json.Unmarshal(raw, &kind); err != nil {
		return r, fmt.Errorf("rack type %q of rack %s: %w", r.Type.Name, r.Name, err)
	}
	r.ID, r.Milestone, r.Since = inventory.RackID(newID()), inventory.RackPlanned, inventory.FromMillis(t.now)
	if r.Site == "" {
		r.Site = t.s.site
	}
	if err := t.exec(ctx, "INSERT INTO rack (id, name, site, milestone, body) VALUES ($1,$2,$3,$4,$5)", string(r.ID), r.Name, r.Site, string(r.Milestone), encode(r)); err != nil {
		return r, err
	}
	for _, slot := range kind.Slots {
		if err := t.exec(ctx, "INSERT INTO slot (id, rack_id, path, body) VALUES ($1,$2,$3,$4)", newID(), string(r.ID), slot.Path, encode(slot)); err != nil {
			return r, err
		}
	}
	on := inventory.RackSubject(r.ID)
	if err := t.newChain(ctx, on); err != nil {
		return r, err
	}
	if err := t.newTick(ctx, on, r.ID); err != nil {
		return r, err
	}
	_, err = t.event(ctx, r.ID, "rack.expected", map[string]any{"rack": r.Name, "type": r.Type, "site": r.Site})
	return r, err
}

// expectNode adds a node or replaces what is expected of it. A row that clashes
// with another node is answered as a fault and changes nothing.
func (t *tx) expectNode(ctx context.Context, m inventory.Manifest, known owners, r inventory.Rack, n inventory.Node, parts []inventory.Component) (*inventory.RowFault, error) {
	if fault := sealed(r, n); fault != nil {
		return fault, nil
	}
	if other, what := known.of(n); other != "" {
		return &inventory.RowFault{Field: "serial", Reason: fmt.Sprintf("%s: %s belongs to %s already", n.Address, what, other),
			Fix: "Correct the row, or take the other node out of its manifest.", Raw: n.Address}, nil
	}
	old, err := node(ctx, t, inventory.NodeID(n.Address))
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		n.ID, n.Rack, n.Milestone, n.Since = inventory.NodeID(newID()), r.ID, inventory.NodeExpected, inventory.FromMillis(t.now)
		if err := t.exec(ctx, "INSERT INTO node (id, rack_id, address, kind, milestone, uuid, body) VALUES ($1,$2,$3,$4,$5,$6,$7)", string(n.ID),
			string(r.ID), n.Address, string(n.Kind), string(n.Milestone), inventory.Usable(n.UUID), encode(n)); err != nil {
			return nil, err
		}
		if err := t.newTick(ctx, inventory.NodeSubject(n.ID), r.ID); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case old.Kind != n.Kind:
		return &inventory.RowFault{Field: "kind", Reason: fmt.Sprintf("%s is %s already, this row says %s", n.Address, old.Kind, n.Kind),
			Fix: "Correct the row.", Raw: n.Address}, nil
	default: // a later document states the expectation anew
		old.Type, old.Vendor, old.Note, old.Serial, old.UUID, old.MACs, old.Profile = n.Type, n.Vendor, n.Note, n.Serial, n.UUID, n.MACs, n.Profile
		if fault := reach(&old, n.BMC); fault != nil {
			return fault, nil
		}
		if err := t.saveNode(ctx, &old); err != nil {
			return nil, err
		}
		n = old
	}
	if err := t.saveMACs(ctx, n.ID, n.MACs, inventory.SourceManifest); err != nil {
		return nil, err
	}
	if err := t.exec(ctx, "UPDATE expected_line SET to_ms = $1 WHERE node_id = $2 AND to_ms = $3", t.now, string(n.ID), never); err != nil {
		return nil, err
	}
	for i, c := range withChassis(n, parts) {
		if err := t.exec(ctx, "INSERT INTO expected_line (doc, node_id, n, at_ms, to_ms, body) VALUES ($1,$2,$3,$4,$5,$6)", string(m.Source),
			string(n.ID), i, t.now, never, encode(c)); err != nil {
			return nil, err
		}
	}
	_, err = t.event(ctx, r.ID, "node.expected", map[string]any{"node": n.Address, "kind": n.Kind, "serial": n.Serial, "parts": len(parts), "document": m.Source})
	return nil, err
}

// sealed refuses a row for a rack whose certificate is under way or issued: what
// comes in now would stand on no certificate.
func sealed(r inventory.Rack, n inventory.Node) *inventory.RowFault {
	if lifecycle.RackRank(r.Milestone) < lifecycle.RackRank(inventory.RackInReview) {
		return nil
	}
	fix := "Hand the rack over first and order this for another one, or take the review back: rackwright triage " + r.Name + "/SLOT of a covered member, with the reason."
	if r.Milestone == inventory.RackHandedOver {
		fix = "The rack is the customer's; import it under another rack name."
	}
	return &inventory.RowFault{Field: "rack", Reason: fmt.Sprintf("%s: rack %s is %s, its certificate says what is in it", n.Address, r.Name, r.Milestone), Fix: fix, Raw: n.Address}
}

// reach takes how a BMC is reached from a later document. A BMC that we have
// bound keeps its key, credential and detectors: a corrected packing list must
// not end the watch over it.
func reach(old *inventory.Node, said inventory.Endpoint) *inventory.RowFault {
	bound := old.BMC.Pin != "" || old.BMC.Credential != ""
	switch {
	case said.URL == "" && said.MAC == "":
	case !bound:
		old.BMC = said
	case said.MAC == "" || said.MAC == old.BMC.MAC:
	case old.BMC.MAC == "":
		old.BMC.MAC = said.MAC
	case lifecycle.Rank(old.Milestone) >= lifecycle.Rank(inventory.NodeDiscovered):
		return &inventory.RowFault{Field: "bmc.mac", Reason: fmt.Sprintf("%s: its BMC is known and bound as %s, this row says %s", old.Address, old.BMC.MAC, said.MAC),
			Fix: "Correct the row. If the unit was exchanged, say so first: rackwright triage, then rackwright repair.", Raw: old.Address}
	default:
		old.BMC = said
	}
	return nil
}

// withChassis adds the unit itself as a part, so that an exchange of units is seen.
func withChassis(n inventory.Node, parts []inventory.Component) []inventory.Component {
	for _, c := range parts {
		if c.Kind == inventory.KindChassis {
			return parts
		}
	}
	if n.Serial == "" && n.Type == "" {
		return parts
	}
	unit := inventory.Component{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}, Vendor: n.Vendor, Model: n.Type, Serial: n.Serial}
	return append([]inventory.Component{unit}, parts...)
}

// owners says who has a serial or a MAC already.
type owners map[string]string

func (t *tx) owners(ctx context.Context) (owners, error) {
	nodes, err := list[inventory.Node](ctx, t, "nodes", "SELECT body FROM node")
	if err != nil {
		return nil, err
	}
	o := owners{}
	for _, n := range nodes {
		o.add(n)
	}
	return o, nil
}

func keysOf(n inventory.Node) []string {
	var out []string
	if s := inventory.Usable(n.Serial); s != "" {
		out = append(out, "serial "+inventory.Normalise(n.Vendor)+" "+s)
	}
	for _, m := range append([]inventory.MAC{n.BMC.MAC}, n.MACs...) {
		if m != "" {
			out = append(out, "mac "+string(m))
		}
	}
	return out
}

func (o owners) add(n inventory.Node) {
	for _, k := range keysOf(n) {
		o[k] = n.Address
	}
}

// of names the other node that has one of this node's identities.
func (o owners) of(n inventory.Node) (string, string) {
	for _, k := range keysOf(n) {
		if other, ok := o[k]; ok && other != n.Address {
			return other, k
		}
	}
	return "", ""
}

// saveMACs keeps which node a MAC belongs to. What a machine showed last beats
// what was ordered: a tray that was put into another slot boots as the node of
// that slot.
func (t *tx) saveMACs(ctx context.Context, id inventory.NodeID, macs []inventory.MAC, from inventory.Source) error {
	clash := "DO NOTHING"
	if from == inventory.SourceRedfish || from == inventory.SourceInband {
		clash = "DO UPDATE SET node_id = excluded.node_id, source = excluded.source"
	}
	for _, mac := range macs {
		if mac == "" {
			continue
		}
		if err := t.exec(ctx, "INSERT INTO node_mac (mac, node_id, source) VALUES ($1,$2,$3) ON CONFLICT (mac) "+clash, string(mac), string(id), string(from)); err != nil {
			return err
		}
	}
	return nil
}
