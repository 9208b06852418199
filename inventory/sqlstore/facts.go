package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// fact is one dated reading of one part by one source.
type fact struct {
	source inventory.Source
	part   inventory.Component
}

// change is a fact that another one replaced.
type change struct {
	source   inventory.Source
	old, new inventory.Component
}

// facts turns a reading into dated facts. An unchanged fact only moves its last
// time; a part that a good read no longer shows is closed; what could not be
// read stays, marked as such, because not read is not absent.
func (t *tx) facts(ctx context.Context, n inventory.Node, o inventory.Observation, collection string) ([]change, error) {
	open, err := list[inventory.Component](ctx, t, "facts of "+n.Address, "SELECT body FROM fact WHERE node_id = $1 AND source = $2 AND to_ms = $3", string(n.ID), string(o.Source), never)
	if err != nil {
		return nil, err
	}
	old := map[inventory.Key]inventory.Component{}
	for _, c := range open {
		old[c.Key] = c
	}
	now := reading(old, o)
	var changes []change
	for _, c := range now {
		was, known := old[c.Key]
		delete(old, c.Key)
		if known && encode(was) == encode(c) {
			if err := t.exec(ctx, "UPDATE fact SET last_ms = $1 WHERE node_id = $2 AND source = $3 AND part_key = $4 AND to_ms = $5", o.At.UnixMilli(), string(n.ID), string(o.Source), c.Key.String(), never); err != nil {
				return nil, err
			}
			continue
		}
		if known {
			changes = append(changes, change{o.Source, was, c})
			if err := t.closeFact(ctx, n.ID, o, c.Key); err != nil {
				return nil, err
			}
		}
		if err := t.exec(ctx, `INSERT INTO fact (node_id, source, part_key, from_ms, to_ms, from_rec, to_rec, hash, last_ms, collection_id, body)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)`, string(n.ID), string(o.Source), c.Key.String(), o.At.UnixMilli(), never, t.now, never,
			string(inventory.DigestOf([]byte(encode(c)))), o.At.UnixMilli(), collection, encode(c)); err != nil {
			return nil, err
		}
		if err := t.install(ctx, n, o, c); err != nil {
			return nil, err
		}
	}
	for key := range old {
		if err := t.closeFact(ctx, n.ID, o, key); err != nil {
			return nil, err
		}
		if err := t.uninstall(ctx, n, o, key); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// reading is what a source says now, with marks for what it could not read.
func reading(old map[inventory.Key]inventory.Component, o inventory.Observation) []inventory.Component {
	out := map[inventory.Key]inventory.Component{}
	for _, c := range o.Components {
		if c.State == "" {
			c.State = inventory.StatePresent
		}
		if c.State != inventory.StateAbsent {
			out[c.Key] = c
		}
	}
	blind := func(kind inventory.Kind) inventory.ReadState {
		for _, f := range o.Faults {
			if f.Kind == kind || f.Kind == "" {
				return inventory.StateReadFailed
			}
		}
		if o.Early {
			return inventory.StateNotRead
		}
		return ""
	}
	for key, c := range old {
		_, seen := out[key]
		said := slices.ContainsFunc(o.Components, func(x inventory.Component) bool { return x.Key == key && x.State == inventory.StateAbsent })
		if state := blind(key.Kind); !seen && !said && state != "" {
			c.State = state
			out[key] = c
		}
	}
	for _, f := range o.Faults {
		key := inventory.Key{Kind: f.Kind}
		if _, seen := out[key]; !seen && f.Kind != "" {
			out[key] = inventory.Component{Key: key, State: inventory.StateReadFailed}
		}
	}
	list := make([]inventory.Component, 0, len(out))
	for _, c := range out {
		list = append(list, c)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Key.String() < list[j].Key.String() })
	return list
}

func (t *tx) closeFact(ctx context.Context, id inventory.NodeID, o inventory.Observation, key inventory.Key) error {
	return t.exec(ctx, `UPDATE fact SET to_ms = CASE WHEN from_ms < $1 THEN $1 ELSE from_ms + 1 END, to_rec = $2
		WHERE node_id = $3 AND source = $4 AND part_key = $5 AND to_ms = $6`, o.At.UnixMilli(), t.now, string(id), string(o.Source), key.String(), never)
}

func openFacts(ctx context.Context, q querier, id inventory.NodeID) ([]fact, error) {
	return factsAt(ctx, q, id, "to_ms = $2", never)
}

func factsAt(ctx context.Context, q querier, id inventory.NodeID, where string, args ...any) ([]fact, error) {
	rows, err := q.QueryContext(ctx, "SELECT source, body FROM fact WHERE node_id = $1 AND "+where+" ORDER BY source, part_key", append([]any{string(id)}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	defer rows.Close()
	var out []fact
	for rows.Next() {
		var f fact
		var raw string
		if err := rows.Scan(&f.source, &raw); err != nil {
			return nil, fmt.Errorf("facts: %w", err)
		}
		if err := json.Unmarshal([]byte(raw), &f.part); err != nil {
			return nil, fmt.Errorf("facts: a row is damaged: %w", err)
		}
		out = append(out, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	return out, nil
}

// trust is the order in which sources are believed where they speak of one
// part: the machine before the label.
func trust(s inventory.Source) int {
	return slices.Index([]inventory.Source{inventory.SourceRedfish, inventory.SourceInband, inventory.SourceDCGM, inventory.SourceNeuron, inventory.SourceLLDP, inventory.SourceScan, inventory.SourceManifest}, s)
}

// merge joins the sources' readings part by part: the more trusted source
// speaks, the others fill what it leaves empty; every identifier is kept.
func merge(facts []fact) []inventory.Component {
	facts = slices.Clone(facts)
	sort.SliceStable(facts, func(i, j int) bool { return trust(facts[i].source) < trust(facts[j].source) })
	at := map[inventory.Key]int{}
	var out []inventory.Component
	for _, f := range facts {
		i, seen := at[f.part.Key]
		if !seen {
			at[f.part.Key] = len(out)
			out = append(out, f.part)
			continue
		}
		c := &out[i]
		if c.State != inventory.StatePresent && f.part.State == inventory.StatePresent {
			ids := c.IDs
			*c = f.part
			c.IDs = append(ids, f.part.IDs...)
			continue
		}
		fill(&c.Vendor, f.part.Vendor)
		fill(&c.Model, f.part.Model)
		fill(&c.Firmware, f.part.Firmware)
		if inventory.Usable(c.Serial) == "" {
			fill(&c.Serial, f.part.Serial)
		}
		if c.SizeMiB == 0 {
			c.SizeMiB = f.part.SizeMiB
		}
		c.IDs = append(slices.Clone(c.IDs), f.part.IDs...)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key.String() < out[j].Key.String() })
	return out
}

func fill(to *string, from string) {
	if *to == "" || inventory.Placeholder(*to) {
		if from != "" {
			*to = from
		}
	}
}

// expected is what documents say of a node at a moment; zero means now.
func expected(ctx context.Context, q querier, id inventory.NodeID, at time.Time) ([]inventory.Component, error) {
	if at.IsZero() {
		return list[inventory.Component](ctx, q, "expectation", "SELECT body FROM expected_line WHERE node_id = $1 AND to_ms = $2 ORDER BY n", string(id), never)
	}
	return list[inventory.Component](ctx, q, "expectation", "SELECT body FROM expected_line WHERE node_id = $1 AND at_ms <= $2 AND to_ms > $2 ORDER BY n", string(id), at.UnixMilli())
}

// Components implements inventory.Reader, in both times.
func (s *Store) Components(ctx context.Context, id inventory.NodeID, at inventory.At) ([]inventory.Component, []inventory.Component, error) {
	n, err := s.Node(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	want, err := expected(ctx, s.read, n.ID, at.Valid)
	if err != nil {
		return nil, nil, err
	}
	var facts []fact
	switch {
	case at.Valid.IsZero() && at.Known.IsZero():
		facts, err = openFacts(ctx, s.read, n.ID)
	default:
		if at.Valid.IsZero() {
			at.Valid = at.Known
		}
		known := never - 1
		if !at.Known.IsZero() {
			known = at.Known.UnixMilli()
		}
		// An end that was not known then counts as open.
		facts, err = factsAt(ctx, s.read, n.ID, "from_ms <= $2 AND from_rec <= $3 AND (to_ms > $2 OR to_rec > $3)", at.Valid.UnixMilli(), known)
	}
	if err != nil {
		return nil, nil, err
	}
	return want, merge(facts), nil
}
