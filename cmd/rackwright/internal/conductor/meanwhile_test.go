package conductor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// soak is a burn-in that takes days, as far as others see it.
type soak struct{ b *bay }

func (s *soak) Kind() inventory.OpKind { return inventory.OpBurnIn }

func (s *soak) Make(ctx context.Context, t Turn, _ lifecycle.Facts) (Result, bool, error) {
	if op := t.Operation(); op != nil {
		return keep(*op, nil, 20*time.Millisecond)
	}
	op, shut, err := open(ctx, s.b, t, inventory.OpBurnIn, "")
	if err != nil || shut != nil {
		return deref(shut), false, err
	}
	op.Step = "soak"
	return keep(*op, nil, 0)
}

// soaking is a tray whose host is on and burns in.
func soaking(t *testing.T) *bay {
	t.Helper()
	b := newBay(t, inventory.NodeBaselined, []inventory.Gate{"suite.verdict"}, func(b *bay, s *Steps) {
		errands(b, s)
		s.Makers[inventory.NodeBurnedIn] = &soak{b}
	}, func(s *bmcsim.Spec) { s.PowerOn = true })
	b.ask(inventory.OpBurnIn, "")
	b.work("it burns in", func() bool { return b.op() == "burn_in soak" })
	return b
}

func (b *bay) isOff(run inventory.RunID) {
	b.t.Helper()
	if got := b.answered(run); got.Result != lineOK || b.resets()["1 ForceOff"] != 1 {
		b.t.Errorf("%+v, the host was told %v", got, b.resets())
	}
	b.work("the host is off", func() bool { return b.bmc.Power() == "Off" })
	b.turns(5)
	if b.op() != "" || b.bmc.Power() != "Off" || b.resets()["1 On"] != 0 {
		b.t.Errorf("runs %q, the host is %s, told %v", b.op(), b.bmc.Power(), b.resets())
	}
}

// TestPowerOffDuringWork: who asks for power off may stand before water. What runs
// is broken, and its lock keeps new work out until a person has looked.
func TestPowerOffDuringWork(t *testing.T) {
	b := soaking(t)
	b.isOff(b.ask(inventory.OpPower, `{"action":"force-off"}`))
	if !b.blocked("conductor.locked") {
		t.Errorf("blockers %s", b.said())
	}
	b.breakOff() // the confirmation
	b.work("it burns in again, for it is asked to", func() bool { return b.op() == "burn_in soak" })
}

// TestPowerDuringWork: nothing waits for days to restart a machine.
func TestPowerDuringWork(t *testing.T) {
	b := soaking(t)
	for _, action := range []string{"on", "restart"} {
		if got := b.answered(b.ask(inventory.OpPower, `{"action":"`+action+`"}`)); got.Result != lineRefused || !strings.Contains(got.Detail, "rackwright break A12/C01") {
			t.Errorf("%s: %+v", action, got)
		}
	}
	if b.op() != "burn_in soak" || len(b.resets()) != 0 {
		t.Errorf("runs %q, told %v", b.op(), b.resets())
	}
}

// TestPowerOffWhenItMayNot: a step that must not be interrupted is not; who asked
// reads at once that the host is on, and it goes off after the step.
func TestPowerOffWhenItMayNot(t *testing.T) {
	b := soaking(t)
	b.edit(func(op *inventory.Operation) { op.Abort = inventory.AbortNever })
	off := b.ask(inventory.OpPower, `{"action":"force-off"}`)
	b.work("who asked is told", func() bool { return strings.Contains(b.line(off).Detail, "NOT known to be off") })
	if b.line(off).Result != lineRunning || b.op() != "burn_in soak" || len(b.resets()) != 0 {
		t.Fatalf("%+v, runs %q, told %v", b.line(off), b.op(), b.resets())
	}
	b.edit(func(op *inventory.Operation) { op.Abort = inventory.AbortSafe })
	b.isOff(off)
}

// TestPowerOffTooLate: who asked so long ago does not expect it any more: nothing is
// broken for a power off that would not follow.
func TestPowerOffTooLate(t *testing.T) {
	was := budgets[inventory.OpPower]
	budgets[inventory.OpPower] = 300 * time.Millisecond
	defer func() { budgets[inventory.OpPower] = was }()
	b := soaking(t)
	b.edit(func(op *inventory.Operation) { op.Abort = inventory.AbortNever })
	if got := b.answered(b.ask(inventory.OpPower, `{"action":"force-off"}`)); got.Result != lineFailed || !strings.Contains(got.Detail, "NOT known to be off") {
		t.Errorf("%+v", got)
	}
	b.edit(func(op *inventory.Operation) { op.Abort = inventory.AbortSafe })
	b.turns(5)
	if b.op() != "burn_in soak" || len(b.resets()) != 0 {
		t.Errorf("runs %q, told %v", b.op(), b.resets())
	}
}

// TestPowerOffAfterALatch: a safety latch breaks what runs, and the lock that it
// leaves does not keep the host on; power on waits, and says for what.
func TestPowerOffAfterALatch(t *testing.T) {
	for _, on := range []string{"tray", "rack"} {
		b := soaking(t)
		b.must(b.SavePerson(t.Context(), inventory.Person{ID: "fay", Grants: []inventory.Grant{{Role: inventory.RoleFacilities}}}))
		at := inventory.NodeSubject(b.node("C01").ID)
		if on == "rack" {
			at = inventory.RackSubject(b.node("C01").Rack)
		}
		b.must(b.Hold(t.Context(), at, inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "smoke"}))
		b.isOff(b.ask(inventory.OpPower, `{"action":"force-off"}`))
		b.must(b.Lift(t.Context(), at, inventory.HoldSafetyLatch, "fay", "dry"))
		again := b.ask(inventory.OpPower, `{"action":"on"}`)
		b.work("who asked is told", func() bool { return strings.HasPrefix(b.line(again).Detail, "not sent yet") })
		if b.line(again).Result != lineRunning || b.resets()["1 On"] != 0 {
			t.Errorf("%+v, told %v", b.line(again), b.resets())
		}
	}
}

// TestPowerUnderAHold: a hold pauses a power-on that waits for its BMC; a power off
// overtakes it all the same.
func TestPowerUnderAHold(t *testing.T) {
	b := errandBay(t, true)
	b.faults(loginsFail)
	on := b.ask(inventory.OpPower, `{"action":"restart"}`)
	b.work("the restart is under way", func() bool { return b.op() == "power power" })
	b.must(b.Hold(t.Context(), inventory.NodeSubject(b.node("C01").ID), inventory.Hold{Name: inventory.HoldQuarantine, Reason: "smells"}))
	b.turns(3)
	off := b.ask(inventory.OpPower, `{"action":"force-off"}`)
	b.work("who asked for power off is told", func() bool { return strings.Contains(b.line(off).Detail, "NOT known to be off") })
	if b.line(on).Result != lineRefused {
		t.Errorf("the restart is told %+v", b.line(on))
	}
	b.fleet.ClearFaults()
	b.isOff(off)
}

// TestPowerOffBehindWhatIsLost: the answer to a restart is lost and its BMC silent.
// Who asks for power off is told at once, though another's action comes first.
func TestPowerOffBehindWhatIsLost(t *testing.T) {
	b := errandBay(t, true)
	b.faults(bmcsim.Fault{Method: "POST", Path: "*" + hostReset, Reset: "after"})
	b.begun = func(inventory.Intent) { b.silence() }
	on := b.ask(inventory.OpPower, `{"action":"restart"}`)
	b.work("nobody knows", func() bool { return b.outcomes() == "open" && b.blocked("conductor.unreachable") })
	if l := b.line(on); !strings.HasPrefix(l.Detail, "sent, and") {
		t.Errorf("who asked for the restart is told %+v", l)
	}
	off := b.ask(inventory.OpPower, `{"action":"force-off"}`)
	b.work("who asked for power off is told", func() bool { return strings.Contains(b.line(off).Detail, "NOT known to be off") })
	b.begun = nil
	b.fleet.ClearFaults()
	b.isOff(off)
}

// TestPowerOffForced: an operating system that does not shut down is not waited for
// when somebody asks for force.
func TestPowerOffForced(t *testing.T) {
	b := newBay(t, inventory.NodeSecured, nil, func(b *bay, s *Steps) {
		s.Extra[inventory.OpPower] = &Power{Store: b, Access: b.access, Poll: 20 * time.Millisecond, Quiet: 6 * time.Second}
	}, func(s *bmcsim.Spec) { s.PowerOn, s.Timing.PowerOff = true, 3*time.Second })
	soft := b.ask(inventory.OpPower, `{"action":"off"}`)
	b.work("it shuts down", func() bool { return strings.Contains(b.line(soft).Detail, "NOT known to be off") })
	other := b.ask(inventory.OpPower, `{"action":"off"} `) // somebody else, in front of the one that forces it
	off := b.ask(inventory.OpPower, `{"action":"force-off"}`)
	b.work("it was forced", func() bool { return b.resets()["1 ForceOff"] == 1 })
	if l := b.line(soft); l.Result != lineFailed || !strings.Contains(l.Detail, "force") {
		t.Errorf("who asked for a shut-down is told %+v", l)
	}
	if l := b.answered(other); l.Result != lineOK {
		t.Errorf("it is off, and the other one is told %+v", l)
	}
	b.isOff(off)
}

// TestPowerOffAfterOn: a BMC that shows Off after it took a power-on proves nothing.
func TestPowerOffAfterOn(t *testing.T) {
	b := newBay(t, inventory.NodeSecured, nil, errands, func(s *bmcsim.Spec) { s.Timing.PowerOn = 400 * time.Millisecond })
	if got := b.answered(b.ask(inventory.OpPower, `{"action":"on"}`)); got.Result != lineOK {
		t.Fatalf("%+v", got)
	}
	off := b.ask(inventory.OpPower, `{"action":"force-off"}`)
	if got := b.answered(off); got.Result != lineOK && !strings.Contains(got.Detail, "NOT known to be off") {
		t.Errorf("%+v", got)
	}
	if b.resets()["1 ForceOff"] != 1 {
		t.Errorf("told %v", b.resets())
	}
	time.Sleep(time.Second)
	if b.line(off).Result == lineOK && b.bmc.Power() != "Off" {
		t.Errorf("answered ok, and the host is %s", b.bmc.Power())
	}
}

// TestPowerExpires: what could not begin for so long that nobody expects it any
// more is answered, and does not strike later.
func TestPowerExpires(t *testing.T) {
	was := budgets[inventory.OpPower]
	budgets[inventory.OpPower] = 300 * time.Millisecond
	defer func() { budgets[inventory.OpPower] = was }()
	b := soaking(t)
	b.breakOff()
	on := b.ask(inventory.OpPower, `{"action":"on"}`)
	if got := b.answered(on); got.Result != lineFailed || !strings.Contains(got.Detail, "not sent within") {
		t.Errorf("%+v", got)
	}
	b.breakOff()
	b.turns(3)
	if len(b.resets()) != 0 {
		t.Errorf("told %v", b.resets())
	}
}
