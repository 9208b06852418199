package facts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Reader is the record as far as facts need it.
type Reader interface {
	inventory.Reader
	inventory.Documents
}

// Node reads the facts of one node at a time: the rack's, and its own evidence.
func Node(ctx context.Context, r Reader, id inventory.NodeID, now time.Time) (lifecycle.Facts, error) {
	n, err := r.Node(ctx, id)
	if err != nil {
		return lifecycle.Facts{}, err
	}
	f, err := shared(ctx, r, n.Rack, now)
	if err != nil {
		return f, err
	}
	f.Node = n
	own, err := r.Evidence(ctx, inventory.NodeSubject(n.ID))
	if err != nil {
		return f, fmt.Errorf("facts of %s: %w", n.Address, err)
	}
	f.Evidence = append(f.Evidence, own...)
	return f, nil
}

// Rack reads the facts of one rack: its type, members, findings, waivers, its
// evidence and its members'.
func Rack(ctx context.Context, r Reader, id inventory.RackID, now time.Time) (lifecycle.Facts, error) {
	f, err := shared(ctx, r, id, now)
	if err != nil {
		return f, err
	}
	for _, n := range f.Nodes {
		part, err := r.Evidence(ctx, inventory.NodeSubject(n.ID))
		if err != nil {
			return f, fmt.Errorf("evidence of %s: %w", n.Address, err)
		}
		f.Evidence = append(f.Evidence, part...)
	}
	return f, nil
}

// shared is what a rack and each of its members have in common. A missing rack
// type is an error: without it no gate can be judged.
func shared(ctx context.Context, r Reader, id inventory.RackID, now time.Time) (lifecycle.Facts, error) {
	f := lifecycle.Facts{Now: now}
	var err error
	if f.Rack, err = r.Rack(ctx, id); err != nil {
		return f, err
	}
	raw, err := r.Document(ctx, f.Rack.Type.Digest)
	if err != nil {
		return f, fmt.Errorf("rack type %s of %s: %w", f.Rack.Type.Name, f.Rack.Name, err)
	}
	if err := json.Unmarshal(raw, &f.Type); err != nil {
		return f, fmt.Errorf("rack type %s of %s: %w", f.Rack.Type.Name, f.Rack.Name, err)
	}
	all := inventory.Selector{Racks: []inventory.RackID{f.Rack.ID}}
	for n, err := range r.Select(ctx, all) {
		if err != nil {
			return f, fmt.Errorf("members of %s: %w", f.Rack.Name, err)
		}
		f.Nodes = append(f.Nodes, n)
	}
	if f.Findings, err = r.Findings(ctx, all); err != nil {
		return f, fmt.Errorf("findings of %s: %w", f.Rack.Name, err)
	}
	subject := inventory.RackSubject(f.Rack.ID)
	if f.Evidence, err = r.Evidence(ctx, subject); err != nil {
		return f, fmt.Errorf("evidence of %s: %w", f.Rack.Name, err)
	}
	if f.Waivers, err = r.Waivers(ctx, subject); err != nil {
		return f, fmt.Errorf("waivers of %s: %w", f.Rack.Name, err)
	}
	return f, nil
}
