package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

func testLaw(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	on := inventory.NodeSubject(c01.ID)
	c := claim(t, s, "one", on)
	err := s.Apply(t.Context(), c, inventory.Change{Event: &inventory.Event{Kind: inventory.EventReceived}})
	var shut *inventory.BlockedError
	if !errors.As(err, &shut) || len(shut.Blockers) == 0 {
		t.Fatalf("a shut gate answered %v", err)
	}
	ok(t, s.Apply(t.Context(), c, inventory.Change{Blockers: shut.Blockers}))
	blockers, err := s.Blockers(t.Context(), inventory.Selector{Nodes: []inventory.NodeID{c01.ID}})
	ok(t, err)
	if len(blockers) != len(shut.Blockers) || blockers[0].Since.IsZero() {
		t.Fatalf("blockers: %+v", blockers)
	}
	c = claim(t, s, "one", on)
	want(t, s.Apply(t.Context(), c, inventory.Change{Event: &inventory.Event{Kind: inventory.EventVerified}}), inventory.ErrTransition)
	ok(t, s.Apply(t.Context(), c, inventory.Change{}))
	Raise(t, s, c01, inventory.NodeBurnedIn)
	for _, e := range []inventory.Evidence{
		{Subject: on, Gate: "no.such", Result: inventory.ResultPass, Producer: inventory.ByChecklist, By: "ann"},
		{Subject: on, Gate: lifecycle.GateBOM, Result: inventory.ResultWaived, Producer: inventory.ByChecklist, By: "ann"},
		{Subject: on, Gate: lifecycle.GateBOM, Result: inventory.ResultPass, Producer: inventory.ByChecklist}} {
		_, err := s.File(t.Context(), e)
		want(t, err, inventory.ErrInvalid)
	}
	_, err = s.File(t.Context(), inventory.Evidence{Subject: on, Gate: lifecycle.GateBOM, Result: inventory.ResultPass, Producer: inventory.ByChecklist, By: "ann",
		Document: inventory.DigestOf([]byte("nowhere"))})
	want(t, err, inventory.ErrNotFound)
}

func testFallback(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	_, err := s.Observe(t.Context(), Reading(t, s, c01))
	ok(t, err)
	Raise(t, s, c01, inventory.NodeBurnedIn)
	o := Reading(t, s, c01)
	o.Components = slices.DeleteFunc(o.Components, func(c inventory.Component) bool { return c.Slot == "GPU1" })
	_, err = s.Observe(t.Context(), o)
	ok(t, err)
	n, err := s.Node(t.Context(), c01.ID)
	ok(t, err)
	if n.Milestone != inventory.NodeSecured {
		t.Fatalf("a lost GPU leaves the node at %s", n.Milestone)
	}
	all, err := s.Evidence(t.Context(), inventory.NodeSubject(c01.ID))
	ok(t, err)
	later := lifecycle.Voids(inventory.NodeSecured)
	for _, e := range all {
		if e.Void != slices.Contains(later, e.Gate) {
			t.Fatalf("evidence of %s: void is %v", e.Gate, e.Void)
		}
	}
}

func testDrift(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	o := Reading(t, s, c01)
	o.Components = append(o.Components, inventory.Component{Key: inventory.Key{Kind: inventory.KindBIOS, Slot: "BIOS"}, Firmware: "1.0", State: inventory.StatePresent})
	_, err := s.Observe(t.Context(), o)
	ok(t, err)
	Raise(t, s, c01, inventory.NodeBurnedIn)
	o.At, o.Components = time.Now(), slices.Clone(o.Components)
	o.Components[len(o.Components)-1].Firmware = "0.9"
	_, err = s.Observe(t.Context(), o)
	ok(t, err)
	if n, _ := s.Node(t.Context(), c01.ID); n.Milestone != inventory.NodeVerified {
		t.Fatalf("changed firmware leaves the node at %s", n.Milestone)
	}
}

func testWaivers(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	on := inventory.NodeSubject(c01.ID)
	w := inventory.Waiver{Gate: lifecycle.GateBOM, Subject: on, Reason: "agreed by mail", Requester: "ann", Until: time.Now().Add(time.Hour)}
	id, err := s.Waive(t.Context(), w)
	ok(t, err)
	w.ID, w.Approver = id, "ann"
	_, err = s.Waive(t.Context(), w)
	want(t, err, inventory.ErrDenied)
	w.Approver, w.Requester, w.Reason = "bob", "eve", "another reason"
	_, err = s.Waive(t.Context(), w)
	ok(t, err)
	all, err := s.Waivers(t.Context(), inventory.RackSubject("A12"))
	ok(t, err)
	if len(all) != 1 || all[0].Approver != "bob" || all[0].Requester != "ann" || all[0].Reason != "agreed by mail" {
		t.Fatalf("the approval changed the waiver: %+v", all)
	}
	_, err = s.Waive(t.Context(), w)
	want(t, err, inventory.ErrConflict)
	_, err = s.Waive(t.Context(), inventory.Waiver{Gate: lifecycle.GateIdentity, Subject: on, Reason: "no", Requester: "ann", Until: time.Now().Add(time.Hour)})
	want(t, err, inventory.ErrInvalid)
}

func testHolds(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	on := inventory.NodeSubject(c01.ID)
	ok(t, s.SavePerson(t.Context(), inventory.Person{ID: "ann", Grants: []inventory.Grant{{Role: inventory.RoleTechnician}}}))
	ok(t, s.SavePerson(t.Context(), inventory.Person{ID: "fay", Grants: []inventory.Grant{{Role: inventory.RoleFacilities}}}))
	want(t, s.Hold(t.Context(), on, inventory.Hold{Name: "nap", Reason: "x"}), inventory.ErrInvalid)
	want(t, s.Hold(t.Context(), on, inventory.Hold{Name: inventory.HoldMaintenance}), inventory.ErrInvalid)
	ok(t, s.Hold(t.Context(), on, inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak", By: "ann"}))
	want(t, s.Lift(t.Context(), on, inventory.HoldSafetyLatch, "ann", "it is dry"), inventory.ErrDenied)
	ok(t, s.Lift(t.Context(), on, inventory.HoldSafetyLatch, "fay", "it is dry"))
	want(t, s.Lift(t.Context(), on, inventory.HoldSafetyLatch, "fay", "again"), inventory.ErrNotFound)
	// It breaks what runs, but for what a latch wants itself.
	for detail, state := range map[string]string{"On": "needs-repair", "ForceOff": "held"} {
		at := inventory.NodeSubject(nodes(t, s, "A12")["C02"].ID)
		c := claim(t, s, "one", at)
		run, err := s.StartRun(t.Context(), c, inventory.OpPower, "", "")
		ok(t, err)
		ok(t, s.Lock(t.Context(), c, at))
		ok(t, s.Apply(t.Context(), c, inventory.Change{Operation: &inventory.Operation{Run: run, Kind: inventory.OpPower, Step: "power", Detail: detail}}))
		ok(t, s.Hold(t.Context(), at, inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak"}))
		all, err := s.Locks(t.Context())
		ok(t, err)
		if len(all) != 1 || all[0].State != state {
			t.Fatalf("a latch over power %s leaves the locks %+v", detail, all)
		}
		ok(t, s.Lift(t.Context(), at, inventory.HoldSafetyLatch, "fay", "dry"))
		if state == "held" {
			ok(t, s.BreakLock(t.Context(), at, "ann", "test"))
		}
		ok(t, s.BreakLock(t.Context(), at, "ann", "test"))
	}
	// Who could take over somebody's hold could lift it.
	h := inventory.Hold{Name: inventory.HoldMaintenance, Reason: "new fan", By: "ann"}
	ok(t, s.Hold(t.Context(), on, h))
	h.Reason = "two new fans"
	ok(t, s.Hold(t.Context(), on, h))
	h.By = "fay"
	want(t, s.Hold(t.Context(), on, h), inventory.ErrConflict)
	want(t, s.Lift(t.Context(), on, inventory.HoldMaintenance, "fay", "mine now"), inventory.ErrDenied)
	ok(t, s.Lift(t.Context(), on, inventory.HoldMaintenance, "ann", "done"))
}

func testRequests(t *testing.T, open Opener) {
	s := open()
	nodes := Rack(t, s)
	req := inventory.Request{Key: "k1", Op: inventory.OpSweep, On: inventory.Selector{Racks: []inventory.RackID{"A12"}}, By: "ann"}
	first, err := s.Ask(t.Context(), req)
	ok(t, err)
	again, err := s.Ask(t.Context(), req)
	ok(t, err)
	if first.Run == "" || again.Run != first.Run || len(again.Lines) != 3 {
		t.Fatalf("the same key gave %+v and %+v", first, again)
	}
	req.Op = inventory.OpFirmware
	_, err = s.Ask(t.Context(), req)
	want(t, err, inventory.ErrConflict)
	_, err = s.Ask(t.Context(), inventory.Request{Key: "k2", Op: inventory.OpSweep, By: "ann"})
	want(t, err, inventory.ErrInvalid)
	for _, n := range nodes {
		c := claim(t, s, "one", inventory.NodeSubject(n.ID))
		asked, err := s.Asked(t.Context(), c)
		ok(t, err)
		if len(asked) != 1 {
			t.Fatalf("%s is asked for %d things", n.Address, len(asked))
		}
		result := "ok"
		if n.Slot == "S01" {
			result = "failed"
		}
		ok(t, s.Answer(t.Context(), c, first.Run, inventory.RequestLine{Subject: c.Subject, Result: result}))
		ok(t, s.Apply(t.Context(), c, inventory.Change{}))
	}
	done, err := s.Request(t.Context(), first.Run)
	ok(t, err)
	if done.State != inventory.RequestPartial {
		t.Fatalf("two of three is %s", done.State)
	}
	c := claim(t, s, "one", inventory.NodeSubject(nodes["C01"].ID))
	one, err := s.Ask(t.Context(), inventory.Request{Key: "k3", Op: inventory.OpBurnIn, By: "ann", On: inventory.Selector{Nodes: []inventory.NodeID{nodes["C01"].ID}}})
	ok(t, err)
	ok(t, s.Answer(t.Context(), c, one.Run, inventory.RequestLine{Subject: c.Subject, Result: "unknown"}))
	one, err = s.Request(t.Context(), one.Run)
	ok(t, err)
	if one.State != inventory.RequestPartial {
		t.Fatalf("an unknown result is %s: it is neither done nor failed", one.State)
	}
}

func testChain(t *testing.T, open Opener) {
	s := open()
	nodes := Rack(t, s)
	errs := make(chan error, 40)
	for i := range 40 {
		go func() {
			_, err := s.File(t.Context(), inventory.Evidence{Subject: inventory.NodeSubject(nodes["C01"].ID), Gate: lifecycle.GateBOM, Result: inventory.ResultFail,
				Producer: inventory.ByChecklist, By: "ann", Attempt: i})
			errs <- err
		}()
	}
	for range 40 {
		ok(t, <-errs)
	}
	var last inventory.Entry
	for e, err := range s.Entries(t.Context(), inventory.RackSubject(nodes["C01"].Rack), 0) {
		ok(t, err)
		if e.Seq != last.Seq+1 || e.Prev != last.Hash || inventory.ChainHash(e) != e.Hash {
			t.Fatalf("entry %d does not follow entry %d", e.Seq, last.Seq)
		}
		last = e
	}
	if last.Seq < 40 {
		t.Fatalf("40 writes left %d entries", last.Seq)
	}
}

// testDraft: a draft that was frozen just before a member fell back is about what
// that member was.
func testDraft(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	Raise(t, s, c01, inventory.NodeVerified)
	on := inventory.RackSubject(c01.Rack)
	_, err := s.File(t.Context(), inventory.Evidence{Subject: on, Gate: lifecycle.GateDraft, Result: inventory.ResultPass, Producer: inventory.ByMachine, By: "rackwright/freeze"})
	ok(t, err)
	void := func() bool {
		rows, err := s.Evidence(t.Context(), on)
		ok(t, err)
		return rows[len(rows)-1].Void
	}
	if void() {
		t.Fatal("void before anything fell")
	}
	ok(t, s.Hold(t.Context(), inventory.NodeSubject(c01.ID), inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak"}))
	if !void() {
		t.Fatal("a draft outlives what it says of a member")
	}
}
