package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Observe implements inventory.Recorder: the reading is kept as it is, becomes
// dated facts, and the whole rack is compared again, so that an exchange of
// two units is one finding.
func (s *Store) Observe(ctx context.Context, o inventory.Observation) ([]inventory.Finding, error) {
	if o.At.IsZero() || o.Source == "" {
		return nil, fmt.Errorf("an observation needs its time and source: %w", inventory.ErrInvalid)
	}
	if o.Node == "" {
		return s.surplus(ctx, o)
	}
	var open []inventory.Finding
	err := s.tx(ctx, func(t *tx) error {
		n, err := node(ctx, t, o.Node)
		if err != nil {
			return err
		}
		if err := t.hold(ctx, n.Rack); err != nil {
			return err
		}
		if n, err = node(ctx, t, n.ID); err != nil { // as it is now that the rack is ours
			return err
		}
		o.Node, o.Rack = n.ID, n.Rack
		id, err := t.collect(ctx, n, o)
		if err != nil {
			return err
		}
		if err := t.learn(ctx, &n, o); err != nil {
			return err
		}
		seen, err := t.facts(ctx, n, o, id)
		if err != nil {
			return err
		}
		r, err := rack(ctx, t, n.Rack)
		if err != nil {
			return err
		}
		if err := t.reconcile(ctx, r, o.Simulated); err != nil {
			return err
		}
		if err := t.drift(ctx, n.ID, seen); err != nil {
			return err
		}
		if err := t.wake(ctx, inventory.NodeSubject(n.ID)); err != nil {
			return err
		}
		if err := t.wake(ctx, inventory.RackSubject(r.ID)); err != nil {
			return err
		}
		open, err = openFindings(ctx, t, r.ID)
		open = slices.DeleteFunc(open, func(f inventory.Finding) bool { return f.Node != n.ID && !slices.Contains(f.Others, n.ID) })
		return err
	})
	return open, err
}

// collect keeps the reading itself.
func (t *tx) collect(ctx context.Context, n inventory.Node, o inventory.Observation) (string, error) {
	id := newID()
	body := o
	body.Links = o.Links
	if err := t.exec(ctx, "INSERT INTO collection (id, node_id, source, at_ms, body) VALUES ($1,$2,$3,$4,$5)", id, string(n.ID), string(o.Source), o.At.UnixMilli(), encode(body)); err != nil {
		return "", err
	}
	for i, f := range o.Faults {
		if err := t.exec(ctx, "INSERT INTO collection_error (collection_id, n, kind, path, reason) VALUES ($1,$2,$3,$4,$5)", id, i, string(f.Kind), f.Path, f.Reason); err != nil {
			return "", err
		}
	}
	return id, nil
}

// learn takes what a reading says about who the node is: MACs and UUID. It
// never edits what was expected.
func (t *tx) learn(ctx context.Context, n *inventory.Node, o inventory.Observation) error {
	before := encode(n)
	var shown []inventory.MAC
	ordered := provesSerial(*n, o)
	for _, c := range o.Components {
		for _, id := range c.IDs {
			switch {
			case id.Kind == inventory.IDMAC && c.Kind != inventory.KindBMC: // of a NIC, a DPU's card, or the unit where boot options alone name it
				mac, ok := inventory.ParseMAC(id.Norm)
				if ok {
					shown = append(shown, mac)
				}
				if ok && !slices.Contains(n.MACs, mac) {
					n.MACs = append(n.MACs, mac)
				}
			case id.Kind == inventory.IDUUID && c.Kind == inventory.KindChassis && n.UUID == "" && ordered:
				n.UUID = id.Norm
			}
		}
	}
	if o.Simulated {
		if err := t.simulated(ctx, n); err != nil {
			return err
		}
	}
	if err := t.saveMACs(ctx, n.ID, shown, o.Source); err != nil {
		return err
	}
	if encode(n) == before {
		return nil
	}
	return t.saveNode(ctx, n)
}

// surplus records a scanned unit that no node expects: kept, shown, decided by
// a person.
func (s *Store) surplus(ctx context.Context, o inventory.Observation) ([]inventory.Finding, error) {
	var out []inventory.Finding
	err := s.tx(ctx, func(t *tx) error {
		r, err := rack(ctx, t, o.Rack)
		if err != nil {
			return fmt.Errorf("a unit that no node expects needs the rack it stands by: %w", err)
		}
		if err := t.hold(ctx, r.ID); err != nil {
			return err
		}
		for _, c := range o.Components {
			f := inventory.Finding{Kind: inventory.FindExtra, Rack: r.ID, Key: c.Key, Got: c, Owner: inventory.OwnerVendor, Fix: "finding.surplus",
				Args: []string{c.Serial, r.Name}, Simulated: o.Simulated}
			made, _, err := t.open(ctx, f)
			if err != nil {
				return err
			}
			out = append(out, made)
		}
		return t.wake(ctx, inventory.RackSubject(r.ID))
	})
	return out, err
}

// reconcile compares the whole rack and opens and closes findings. A finding of
// no node (a surplus unit) is a person's to close.
func (t *tx) reconcile(ctx context.Context, r inventory.Rack, simulated bool) error {
	kind, err := rackType(ctx, t, r)
	if err != nil {
		return err
	}
	nodes, err := members(ctx, t, r.ID)
	if err != nil {
		return err
	}
	views := make([]inventory.NodeView, 0, len(nodes))
	for _, n := range nodes {
		v, err := t.view(ctx, n, kind)
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	now := map[inventory.Digest]bool{}
	var opened []inventory.Finding
	for _, f := range inventory.DiffRack(r.ID, views) {
		f.Simulated = simulated || r.Simulated
		now[f.Fingerprint()] = true
		made, fresh, err := t.open(ctx, f)
		if err != nil {
			return err
		}
		if fresh {
			opened = append(opened, made)
		}
	}
	old, err := openFindings(ctx, t, r.ID)
	if err != nil {
		return err
	}
	for _, f := range old {
		if f.Node != "" && f.Kind != inventory.FindDamaged && !now[f.Fingerprint()] {
			if err := t.close(ctx, f, "observation"); err != nil {
				return err
			}
		}
	}
	for _, f := range opened {
		if f.Kind == inventory.FindWrongFirmware { // the order's version; the baseline decides, see drift
			continue
		}
		if e := lifecycle.EventOf(f.Kind, f.Key.Kind); e != "" {
			for _, id := range append([]inventory.NodeID{f.Node}, f.Others...) {
				if err := t.invalidate(ctx, id, e, inventory.Sentence(f.Fix, f.Args)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// view is a node as expected and as observed last, narrowed to what was looked
// at: a label scan judges the label, not the memory behind it.
func (t *tx) view(ctx context.Context, n inventory.Node, kind inventory.RackType) (inventory.NodeView, error) {
	v := inventory.NodeView{Node: n.ID, Address: n.Address}
	var err error
	if v.Want, err = expected(ctx, t, n.ID, time.Time{}); err != nil {
		return v, err
	}
	facts, err := openFacts(ctx, t, n.ID)
	if err != nil || len(facts) == 0 {
		return v, err
	}
	v.Got = merge(facts)
	has := func(src inventory.Source) bool {
		return slices.ContainsFunc(facts, func(f fact) bool { return f.source == src })
	}
	oob, inband := has(inventory.SourceRedfish), has(inventory.SourceInband)
	v.Want = slices.DeleteFunc(v.Want, func(w inventory.Component) bool {
		looked := slices.ContainsFunc(v.Got, func(g inventory.Component) bool { return g.Kind == w.Kind })
		switch {
		case looked || inband:
			return false
		case oob:
			return slices.Contains(kind.InBand, w.Kind)
		}
		return true
	})
	return v, nil
}

// drift: what was verified once and is different now voids evidence, also when
// the order stated no serial or version.
func (t *tx) drift(ctx context.Context, id inventory.NodeID, seen []change) error {
	for _, c := range seen {
		var e inventory.EventKind
		switch {
		case c.old.State != inventory.StatePresent || c.new.State != inventory.StatePresent:
			continue
		case c.source == inventory.SourceScan || c.source == inventory.SourceManifest:
			continue
		case inventory.Usable(c.old.Serial) != "" && inventory.Usable(c.new.Serial) != "" && inventory.Usable(c.old.Serial) != inventory.Usable(c.new.Serial):
			e = inventory.EventPartChanged
			if c.new.Kind == inventory.KindBMC {
				e = inventory.EventBMCReplaced
			}
		case c.old.Firmware != "" && c.new.Firmware != "" && c.old.Firmware != c.new.Firmware:
			n, err := node(ctx, t, id)
			if err != nil {
				return err
			}
			if n.Operation != nil && n.Operation.Kind == inventory.OpFirmware {
				continue // that is what the operation is for; its own read-back judges
			}
			e = inventory.EventFirmwareDiffers
		default:
			continue
		}
		why := fmt.Sprintf("%s was %s %s, is %s %s", c.new.Key, c.old.Serial, c.old.Firmware, c.new.Serial, c.new.Firmware)
		if err := t.invalidate(ctx, id, e, why); err != nil {
			return err
		}
	}
	return nil
}

// provesSerial: the reading shows the ordered serial, where one was ordered. Only
// then is its UUID the unit's: one learned from a stranger would prove the
// stranger's identity at every later look.
func provesSerial(n inventory.Node, o inventory.Observation) bool {
	want := inventory.Usable(n.Serial)
	if want == "" {
		return true
	}
	for _, c := range o.Components {
		if c.Kind != inventory.KindChassis {
			continue
		}
		if inventory.Usable(c.Serial) == want || slices.ContainsFunc(c.IDs, func(id inventory.Identifier) bool { return inventory.Usable(id.Norm) == want }) {
			return true
		}
	}
	return false
}
