package conductor

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// TestPausedByAHold: a hold that comes in the middle stops the next action, and
// never what is under way.
func TestPausedByAHold(t *testing.T) {
	flash := func(p firmware.Phase) inventory.Operation {
		raw, err := json.Marshal(flashState{firmware.Progress{Step: 1, Phase: p}})
		if err != nil {
			t.Fatal(err)
		}
		return inventory.Operation{Run: "r", Kind: inventory.OpFirmware, State: raw}
	}
	burn := func(step string) inventory.Operation {
		return inventory.Operation{Run: "r", Kind: inventory.OpBurnIn, Step: step}
	}
	open := []inventory.Intent{{ID: "i"}}
	for _, x := range []struct {
		name      string
		m         Maker
		op        inventory.Operation
		hold      inventory.HoldName
		unsettled []inventory.Intent
		want      bool
	}{
		{"before the bytes of a flash", &Flash{}, flash(firmware.PhaseClear), inventory.HoldVendor, nil, true},
		{"between two flashes", &Flash{}, flash(firmware.PhaseLook), inventory.HoldQuarantine, nil, true},
		{"a flash under way", &Flash{}, flash(firmware.PhaseRunning), inventory.HoldVendor, nil, false},
		{"a flash nobody knows of", &Flash{}, flash(firmware.PhaseClear), inventory.HoldVendor, open, false},
		{"the last reading", &Flash{}, flash(firmware.PhaseDone), inventory.HoldVendor, nil, false},
		{"a hold that stops automatic starts alone", &Flash{}, flash(firmware.PhaseClear), inventory.HoldMaintenance, nil, false},
		{"before a reset", &Burn{}, burn(burnReset), inventory.HoldQuarantine, nil, true},
		{"a test under way", &Burn{}, burn(burnTest), inventory.HoldQuarantine, nil, false},
		{"before a password change", &Secure{}, inventory.Operation{Kind: inventory.OpSecure, Step: secureChange}, inventory.HoldVendor, nil, true},
		{"before a switch-on", &Power{}, inventory.Operation{Kind: inventory.OpPower, Detail: "On"}, inventory.HoldQuarantine, nil, true},
		{"before a switch-off", &Power{}, inventory.Operation{Kind: inventory.OpPower, Detail: "ForceOff"}, inventory.HoldQuarantine, nil, false},
		{"before its proof", &Secure{}, inventory.Operation{Kind: inventory.OpSecure, Step: secureProve}, inventory.HoldVendor, nil, false},
	} {
		for _, on := range []string{"node", "rack"} {
			turn := Turn{Claim: inventory.Claim{Subject: inventory.NodeSubject("n1")}, Node: inventory.Node{ID: "n1", Operation: &x.op}, Unsettled: x.unsettled}
			holds := []inventory.Hold{{Name: x.hold, Reason: "look first"}}
			if on == "node" {
				turn.Node.Holds = holds
			} else {
				turn.Rack.Holds = holds
			}
			r, got, err := paused(turn, lifecycle.Facts{}, x.m)
			if err != nil || got != x.want || got && (r.Operation == nil || len(r.Blockers) != 1 || r.Wait <= 0) {
				t.Errorf("%s, held %s: paused %v %+v %v, want %v", x.name, on, got, r, err, x.want)
			}
		}
	}
}

// locksOnly is a record that answers one question; any other call panics.
type locksOnly struct {
	Store
	locks []inventory.Lock
}

func (s locksOnly) Locks(context.Context) ([]inventory.Lock, error) { return s.locks, nil }

// TestALockedNodeBeginsNoRun: a lock waits for a person, perhaps for days; a run
// each quarter of a minute would fill the journal.
func TestALockedNodeBeginsNoRun(t *testing.T) {
	turn := Turn{Claim: inventory.Claim{Subject: inventory.NodeSubject("n1")}, Node: inventory.Node{ID: "n1"}, Rack: inventory.Rack{ID: "r1"}}
	for _, on := range []inventory.Subject{inventory.NodeSubject("n1"), inventory.RackSubject("r1")} {
		_, shut, err := open(t.Context(), locksOnly{locks: []inventory.Lock{{Scope: on, Run: "old", State: "needs-repair"}}}, turn, inventory.OpFirmware, "")
		if err != nil || shut == nil || len(shut.Blockers) != 1 || shut.Wait <= 0 {
			t.Errorf("%s locked: %+v %v", on, shut, err)
		}
	}
}

// TestUnaskedSensorsAreNoPass: a reading that moved the node back to installed
// did not ask the leak sensors. Nothing is filed; the record would panic.
func TestUnaskedSensorsAreNoPass(t *testing.T) {
	if err := (&Sweep{Store: locksOnly{}}).file(t.Context(), Turn{}, lifecycle.Facts{}, inventory.Observation{}, reading{}, inventory.NodeDiscovered); err != nil {
		t.Error(err)
	}
}

func TestOverBudget(t *testing.T) {
	turn := Turn{Node: inventory.Node{ID: "n1", Address: "A/1"}}
	for kind, want := range map[time.Duration]bool{-time.Minute: true, time.Minute: false} {
		op := inventory.Operation{Kind: inventory.OpSecure, Since: time.Now().Add(-time.Hour), Deadline: time.Now().Add(kind)}
		if got := over(turn, op); (got != nil) != want {
			t.Errorf("deadline in %s: %+v", kind, got)
		}
	}
	if over(turn, inventory.Operation{}) != nil {
		t.Error("no deadline is over")
	}
}

// TestRefusedWait: a BMC that refuses a password is not written to each quarter
// of a minute for ever.
func TestRefusedWait(t *testing.T) {
	for attempt, want := range map[int]time.Duration{1: heldWait, 2: heldWait, 3: 2 * heldWait, 4: 4 * heldWait, 100: 30 * time.Minute} {
		if got := refusedWait(attempt); got != want {
			t.Errorf("attempt %d waits %s, want %s", attempt, got, want)
		}
	}
}

func TestNotReadIsNotWrong(t *testing.T) {
	blind := firmware.Mismatch{State: string(inventory.StateReadFailed)}
	for _, x := range []struct {
		all  []firmware.Mismatch
		want bool
	}{{nil, false}, {[]firmware.Mismatch{blind}, true}, {[]firmware.Mismatch{blind, {State: "old"}}, false}, {[]firmware.Mismatch{{State: "absent"}}, false}} {
		if got := blindOnly(x.all); got != x.want {
			t.Errorf("%+v: %v", x.all, got)
		}
	}
}

// TestPowerOffUnderAHold: a leaking tray may always be switched off, by nobody
// switched on.
func TestPowerOffUnderAHold(t *testing.T) {
	for _, x := range []struct {
		action string
		hold   inventory.HoldName
		held   bool
	}{
		{"force-off", inventory.HoldSafetyLatch, false}, {"off", inventory.HoldQuarantine, false}, {"on", inventory.HoldSafetyLatch, true},
		{"restart", inventory.HoldQuarantine, true}, {"off", inventory.HoldVendor, true}, {"", inventory.HoldSafetyLatch, true},
	} {
		holds := []inventory.Hold{{Name: x.hold, Reason: "a leak"}}
		req := inventory.Request{Op: inventory.OpPower, Args: []byte(`{"action":"` + x.action + `"}`)}
		for _, turn := range []Turn{{Node: inventory.Node{Holds: holds}}, {Rack: inventory.Rack{Holds: holds}}} {
			if _, held := forbiddenRequest(turn, lifecycle.Facts{}, req); held != x.held {
				t.Errorf("%q under %s: held %v", x.action, x.hold, held)
			}
		}
	}
	if _, held := forbiddenRequest(Turn{Node: inventory.Node{Milestone: inventory.NodeHandedOver}}, lifecycle.Facts{}, inventory.Request{Op: inventory.OpPower, Args: []byte(`{"action":"off"}`)}); !held {
		t.Error("the customer's node was switched off")
	}
}

// TestLatchComesFirst: under a safety latch nobody is sent to check a cable.
func TestLatchComesFirst(t *testing.T) {
	latched := []inventory.Hold{{Name: inventory.HoldMaintenance}, {Name: inventory.HoldSafetyLatch, Reason: "smoke"}}
	list := []inventory.Blocker{{Gate: lifecycle.GateLeak, Fix: "gate.leak.none"}, {Fix: "conductor.unreachable"}}
	for name, turn := range map[string]Turn{"A12/C01": {Node: inventory.Node{ID: "n", Address: "A12/C01", Holds: latched}, Rack: inventory.Rack{Name: "A12"}},
		"A12": {Node: inventory.Node{ID: "n", Address: "A12/C01"}, Rack: inventory.Rack{Name: "A12", Holds: latched}}} {
		r, err := safe(turn, Result{Change: inventory.Change{Blockers: slices.Clone(list)}}, nil)
		if err != nil || len(r.Blockers) != 2 || r.Blockers[0].Gate != lifecycle.GateLeak || r.Blockers[1].Owner != inventory.OwnerFacilities ||
			inventory.Sentence(r.Blockers[1].Fix, r.Blockers[1].Args) != "Make "+name+" safe, then lift its latch: rackwright release "+name+" safety-latch. smoke" {
			t.Errorf("%s: %+v %v", name, r.Blockers, err)
		}
	}
	if r, _ := safe(Turn{}, Result{Change: inventory.Change{Blockers: list}}, nil); len(r.Blockers) != 2 {
		t.Errorf("without a latch: %+v", r.Blockers)
	}
}

// TestNothingBeginsOnALeak: without any hold, what leaks or cannot be read is not
// switched on, and what runs on it stands still between two actions.
func TestNothingBeginsOnALeak(t *testing.T) {
	f := lifecycle.Facts{Node: inventory.Node{ID: "n", Milestone: inventory.NodeVerified}}
	for result, shut := range map[inventory.Result]bool{"": false, inventory.ResultPass: false, inventory.ResultFail: true, inventory.ResultUnjudged: true} {
		if f.Evidence = nil; result != "" {
			f.Evidence = []inventory.Evidence{{Subject: inventory.NodeSubject("n"), Gate: lifecycle.GateLeak, Producer: inventory.ByMachine, Result: result}}
		}
		turn := Turn{Node: f.Node}
		turn.Node.Operation = &inventory.Operation{Run: "r", Kind: inventory.OpBurnIn, Step: burnReset}
		if _, stands, err := paused(turn, f, &Burn{}); stands != shut || err != nil {
			t.Errorf("leak reading %q: stands still %v, %v", result, stands, err)
		}
		turn.Node.Operation = &inventory.Operation{Run: "r", Kind: inventory.OpSecure, Step: secureChange}
		if _, stands, err := paused(turn, f, &Secure{}); stands || err != nil {
			t.Errorf("leak reading %q: a BMC that was reset is not opened again: %v", result, err)
		}
		turn.Node.Operation = &inventory.Operation{Run: "r", Kind: inventory.OpPower, Detail: "On", Since: time.Now().Add(-time.Hour), Deadline: time.Now().Add(-time.Minute)}
		if _, stands, err := paused(turn, f, &Power{}); stands || err != nil {
			t.Errorf("leak reading %q: who asked for power an hour ago is never answered: %v", result, err)
		}
		for action, held := range map[string]bool{"on": shut, "restart": shut, "off": false, "force-off": false} {
			if _, got := forbiddenRequest(Turn{Node: f.Node}, f, inventory.Request{Op: inventory.OpPower, Args: []byte(`{"action":"` + action + `"}`)}); got != held {
				t.Errorf("leak reading %q, power %s: refused %v", result, action, got)
			}
		}
	}
}
