package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func testClaims(t *testing.T, open Opener) {
	s := open()
	Rack(t, s)
	var mu sync.Mutex
	seen := map[inventory.Subject]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := s.Claim(t.Context(), "one", 2)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			for _, c := range got {
				seen[c.Subject]++
			}
		})
	}
	all.Wait()
	for on, n := range seen {
		if n != 1 {
			t.Fatalf("%s was claimed %d times", on, n)
		}
	}
	if len(seen) != 4 {
		t.Fatalf("%d of 4 subjects were claimed", len(seen))
	}
}

func testStale(t *testing.T, open Opener) {
	s := open()
	on := inventory.NodeSubject(Rack(t, s)["C01"].ID)
	old := claim(t, s, "one", on)
	time.Sleep(Lease + 2*Grace)
	fresh := claim(t, s, "one", on)
	if fresh.Token <= old.Token {
		t.Fatal("a new claim has no new token")
	}
	_, err := s.Renew(t.Context(), old)
	want(t, err, inventory.ErrStale)
	want(t, s.Apply(t.Context(), old, inventory.Change{}), inventory.ErrStale)
	want(t, s.Lock(t.Context(), old, on), inventory.ErrStale)
	_, err = s.Begin(t.Context(), old, inventory.Intent{Step: "x", Target: "y", Effect: "z", ReadBack: "r"})
	want(t, err, inventory.ErrStale)
	_, err = s.StartRun(t.Context(), old, inventory.OpSweep, "", "")
	want(t, err, inventory.ErrStale)
	renewed, err := s.Renew(t.Context(), fresh)
	ok(t, err)
	ok(t, s.Apply(t.Context(), renewed, inventory.Change{}))
	want(t, s.Apply(t.Context(), renewed, inventory.Change{}), inventory.ErrStale)
}

// testTwoServers: an even share of racks, and takeover after a death.
func testTwoServers(t *testing.T, open Opener) {
	s := open()
	for _, rack := range []string{"A12", "A13"} {
		ok(t, s.Expect(t.Context(), Manifest(t, s, rack, rack), "ann"))
	}
	racks := map[inventory.Holder]map[inventory.RackID]bool{"one": {}, "two": {}}
	step := func(holder inventory.Holder) {
		got, err := s.Claim(t.Context(), holder, 100)
		ok(t, err)
		for _, c := range got {
			rack := inventory.RackID(c.Subject.ID)
			if c.Subject.Scope == inventory.ScopeNode {
				n, err := s.Node(t.Context(), inventory.NodeID(c.Subject.ID))
				ok(t, err)
				rack = n.Rack
			}
			racks[holder][rack] = true
			ok(t, s.Apply(t.Context(), c, inventory.Change{Due: time.Now()}))
		}
	}
	until := func(what string, done func() bool, holders ...inventory.Holder) {
		deadline := time.Now().Add(20 * time.Second)
		for !done() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", what, racks)
			}
			clear(racks["one"])
			clear(racks["two"])
			for _, h := range holders {
				step(h)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	until("one server takes all", func() bool { return len(racks["one"]) == 2 }, "one")
	serves := func(h inventory.Holder) int {
		list, err := s.Shards(t.Context(), h)
		ok(t, err)
		return len(list)
	}
	until("two servers share", func() bool { return len(racks["one"]) == 1 && len(racks["two"]) == 1 }, "one", "two")
	if a, b := serves("one"), serves("two"); a != 1 || b != 1 {
		t.Fatalf("they serve %d and %d racks", a, b)
	}
	time.Sleep(Lease + 2*Grace)
	if n := serves("one"); n != 1 {
		t.Fatalf("it serves %d racks once its lease is over, and nobody else has them", n)
	}
	until("the survivor takes over", func() bool { return len(racks["two"]) == 2 }, "two")
	if a, b := serves("one"), serves("two"); a != 0 || b != 2 {
		t.Fatalf("after the takeover they serve %d and %d racks", a, b)
	}
}

func testWakeDuringTurn(t *testing.T, open Opener) {
	s := open()
	on := inventory.NodeSubject(Rack(t, s)["C01"].ID)
	c := claim(t, s, "one", on)
	ok(t, s.Wake(t.Context(), on))
	ok(t, s.Apply(t.Context(), c, inventory.Change{Due: time.Now().Add(time.Hour)}))
	got, err := s.Claim(t.Context(), "one", 100)
	ok(t, err)
	for _, c := range got {
		if c.Subject == on {
			return
		}
	}
	t.Fatal("a wake during a turn was lost")
}

func testIntents(t *testing.T, open Opener) {
	s := open()
	on := inventory.NodeSubject(Rack(t, s)["C01"].ID)
	c := claim(t, s, "one", on)
	i := inventory.Intent{Step: "upload", Target: "bmc-1", Effect: "flash BIOS", ReadBack: "read the version", Attempt: 1, Abort: inventory.AbortNever}
	_, err := s.Begin(t.Context(), c, i)
	want(t, err, inventory.ErrConflict) // no run
	run, err := s.StartRun(t.Context(), c, inventory.OpFirmware, "", "")
	ok(t, err)
	same, err := s.StartRun(t.Context(), c, inventory.OpFirmware, "", "")
	ok(t, err)
	if same != run {
		t.Fatal("the same start again made another run")
	}
	_, err = s.StartRun(t.Context(), c, inventory.OpBurnIn, "", "")
	want(t, err, inventory.ErrHeld)
	id, err := s.Begin(t.Context(), c, i)
	ok(t, err)
	_, err = s.Begin(t.Context(), c, i)
	want(t, err, inventory.ErrConflict)
	i.Attempt = 2
	_, err = s.Begin(t.Context(), c, i)
	want(t, err, inventory.ErrConflict) // another action on the target is open
	op := &inventory.Operation{Run: run, Kind: inventory.OpFirmware, Step: "upload", Abort: inventory.AbortNever}
	ok(t, s.Apply(t.Context(), c, inventory.Change{Settles: id, Outcome: inventory.OutcomeUnknown, Operation: op}))
	c = claim(t, s, "one", on)
	if c.Run != run {
		t.Fatal("the claim does not know its run")
	}
	left, err := s.Unsettled(t.Context(), c)
	ok(t, err)
	if len(left) != 1 || left[0].Outcome != inventory.OutcomeUnknown {
		t.Fatalf("an unknown outcome is no longer unsettled: %+v", left)
	}
	ok(t, s.Apply(t.Context(), c, inventory.Change{Settles: id, Outcome: inventory.OutcomeOK}))
	ended, err := s.Run(t.Context(), run)
	ok(t, err)
	if ended.Ended.IsZero() || ended.Outcome != inventory.OutcomeOK {
		t.Fatalf("the run is %+v", ended)
	}
	want(t, s.Late(t.Context(), "nothing", "x"), inventory.ErrNotFound)
	before := head(t, s, "A12")
	ok(t, s.Late(t.Context(), id, "the BMC took it after all"))
	all, err := s.Intents(t.Context(), on)
	ok(t, err)
	if n := head(t, s, "A12") - before; n != 1 || len(all) != 1 || all[0].Outcome != inventory.OutcomeOK {
		t.Fatalf("a late word made %d entries and left %+v", n, all)
	}
}

func testLocks(t *testing.T, open Opener) {
	s := open()
	nodes := Rack(t, s)
	a, b := inventory.NodeSubject(nodes["C01"].ID), inventory.NodeSubject(nodes["C02"].ID)
	rack := inventory.RackSubject(nodes["C01"].Rack)
	ca := claim(t, s, "one", a)
	run, err := s.StartRun(t.Context(), ca, inventory.OpFirmware, "", "")
	ok(t, err)
	ok(t, s.Lock(t.Context(), ca, a))
	ok(t, s.Lock(t.Context(), ca, a))
	ok(t, s.Apply(t.Context(), ca, inventory.Change{Operation: &inventory.Operation{Run: run, Kind: inventory.OpFirmware, Step: "upload"}})) // the lock is the run's, not the claim's
	cr := claim(t, s, "one", rack)
	_, err = s.StartRun(t.Context(), cr, inventory.OpRackTest, "", "")
	ok(t, err)
	err = s.Lock(t.Context(), cr, rack)
	var held *inventory.HeldError
	if !errors.As(err, &held) || held.Lock == nil || held.Lock.Run != run {
		t.Fatalf("a rack lock beside a node lock answered %v", err)
	}
	ok(t, s.Apply(t.Context(), cr, inventory.Change{}))
	cb := claim(t, s, "one", b)
	_, err = s.StartRun(t.Context(), cb, inventory.OpBurnIn, "", "")
	ok(t, err)
	want(t, s.Lock(t.Context(), cb, a, b), inventory.ErrHeld)
	if all, err := s.Locks(t.Context()); err != nil || len(all) != 1 {
		t.Fatalf("all or nothing left %v %v", all, err)
	}
	ok(t, s.Lock(t.Context(), cb, b))
	ok(t, s.Apply(t.Context(), cb, inventory.Change{}))
	if all, err := s.Locks(t.Context()); err != nil || len(all) != 1 {
		t.Fatalf("an ended run keeps %v %v", all, err)
	}
}

func testBreakLock(t *testing.T, open Opener) {
	s := open()
	on := inventory.NodeSubject(Rack(t, s)["C01"].ID)
	c := claim(t, s, "one", on)
	run, err := s.StartRun(t.Context(), c, inventory.OpFirmware, "", "")
	ok(t, err)
	ok(t, s.Lock(t.Context(), c, on))
	id, err := s.Begin(t.Context(), c, inventory.Intent{Step: "upload", Target: "bmc-1", Effect: "flash", ReadBack: "version", Attempt: 1})
	ok(t, err)
	want(t, s.BreakLock(t.Context(), on, "ann", ""), inventory.ErrInvalid)
	ok(t, s.BreakLock(t.Context(), on, "ann", "it hangs"))
	want(t, s.Apply(t.Context(), c, inventory.Change{}), inventory.ErrStale)
	ended, err := s.Run(t.Context(), run)
	ok(t, err)
	if ended.Outcome != inventory.OutcomeUnknown {
		t.Fatalf("a broken run is %q", ended.Outcome)
	}
	want(t, s.BreakLock(t.Context(), on, "ann", "confirmed"), inventory.ErrHeld)
	c = claim(t, s, "one", on)
	ok(t, s.Apply(t.Context(), c, inventory.Change{Settles: id, Outcome: inventory.OutcomeFailed}))
	ok(t, s.BreakLock(t.Context(), on, "ann", "confirmed"))
	if all, err := s.Locks(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("a confirmed lock is still there: %v %v", all, err)
	}
}

func testBatches(t *testing.T, open Opener) {
	s := open()
	on := inventory.NodeSubject(Rack(t, s)["C01"].ID)
	c := claim(t, s, "one", on)
	run, err := s.StartRun(t.Context(), c, inventory.OpBurnIn, "", "")
	ok(t, err)
	batch := func(from, to uint64) inventory.Batch {
		return inventory.Batch{Run: run, From: from, To: to, Document: inventory.DigestOf([]byte{byte(from)})}
	}
	ok(t, s.Append(t.Context(), batch(1, 10)))
	ok(t, s.Append(t.Context(), batch(1, 10)))
	want(t, s.Append(t.Context(), batch(12, 20)), inventory.ErrConflict)
	ok(t, s.Append(t.Context(), batch(11, 20)))
	if all, err := s.Batches(t.Context(), run); err != nil || len(all) != 2 {
		t.Fatalf("batches: %v %v", all, err)
	}
}

// testOvertake: who holds the claim breaks what runs, once. It does not confirm what
// somebody else has broken meanwhile, as a person's second BreakLock does.
func testOvertake(t *testing.T, open Opener) {
	s := open()
	on := inventory.NodeSubject(Rack(t, s)["C01"].ID)
	c := claim(t, s, "one", on)
	want(t, s.Overtake(t.Context(), c, "power off"), inventory.ErrNotFound)
	_, err := s.StartRun(t.Context(), c, inventory.OpBurnIn, "", "")
	ok(t, err)
	ok(t, s.Lock(t.Context(), c, on))
	ok(t, s.BreakLock(t.Context(), on, "ann", "smoke"))
	want(t, s.Overtake(t.Context(), c, "power off"), inventory.ErrStale)
	c = claim(t, s, "one", on)
	want(t, s.Overtake(t.Context(), c, "power off"), inventory.ErrNotFound)
	all, err := s.Locks(t.Context())
	ok(t, err)
	if len(all) != 1 || all[0].State != "needs-repair" {
		t.Errorf("locks %+v, want the one that waits for a person", all)
	}
	ok(t, s.BreakLock(t.Context(), on, "ann", "I looked"))
	_, err = s.StartRun(t.Context(), c, inventory.OpBurnIn, "", "")
	ok(t, err)
	ok(t, s.Lock(t.Context(), c, on))
	ok(t, s.Overtake(t.Context(), c, "power off, asked for by fay"))
	all, err = s.Locks(t.Context())
	ok(t, err)
	if len(all) != 1 || all[0].State != "needs-repair" {
		t.Errorf("locks %+v after it was overtaken", all)
	}
	_, err = s.Renew(t.Context(), c)
	want(t, err, inventory.ErrStale)
}
