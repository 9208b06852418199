package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func testExpect(t *testing.T, open Opener) {
	s := open()
	nodes := Rack(t, s)
	if len(nodes) != 3 || nodes["C01"].Milestone != inventory.NodeExpected || nodes["C01"].Rack == "A12" {
		t.Fatalf("nodes: %+v", nodes)
	}
	seq := head(t, s, "A12")
	ok(t, s.Expect(t.Context(), Manifest(t, s, "A12", "doc-1"), "ann"))
	if head(t, s, "A12") != seq {
		t.Fatal("the same file twice changed something")
	}
	byAddress, err := s.Node(t.Context(), "A12/C01")
	ok(t, err)
	if byAddress.ID != nodes["C01"].ID {
		t.Fatal("address and id name different nodes")
	}
	found, err := s.Find(t.Context(), inventory.Hint{MAC: nodes["C02"].MACs[0]})
	ok(t, err)
	if found.Slot != "C02" {
		t.Fatalf("MAC of C02 found %s", found.Slot)
	}
	_, err = s.Find(t.Context(), inventory.Hint{MAC: "02:ff:ff:ff:ff:ff"})
	want(t, err, inventory.ErrNotFound)
	_, err = s.Rack(t.Context(), "B99")
	want(t, err, inventory.ErrNotFound)
	for n := range s.Select(t.Context(), inventory.Selector{}) {
		t.Fatalf("the empty selector selected %s", n.Address)
	}
}

func testQuarantine(t *testing.T, open Opener) {
	s := open()
	Rack(t, s)
	m := Manifest(t, s, "B07", "doc-2")
	m.Nodes[0].Serial = "SN-A12-1" // belongs to A12/C01
	m.Faults = []inventory.RowFault{{Row: 9, Field: "slot", Reason: "no such slot"}}
	ok(t, s.Expect(t.Context(), m, "ann"))
	faults, err := s.Faults(t.Context(), m.Source)
	ok(t, err)
	if len(faults) != 2 || len(nodes(t, s, "B07")) != 2 {
		t.Fatalf("%d quarantined, %d kept: %+v", len(faults), len(nodes(t, s, "B07")), faults)
	}
}

func testDiff(t *testing.T, open1 Opener) {
	s := open1()
	c01 := Rack(t, s)["C01"]
	o := Reading(t, s, c01)
	o.Components = slices.DeleteFunc(o.Components, func(c inventory.Component) bool { return c.Slot == "GPU1" })
	found, err := s.Observe(t.Context(), o)
	ok(t, err)
	if len(found) != 1 || found[0].Kind != inventory.FindMissing || found[0].Key.Slot != "GPU1" || found[0].Owner != inventory.OwnerVendor {
		t.Fatalf("findings: %+v", found)
	}
	again, err := s.Observe(t.Context(), o)
	ok(t, err)
	if len(again) != 1 || again[0].ID != found[0].ID {
		t.Fatal("one difference has two findings")
	}
	seq := head(t, s, "A12")
	o.At = time.Now()
	_, err = s.Observe(t.Context(), o)
	ok(t, err)
	if head(t, s, "A12") != seq {
		t.Fatal("an unchanged reading wrote events")
	}
	left, err := s.Observe(t.Context(), Reading(t, s, c01))
	ok(t, err)
	f, err := s.Finding(t.Context(), found[0].ID)
	ok(t, err)
	if len(left) != 0 || !f.Closed || f.ClosedBy != "observation" {
		t.Fatalf("a good read left %+v, the finding is %+v", left, f)
	}
	_, err = s.Observe(t.Context(), inventory.Observation{Rack: "A12", Source: inventory.SourceScan, At: time.Now(),
		Components: []inventory.Component{{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}, Serial: "NOBODYS"}}})
	ok(t, err)
	all := open(t, s, "A12")
	if len(all) != 1 || all[0].Fix != "finding.surplus" {
		t.Fatalf("an unknown unit left %+v", all)
	}
	ok(t, s.Dispose(t.Context(), all[0].ID, "extra", "ann"))
	if len(open(t, s, "A12")) != 0 {
		t.Fatal("a decided surplus unit is still open")
	}
}

func testSwap(t *testing.T, open1 Opener) {
	s := open1()
	nodes := Rack(t, s)
	a, b := Reading(t, s, nodes["C01"]), Reading(t, s, nodes["C02"])
	a.Components, b.Components = b.Components, a.Components
	_, err := s.Observe(t.Context(), a)
	ok(t, err)
	_, err = s.Observe(t.Context(), b)
	ok(t, err)
	all := open(t, s, "A12")
	if len(all) != 1 || all[0].Kind != inventory.FindSwapped || all[0].Owner != inventory.OwnerTechnician || len(all[0].Others) != 1 {
		t.Fatalf("two exchanged units are %d findings: %+v", len(all), all)
	}
}

func testUnread(t *testing.T, open1 Opener) {
	s := open1()
	c01 := Rack(t, s)["C01"]
	_, err := s.Observe(t.Context(), Reading(t, s, c01))
	ok(t, err)
	o := Reading(t, s, c01)
	o.Components = slices.DeleteFunc(o.Components, func(c inventory.Component) bool { return c.Kind == inventory.KindGPU })
	o.Faults = []inventory.ReadFault{{Path: "/redfish/v1/Systems/1/Processors", Reason: "503", Kind: inventory.KindGPU}}
	found, err := s.Observe(t.Context(), o)
	ok(t, err)
	for _, f := range found {
		if f.Kind != inventory.FindUnreadable || f.Owner != inventory.OwnerSystem {
			t.Fatalf("a failed read became %s: %+v", f.Kind, f)
		}
	}
	if len(found) == 0 {
		t.Fatal("what could not be read counts as proven")
	}
	// Not read is not absent: the parts are installed as before. Only a reading
	// that says absent takes them out.
	_, seen, err := s.Components(t.Context(), c01.ID, inventory.At{})
	ok(t, err)
	if gpus(seen) != 2 {
		t.Fatalf("a failed read took GPUs out of the record: %+v", seen)
	}
	o.Faults, o.At = nil, time.Now()
	o.Components = append(o.Components, inventory.Component{Key: inventory.Key{Kind: inventory.KindGPU, Slot: "GPU0"}, State: inventory.StateAbsent},
		inventory.Component{Key: inventory.Key{Kind: inventory.KindGPU, Slot: "GPU1"}, State: inventory.StateNotRead})
	found, err = s.Observe(t.Context(), o)
	ok(t, err)
	kinds := map[string]inventory.FindingKind{}
	for _, f := range found {
		kinds[f.Key.Slot] = f.Kind
	}
	if kinds["GPU0"] != inventory.FindMissing || kinds["GPU1"] != inventory.FindUnreadable {
		t.Fatalf("absent and not read are told apart as %v", kinds)
	}
	_, seen, err = s.Components(t.Context(), c01.ID, inventory.At{})
	ok(t, err)
	if gpus(seen) != 1 {
		t.Fatalf("absent GPU0, unread GPU1: %d are installed", gpus(seen))
	}
	// A label scan looks at the label, not at the memory behind it.
	c02 := nodes(t, s, "A12")["C02"]
	scan := Reading(t, s, c02)
	scan.Source, scan.Components = inventory.SourceScan, scan.Components[:1]
	found, err = s.Observe(t.Context(), scan)
	ok(t, err)
	if len(found) != 0 {
		t.Fatalf("a label scan opened %+v", found)
	}
}

func testTimes(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	monday, tuesday := time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	o := Reading(t, s, c01)
	o.At = monday
	_, err := s.Observe(t.Context(), o)
	ok(t, err)
	o.At, o.Components = tuesday, slices.Clone(o.Components)
	for i := range o.Components {
		if o.Components[i].Slot == "GPU0" {
			o.Components[i].Serial = "GNEW"
		}
	}
	_, err = s.Observe(t.Context(), o)
	ok(t, err)
	serial := func(at inventory.At) string {
		_, got, err := s.Components(t.Context(), c01.ID, at)
		ok(t, err)
		for _, c := range got {
			if c.Slot == "GPU0" {
				return c.Serial
			}
		}
		return ""
	}
	if a, b, c := serial(inventory.At{Valid: monday.Add(time.Hour)}), serial(inventory.At{}), serial(inventory.At{Valid: monday.Add(-time.Hour)}); a != "GA1210" || b != "GNEW" || c != "" {
		t.Fatalf("on monday %q, now %q, before %q", a, b, c)
	}
	if got := serial(inventory.At{Valid: time.Now(), Known: monday}); got != "" {
		t.Fatalf("on monday the record knew %q", got)
	}
}

// gpus counts the ones that the record holds as installed.
func gpus(list []inventory.Component) int {
	n := 0
	for _, c := range list {
		if c.Kind == inventory.KindGPU && c.Slot != "" && c.State != inventory.StateAbsent { // no slot: the word about the whole class
			n++
		}
	}
	return n
}

func testIdentities(t *testing.T, open Opener) {
	s := open()
	nodes := Rack(t, s)
	o := Reading(t, s, nodes["C01"])
	o.Components = append(o.Components, inventory.Component{Key: inventory.Key{Kind: inventory.KindNIC, Slot: "NIC0"}, State: inventory.StatePresent,
		IDs: []inventory.Identifier{{Kind: inventory.IDMAC, Raw: "02-AA-00-00-00-01", Norm: "02:aa:00:00:00:01", Source: inventory.SourceRedfish, Trusted: true}}})
	_, err := s.Observe(t.Context(), o)
	ok(t, err)
	found, err := s.Find(t.Context(), inventory.Hint{MAC: "02:aa:00:00:00:01"})
	ok(t, err)
	if found.Slot != "C01" {
		t.Fatalf("a MAC seen by Redfish finds %q", found.Address)
	}
	want, _, err := s.Components(t.Context(), found.ID, inventory.At{})
	ok(t, err)
	if slices.ContainsFunc(want, func(c inventory.Component) bool { return c.Kind == inventory.KindNIC }) {
		t.Fatal("an observation edited the expectation")
	}
	last, err := s.Observation(t.Context(), found.ID, inventory.SourceRedfish)
	ok(t, err)
	if len(last.Components) != len(o.Components) {
		t.Fatal("the collection is not what was observed")
	}
	o.Simulated, o.At = true, time.Now()
	_, err = s.Observe(t.Context(), o)
	ok(t, err)
	r, err := s.Rack(t.Context(), "A12")
	ok(t, err)
	if n, _ := s.Node(t.Context(), found.ID); !n.Simulated || !r.Simulated {
		t.Fatal("a simulator touched the node and nothing says so")
	}
}
