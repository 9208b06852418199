package bmcsim

import (
	"slices"
	"testing"
	"time"
)

// TestFullPowerCycle: the verb of the System that cuts standby power too.
func TestFullPowerCycle(t *testing.T) {
	_, p := rig(t, ProfileGB200, func(s *Spec) { s.PowerOn = true })
	p.login()
	p.finished(p.push(202, object{}, Payload("HGX_FW_FPGA_*", "1.99")).Header.Get("Location"))
	p.want(204, "POST", resetPath(systems+"/System_0"), object{"ResetType": "FullPowerCycle"})
	eventually(t, "on again", func() bool { return p.b.Power() == powerOn && len(p.b.Boots()) == 1 })
	p.back()
	equal(t, "version", p.version("HGX_FW_FPGA_1"), "1.99")
	equal(t, "verb of the boot", p.b.Boots()[0].Verb, "FullPowerCycle")
	equal(t, "resets", p.b.Counters().ResetCount(), 1)
}

// TestPowerRestorePolicy: what a host does when AC comes back.
func TestPowerRestorePolicy(t *testing.T) {
	for _, c := range []struct {
		policy    string
		on        bool
		afterward string
	}{{"LastState", true, powerOn}, {"LastState", false, powerOff}, {"AlwaysOff", true, powerOff}, {"AlwaysOn", false, powerOn}} {
		_, p := rig(t, ProfileX86, func(s *Spec) { s.PowerOn = c.on })
		p.login()
		p.want(200, "PATCH", systems+"/1", object{"PowerRestorePolicy": c.policy})
		p.b.ACCycle()
		equal(t, "at once", p.b.Power(), powerOff)
		p.back()
		if c.afterward == powerOn {
			eventually(t, c.policy, func() bool { return p.b.Power() == powerOn })
			continue
		}
		time.Sleep(100 * time.Millisecond)
		equal(t, c.policy, p.b.Power(), powerOff)
	}
}

// TestACCycleStopsTheHost: the machine behind the BMC loses power, once, and starts again.
func TestACCycleStopsTheHost(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.PowerOn = false })
	h := &box{}
	p.b.SetHost(h)
	p.login()
	p.want(204, "POST", resetPath(systems+"/1"), object{"ResetType": "On"})
	eventually(t, "a start", func() bool { return len(h.list()) == 1 })
	p.b.ACCycle()
	eventually(t, "a second start", func() bool { return slices.Equal(h.list(), []string{"on None", "off false", "on None"}) })
}

// TestHeldUpdateEndsWithTheBMC: a stuck update is cleared by a BMC reset, and counted.
func TestHeldUpdateEndsWithTheBMC(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Update.Faults = UpdateFaults{Count: 1, HoldAt: 100} })
	p.login()
	p.push(202, object{}, Payload("NIC_0", "9"))
	eventually(t, "100 % and still running", func() bool {
		b := p.get(tasks + "/1")
		return b["PercentComplete"] == 100.0 && str(b, "TaskState") == "Running"
	})
	p.want(204, "POST", managers+"/BMC/Actions/Manager.Reset", object{"ResetType": "GracefulRestart"})
	time.Sleep(50 * time.Millisecond)
	p.back()
	if p.b.Release() {
		t.Error("something is still held")
	}
	equal(t, "interrupted", p.b.Counters().BankInterrupt, 1)
	equal(t, "version", p.version("NIC_0"), "223.0.161.0")
	p.finished(p.push(202, object{}, Payload("NIC_0", "9")).Header.Get("Location"))
	equal(t, "version", p.version("NIC_0"), "9")
}
