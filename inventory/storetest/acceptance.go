package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// paper files passing evidence about a rack or node, as a person or machine would.
func paper(t *testing.T, s inventory.Store, on inventory.Subject, g inventory.Gate, by inventory.Producer, who string, r inventory.Result) {
	t.Helper()
	e := inventory.Evidence{Subject: on, Gate: g, Result: r, Producer: by, By: who, At: time.Now()}
	if g == lifecycle.GateDraft {
		rack, err := s.Rack(t.Context(), inventory.RackID(on.ID))
		ok(t, err)
		var members []inventory.Node
		for n, err := range s.Select(t.Context(), inventory.Selector{Racks: []inventory.RackID{rack.ID}}) {
			ok(t, err)
			members = append(members, n)
		}
		e.Cites = lifecycle.DraftCites(rack, members)
	}
	_, err := s.File(t.Context(), e)
	ok(t, err)
}

// rackStep tries one event of a rack.
func rackStep(t *testing.T, s inventory.Store, r inventory.RackID, kind inventory.EventKind) error {
	t.Helper()
	c := claim(t, s, "one", inventory.RackSubject(r))
	err := s.Apply(t.Context(), c, inventory.Change{Event: &inventory.Event{Kind: kind, Reason: "test"}})
	if err != nil {
		ok(t, s.Apply(t.Context(), c, inventory.Change{}))
	}
	return err
}

func raiseAll(t *testing.T, s inventory.Store, r inventory.RackID, to inventory.Milestone) {
	t.Helper()
	for n, err := range s.Select(t.Context(), inventory.Selector{Racks: []inventory.RackID{r}}) {
		ok(t, err)
		Raise(t, s, n, to)
	}
}

// review brings rack A12 into review; signed adds both signatures.
func review(t *testing.T, s inventory.Store, signed bool) inventory.RackID {
	t.Helper()
	r := Rack(t, s)["C01"].Rack
	on := inventory.RackSubject(r)
	raiseAll(t, s, r, inventory.NodeRackTested)
	for _, m := range lifecycle.RackMilestones() {
		for _, spec := range lifecycle.RackSpecs(m) {
			if spec.By == inventory.ByChecklist {
				paper(t, s, on, spec.Gate, inventory.ByChecklist, "ann", inventory.ResultPass)
			}
		}
	}
	for _, e := range []inventory.EventKind{inventory.EventRackShipped, inventory.EventRackArrived, inventory.EventRackReceived, inventory.EventRackInstalled,
		inventory.EventRackPowerReady, inventory.EventRackComputed} {
		ok(t, rackStep(t, s, r, e))
	}
	paper(t, s, on, lifecycle.GateDraft, inventory.ByMachine, "rackwright/freeze", inventory.ResultPass)
	ok(t, rackStep(t, s, r, inventory.EventRackInReview))
	if signed {
		paper(t, s, on, lifecycle.GateDeliverer, inventory.ByPersonSigned, "ann", inventory.ResultPass)
		paper(t, s, on, lifecycle.GateAcceptor, inventory.ByPersonSigned, "bob", inventory.ResultPass)
	}
	return r
}

// accepted goes on to the issued package.
func accepted(t *testing.T, s inventory.Store) inventory.RackID {
	t.Helper()
	r := review(t, s, true)
	ok(t, rackStep(t, s, r, inventory.EventRackAccepted))
	raiseAll(t, s, r, inventory.NodeAccepted)
	paper(t, s, inventory.RackSubject(r), lifecycle.GatePackage, inventory.ByMachine, "rackwright/issue", inventory.ResultPass)
	return r
}

// shutBy: the event is refused, and this gate is among the reasons.
func shutBy(t *testing.T, err error, g inventory.Gate) {
	t.Helper()
	var shut *inventory.BlockedError
	if !errors.As(err, &shut) || !slices.ContainsFunc(shut.Blockers, func(b inventory.Blocker) bool { return b.Gate == g }) {
		t.Fatalf("got %v, want it shut by %s", err, g)
	}
}

// testFailedInReview: a check that fails while people walk over to sign is not
// signed past, be it the rack's or a member's.
func testFailedInReview(t *testing.T, open Opener) {
	s := open()
	r := review(t, s, true)
	on, c01 := inventory.RackSubject(r), inventory.NodeSubject(nodes(t, s, "A12")["C01"].ID)
	for _, c := range []struct {
		on   inventory.Subject
		gate inventory.Gate
	}{{on, "rack.soak"}, {c01, "cabling"}} {
		paper(t, s, c.on, c.gate, inventory.ByChecklist, "fay", inventory.ResultFail)
		shutBy(t, rackStep(t, s, r, inventory.EventRackAccepted), c.gate)
		paper(t, s, c.on, c.gate, inventory.ByChecklist, "fay", inventory.ResultPass)
	}
	ok(t, rackStep(t, s, r, inventory.EventRackAccepted))
}

// testHeldBeforeHandover: a latch, a hold or a leak after the acceptance keeps
// rack and member here.
func testHeldBeforeHandover(t *testing.T, open Opener) {
	s := open()
	r := accepted(t, s)
	on, c01 := inventory.RackSubject(r), nodes(t, s, "A12")["C01"]
	ok(t, s.SavePerson(t.Context(), inventory.Person{ID: "ann", Grants: []inventory.Grant{{Role: inventory.RoleTechnician}}}))
	ok(t, s.Hold(t.Context(), on, inventory.Hold{Name: inventory.HoldQuarantine, Reason: "water on the floor", By: "ann"}))
	shutBy(t, rackStep(t, s, r, inventory.EventRackHandedOver), lifecycle.GateNoHold)
	ok(t, s.Lift(t.Context(), on, inventory.HoldQuarantine, "ann", "mopped up"))
	paper(t, s, inventory.NodeSubject(c01.ID), lifecycle.GateLeak, inventory.ByMachine, "rackwright/watch", inventory.ResultFail)
	shutBy(t, rackStep(t, s, r, inventory.EventRackHandedOver), lifecycle.GateLeak)
	paper(t, s, inventory.NodeSubject(c01.ID), lifecycle.GateLeak, inventory.ByMachine, "rackwright/watch", inventory.ResultPass)
	ok(t, rackStep(t, s, r, inventory.EventRackHandedOver))
	ok(t, s.Hold(t.Context(), inventory.NodeSubject(c01.ID), inventory.Hold{Name: inventory.HoldQuarantine, Reason: "burnt smell", By: "ann"}))
	pass(t, s, c01, inventory.NodeHandedOver)
	last := func() error {
		c := claim(t, s, "one", inventory.NodeSubject(c01.ID))
		err := s.Apply(t.Context(), c, inventory.Change{Event: &inventory.Event{Kind: inventory.EventHandedOver}})
		if err != nil {
			ok(t, s.Apply(t.Context(), c, inventory.Change{}))
		}
		return err
	}
	shutBy(t, last(), lifecycle.GateNoHold)
	ok(t, s.Lift(t.Context(), inventory.NodeSubject(c01.ID), inventory.HoldQuarantine, "ann", "a lamp"))
	ok(t, s.Hold(t.Context(), on, inventory.Hold{Name: inventory.HoldQuarantine, Reason: "water again", By: "ann"}))
	shutBy(t, last(), lifecycle.GateNoHold) // what holds a rack holds its members
	ok(t, s.Lift(t.Context(), on, inventory.HoldQuarantine, "ann", "mopped up"))
	ok(t, last())
}

// testWaivedInReview: a waiver that the frozen draft does not print takes the
// review back; asking for one does not.
func testWaivedInReview(t *testing.T, open Opener) {
	s := open()
	r := accepted(t, s)
	w := inventory.Waiver{Gate: "rack.soak", Subject: inventory.RackSubject(r), Reason: "the pumps are changed next week", Requester: "ann", Until: time.Now().Add(time.Hour)}
	id, err := s.Waive(t.Context(), w)
	ok(t, err)
	if got, err := s.Rack(t.Context(), r); err != nil || got.Milestone != inventory.RackAccepted {
		t.Fatalf("the rack is %s after somebody asked, %v", got.Milestone, err)
	}
	w.ID, w.Approver = id, "bob"
	_, err = s.Waive(t.Context(), w)
	ok(t, err)
	if got, err := s.Rack(t.Context(), r); err != nil || got.Milestone != inventory.RackPowerReady || nodes(t, s, "A12")["C01"].Milestone != inventory.NodeRackTested {
		t.Errorf("the rack is %s, C01 %s, %v", got.Milestone, nodes(t, s, "A12")["C01"].Milestone, err)
	}
	ok(t, rackStep(t, s, r, inventory.EventRackComputed))
	shutBy(t, rackStep(t, s, r, inventory.EventRackInReview), lifecycle.GateDraft)
}

// testWaivedBefore: a waiver that had nothing to waive when the draft was frozen is
// printed beside a pass. It does not cover what fails afterwards.
func testWaivedBefore(t *testing.T, open Opener) {
	s := open()
	r := Rack(t, s)["C01"].Rack
	w := inventory.Waiver{Gate: "rack.soak", Subject: inventory.RackSubject(r), Reason: "the pumps are changed next week", Requester: "ann", Until: time.Now().Add(time.Hour)}
	id, err := s.Waive(t.Context(), w)
	ok(t, err)
	w.ID, w.Approver = id, "bob"
	_, err = s.Waive(t.Context(), w)
	ok(t, err)
	review(t, s, true)
	time.Sleep(5 * time.Millisecond) // the record counts milliseconds
	paper(t, s, inventory.RackSubject(r), "rack.soak", inventory.ByChecklist, "fay", inventory.ResultFail)
	shutBy(t, rackStep(t, s, r, inventory.EventRackAccepted), "rack.soak")
}

// testBoundAnew: a BMC whose key a person has confirmed to be another one is
// unknown until it is read: what its detectors said does not count any more.
func testBoundAnew(t *testing.T, open Opener) {
	s := open()
	n := Rack(t, s)["C01"]
	ok(t, s.Bind(t.Context(), n.ID, inventory.Endpoint{URL: "https://c01.example", Pin: "k1"}))
	paper(t, s, inventory.NodeSubject(n.ID), lifecycle.GateLeak, inventory.ByMachine, "rackwright/watch", inventory.ResultPass)
	stands := func() (out int) {
		list, err := s.Evidence(t.Context(), inventory.NodeSubject(n.ID))
		ok(t, err)
		for _, e := range list {
			if e.Gate == lifecycle.GateLeak && !e.Void {
				out++
			}
		}
		return out
	}
	ok(t, s.Bind(t.Context(), n.ID, inventory.Endpoint{URL: "https://c01.example", Pin: "k1", Detectors: 4}))
	if stands() != 1 {
		t.Error("a reading is void though its BMC is the same")
	}
	ok(t, s.Bind(t.Context(), n.ID, inventory.Endpoint{URL: "https://c01.example"}))
	if stands() != 0 {
		t.Error("a reading of a BMC that nobody knows any more counts")
	}
}

// testRework: what was signed before a rework is about another rack, and members
// accepted under it are not accepted any more. The journal says both.
func testRework(t *testing.T, open Opener) {
	s := open()
	r := accepted(t, s)
	from := head(t, s, r)
	ok(t, rackStep(t, s, r, inventory.EventRackReopened))
	if n := nodes(t, s, "A12")["C01"]; n.Milestone != inventory.NodeRackTested {
		t.Errorf("C01 is %s under a certificate that was taken back", n.Milestone)
	}
	kinds := map[string]int{}
	for e, err := range s.Entries(t.Context(), inventory.RackSubject(r), from) {
		ok(t, err)
		kinds[e.Kind]++
	}
	if kinds["evidence.void"] == 0 || kinds["node."+string(inventory.EventMembersChanged)] == 0 {
		t.Errorf("the journal says %v", kinds)
	}
	ok(t, rackStep(t, s, r, inventory.EventRackComputed))
	paper(t, s, inventory.RackSubject(r), lifecycle.GateDraft, inventory.ByMachine, "rackwright/freeze", inventory.ResultPass)
	ok(t, rackStep(t, s, r, inventory.EventRackInReview))
	ok(t, rackStep(t, s, r, inventory.EventRackRework))
	ok(t, rackStep(t, s, r, inventory.EventRackReopened))
	ok(t, rackStep(t, s, r, inventory.EventRackComputed))
	shutBy(t, rackStep(t, s, r, inventory.EventRackInReview), lifecycle.GateDraft)
}

// testSealed: what is imported while the certificate is under way would be on no
// certificate. The rows are quarantined with the reason, and nothing changes.
func testSealed(t *testing.T, open Opener) {
	s := open()
	r := review(t, s, false)
	m := Manifest(t, s, "A12", "doc-late")
	for i := range m.Nodes {
		m.Nodes[i].Serial += "-late"
	}
	ok(t, s.Expect(t.Context(), m, "ann"))
	faults, err := s.Faults(t.Context(), m.Source)
	ok(t, err)
	if len(faults) != len(m.Nodes) || faults[0].Field != "rack" || faults[0].Fix == "" {
		t.Fatalf("%d rows, faults: %+v", len(m.Nodes), faults)
	}
	if n := nodes(t, s, "A12")["C01"]; n.Serial == m.Nodes[0].Serial {
		t.Fatalf("a late row changed %+v", n)
	}
	on := inventory.RackSubject(r)
	paper(t, s, on, lifecycle.GateDeliverer, inventory.ByPersonSigned, "ann", inventory.ResultPass)
	paper(t, s, on, lifecycle.GateAcceptor, inventory.ByPersonSigned, "bob", inventory.ResultPass)
	ok(t, rackStep(t, s, r, inventory.EventRackAccepted))
}

// testBoundBMC: a corrected packing list keeps the key, credential and detectors
// of a BMC that is bound, and so the watch over it; one that names another BMC
// for the unit is refused.
func testBoundBMC(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	bound := inventory.Endpoint{URL: "https://10.0.0.1", MAC: "02:00:00:00:00:77", Pin: "sha256:k", Credential: "bmc/k", Detectors: 4}
	ok(t, s.Bind(t.Context(), c01.ID, bound))
	Raise(t, s, c01, inventory.NodeDiscovered)
	for doc, c := range map[string]struct {
		mac    inventory.MAC
		faults int
	}{"doc-same": {bound.MAC, 0}, "doc-other": {"02:00:00:00:00:78", 1}} {
		m := Manifest(t, s, "A12", doc)
		for i := range m.Nodes {
			if m.Nodes[i].Slot == "C01" {
				m.Nodes[i].BMC = inventory.Endpoint{MAC: c.mac, URL: "https://10.9.9.9"}
			}
		}
		ok(t, s.Expect(t.Context(), m, "ann"))
		faults, err := s.Faults(t.Context(), m.Source)
		ok(t, err)
		if len(faults) != c.faults || c.faults == 1 && faults[0].Field != "bmc.mac" {
			t.Errorf("%s: %+v", doc, faults)
		}
		if n := nodes(t, s, "A12")["C01"]; n.BMC.Pin != bound.Pin || n.BMC.Detectors != bound.Detectors || n.BMC.URL != bound.URL || n.BMC.MAC != bound.MAC {
			t.Errorf("%s: the binding is now %+v", doc, n.BMC)
		}
	}
}
