package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Lease and Grace are what the suite wants a store to be opened with: short
// enough to expire within a test, long enough for a slow machine.
const (
	Lease = 1500 * time.Millisecond
	Grace = 200 * time.Millisecond
)

// Opener opens a store on the same record each time it is called within one
// test; the first call of a test finds it empty.
type Opener func() inventory.Store

// Type is a small rack type: computes and one switch, all gates by checklist
// where the law allows it.
func Type(computes int) inventory.RackType {
	t := inventory.RackType{Name: "test", Version: 1}
	for i := range computes {
		t.Slots = append(t.Slots, inventory.Slot{Path: fmt.Sprintf("C%02d", i+1), Kind: inventory.KindCompute, U: i + 1, Height: 1, Required: true})
	}
	t.Slots = append(t.Slots, inventory.Slot{Path: "S01", Kind: inventory.KindSwitch, U: computes + 1, Height: 1, Required: true})
	for _, s := range lifecycle.Specs() {
		if s.By == inventory.ByMachine && s.Gate != lifecycle.GateDraft && s.Gate != lifecycle.GatePackage {
			t.Gates = append(t.Gates, inventory.GateRule{Gate: s.Gate, By: inventory.ByChecklist})
		}
	}
	return t
}

// Rack puts a rack named A12 with two computes and a switch into the record
// and returns its nodes by slot.
func Rack(t *testing.T, s inventory.Store) map[string]inventory.Node {
	t.Helper()
	if err := s.Expect(t.Context(), Manifest(t, s, "A12", "doc-1"), "ann"); err != nil {
		t.Fatal(err)
	}
	return nodes(t, s, "A12")
}

func nodes(t *testing.T, s inventory.Store, rack inventory.RackID) map[string]inventory.Node {
	t.Helper()
	out := map[string]inventory.Node{}
	for n, err := range s.Select(t.Context(), inventory.Selector{Racks: []inventory.RackID{rack}}) {
		if err != nil {
			t.Fatal(err)
		}
		out[n.Slot] = n
	}
	return out
}

// Manifest expects a rack with GPUs and MACs that follow from its name.
func Manifest(t *testing.T, s inventory.Store, rack, doc string) inventory.Manifest {
	t.Helper()
	m, err := manifest(t.Context(), s, rack, doc)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func manifest(ctx context.Context, s inventory.Store, rack, doc string) (inventory.Manifest, error) {
	kind := Type(2)
	raw, err := json.Marshal(kind)
	if err != nil {
		return inventory.Manifest{}, fmt.Errorf("rack type: %w", err)
	}
	digest, err := s.Put(ctx, inventory.DocRackType, raw)
	if err != nil {
		return inventory.Manifest{}, err
	}
	m := inventory.Manifest{Source: inventory.DigestOf([]byte(doc)), Name: doc, Components: map[inventory.NodeID][]inventory.Component{},
		Racks: []inventory.Rack{{ID: inventory.RackID(rack), Name: rack, Site: "ams1", Type: inventory.Ref{Kind: inventory.DocRackType, Name: kind.Name, Digest: digest, Version: 1}}}}
	for i, slot := range kind.Slots {
		n := inventory.Node{ID: inventory.NodeID(rack + "/" + slot.Path), Rack: inventory.RackID(rack), Kind: slot.Kind, Address: rack + "/" + slot.Path, Slot: slot.Path,
			Type: "HGX", Vendor: "Example", Serial: fmt.Sprintf("SN-%s-%d", rack, i+1), MACs: []inventory.MAC{inventory.MAC(fmt.Sprintf("02:00:%02x:00:00:%02x", rack[len(rack)-1], i+1))}}
		m.Nodes = append(m.Nodes, n)
		if slot.Kind == inventory.KindCompute {
			for g := range 2 {
				m.Components[n.ID] = append(m.Components[n.ID], inventory.Component{Key: inventory.Key{Kind: inventory.KindGPU, Slot: fmt.Sprintf("GPU%d", g)},
					Vendor: "NVIDIA", Model: "B200", Serial: fmt.Sprintf("G%s%d%d", rack, i+1, g)})
			}
		}
	}
	return m, nil
}

// Reading is what a good read of a node shows: exactly what was expected.
func Reading(t *testing.T, s inventory.Store, n inventory.Node) inventory.Observation {
	t.Helper()
	o, err := reading(t.Context(), s, n)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func reading(ctx context.Context, s inventory.Store, n inventory.Node) (inventory.Observation, error) {
	want, _, err := s.Components(ctx, n.ID, inventory.At{})
	if err != nil {
		return inventory.Observation{}, err
	}
	o := inventory.Observation{Node: n.ID, Source: inventory.SourceRedfish, At: time.Now(), Collector: "storetest"}
	for _, c := range want {
		c.State = inventory.StatePresent
		o.Components = append(o.Components, c)
	}
	return o, nil
}

// claim takes the claim of one subject, waiting until it is due.
func claim(t *testing.T, s inventory.Store, holder inventory.Holder, on inventory.Subject) inventory.Claim {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if err := s.Wake(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		all, err := s.Claim(t.Context(), holder, 100)
		if err != nil {
			t.Fatal(err)
		}
		var mine *inventory.Claim
		for _, c := range all {
			if c.Subject == on {
				mine = &c
				continue
			}
			if err := s.Apply(t.Context(), c, inventory.Change{Operation: operation(t.Context(), s, c.Subject)}); err != nil {
				t.Fatal(err)
			}
		}
		if mine != nil {
			return *mine
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s was never claimed", on)
	return inventory.Claim{}
}

func operation(ctx context.Context, s inventory.Store, on inventory.Subject) *inventory.Operation {
	if on.Scope == inventory.ScopeNode {
		n, err := s.Node(ctx, inventory.NodeID(on.ID))
		if err == nil {
			return n.Operation
		}
	}
	r, err := s.Rack(ctx, inventory.RackID(on.ID))
	if err == nil {
		return r.Operation
	}
	return nil
}

// pass files a signed checklist for every gate of a milestone.
func pass(t *testing.T, s inventory.Store, n inventory.Node, m inventory.Milestone) {
	t.Helper()
	kind := Type(2)
	for _, spec := range lifecycle.NodeSpecs(m) {
		by, _ := lifecycle.ProducerOf(spec, kind, n.Kind)
		if by != inventory.ByChecklist {
			continue
		}
		if _, err := s.File(t.Context(), inventory.Evidence{Subject: inventory.NodeSubject(n.ID), Gate: spec.Gate, Result: inventory.ResultPass,
			Producer: by, By: "ann", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
}

// Raise brings a node to a milestone by checklists, one law-checked step at a time.
func Raise(t *testing.T, s inventory.Store, n inventory.Node, to inventory.Milestone) {
	t.Helper()
	for {
		n, err := s.Node(t.Context(), n.ID)
		if err != nil {
			t.Fatal(err)
		}
		if lifecycle.Rank(n.Milestone) >= lifecycle.Rank(to) {
			return
		}
		next, _ := lifecycle.After(n.Milestone)
		event, _ := lifecycle.EventTo(next)
		pass(t, s, n, next)
		c := claim(t, s, "one", inventory.NodeSubject(n.ID))
		if err := s.Apply(t.Context(), c, inventory.Change{Event: &inventory.Event{Kind: event}}); err != nil {
			t.Fatalf("%s to %s: %v", n.Address, next, err)
		}
	}
}
