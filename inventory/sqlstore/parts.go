package sqlstore

import (
	"context"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// slotID is the place of a part: the node's and inside it the part's.
func slotID(n inventory.Node, key inventory.Key) string { return string(n.ID) + "/" + key.String() }

// install dates which part sits in which place. Only a reading whose slot is
// proven moves one: what a controller or the booted node says; a label scan
// names a unit, not a place inside it.
func (t *tx) install(ctx context.Context, n inventory.Node, o inventory.Observation, c inventory.Component) error {
	serial := inventory.Usable(c.Serial)
	if c.State != inventory.StatePresent || serial == "" || c.Slot == "" || o.Source != inventory.SourceRedfish && o.Source != inventory.SourceInband {
		return nil
	}
	part, err := t.part(ctx, o, c, serial)
	if err != nil {
		return err
	}
	slot := slotID(n, c.Key)
	if _, same, err := number(ctx, t, "SELECT 1 FROM install WHERE slot_id = $1 AND part_id = $2 AND to_ms = $3 AND void_ev IS NULL", slot, part, never); err != nil || same {
		return err
	}
	ev, err := t.event(ctx, n.Rack, "part.installed", map[string]any{"node": n.Address, "slot": c.Key.String(), "serial": c.Serial, "model": c.Model, "how": o.Source})
	if err != nil {
		return err
	}
	for column, value := range map[string]string{"slot_id": slot, "part_id": part} {
		if err := t.exec(ctx, "UPDATE install SET to_ms = CASE WHEN from_ms < $1 THEN $1 ELSE from_ms + 1 END, to_ev = $2 WHERE to_ms = $3 AND void_ev IS NULL AND "+column+" = $4",
			o.At.UnixMilli(), ev, never, value); err != nil {
			return err
		}
	}
	from, err := t.after(ctx, slot, o.At.UnixMilli())
	if err != nil {
		return err
	}
	return t.exec(ctx, "INSERT INTO install (slot_id, part_id, rack_id, from_ms, to_ms, from_ev, how, confidence) VALUES ($1,$2,$3,$4,$5,$6,$7,'proven')",
		slot, part, string(n.Rack), from, never, ev, string(o.Source))
}

// after keeps intervals of one slot from overlapping when a reading is older
// than the last one.
func (t *tx) after(ctx context.Context, slot string, at int64) (int64, error) {
	last, some, err := number(ctx, t, "SELECT MAX(to_ms) FROM install WHERE slot_id = $1 AND void_ev IS NULL", slot)
	if err != nil || !some || last == never {
		return at, err
	}
	return max(last, at), nil
}

// uninstall closes an install after a good read that no longer shows the part.
func (t *tx) uninstall(ctx context.Context, n inventory.Node, o inventory.Observation, key inventory.Key) error {
	if o.Source != inventory.SourceRedfish && o.Source != inventory.SourceInband {
		return nil
	}
	slot := slotID(n, key)
	if _, some, err := number(ctx, t, "SELECT 1 FROM install WHERE slot_id = $1 AND to_ms = $2 AND void_ev IS NULL", slot, never); err != nil || !some {
		return err
	}
	ev, err := t.event(ctx, n.Rack, "part.removed", map[string]any{"node": n.Address, "slot": key.String(), "how": o.Source})
	if err != nil {
		return err
	}
	return t.exec(ctx, "UPDATE install SET to_ms = CASE WHEN from_ms < $1 THEN $1 ELSE from_ms + 1 END, to_ev = $2 WHERE slot_id = $3 AND to_ms = $4 AND void_ev IS NULL",
		o.At.UnixMilli(), ev, slot, never)
}

// part finds the part by its serial within its maker, or makes it. Every
// identifier the reading gives is kept beside it.
func (t *tx) part(ctx context.Context, o inventory.Observation, c inventory.Component, serial string) (string, error) {
	scope := inventory.Normalise(c.Vendor) + "/" + string(c.Kind)
	kind := inventory.IDRedfish
	if o.Source == inventory.SourceInband {
		kind = inventory.IDDMI
	}
	found, err := texts(ctx, t, "part", "SELECT part_id FROM part_identifier WHERE scope = $1 AND norm_value = $2 ORDER BY first_ms LIMIT 1", scope, serial)
	if err != nil {
		return "", err
	}
	id := newID()
	if len(found) > 0 {
		id = found[0]
	} else if err := t.exec(ctx, "INSERT INTO part (id, kind, vendor, model, first_ms) VALUES ($1,$2,$3,$4,$5)", id, string(c.Kind), c.Vendor, c.Model, o.At.UnixMilli()); err != nil {
		return "", fmt.Errorf("part %s: %w", serial, err)
	}
	ids := append([]inventory.Identifier{{Kind: kind, Raw: c.Serial, Norm: serial, Source: o.Source}}, c.IDs...)
	for _, i := range ids {
		norm := inventory.Usable(i.Norm)
		if norm == "" {
			continue
		}
		in := scope
		if i.Kind == inventory.IDMAC || i.Kind == inventory.IDUUID || i.Kind == inventory.IDWWN || i.Kind == inventory.IDGPUUUID || i.Kind == inventory.IDMACBMC {
			in = "" // unique in the world
		}
		if err := t.exec(ctx, `INSERT INTO part_identifier (kind, scope, norm_value, part_id, raw_value, source, trusted, first_ms, last_ms)
			VALUES ($1,$2,$3,$4,$5,$6,0,$7,$7) ON CONFLICT (kind, scope, norm_value, part_id) DO UPDATE SET last_ms = excluded.last_ms`,
			string(i.Kind), in, norm, id, i.Raw, string(i.Source), o.At.UnixMilli()); err != nil {
			return "", err
		}
	}
	return id, nil
}
