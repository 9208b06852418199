package bmcsim

import (
	"net/http"
	"testing"
	"time"
)

func nvidiaStaged(p *peer, id string) (version, state string) {
	slot := p.get(inventory + "/" + id)["Oem"].(object)["Nvidia"].(object)["InactiveFirmwareSlot"].(object)
	return str(slot, "Version"), str(slot, "FirmwareState")
}

// back polls until the BMC answers again and logs in.
func (p *peer) back() {
	p.t.Helper()
	p.token = "none"
	eventually(p.t, "the BMC is back", func() bool { a, err := p.try("GET", root, nil); return err == nil && a.StatusCode == 200 })
	p.login()
}

func TestHostResetActivates(t *testing.T) {
	_, p := rig(t, ProfileHGX, func(s *Spec) { s.PowerOn = true })
	p.login()
	sys, id := systems+"/DGX", "HGX_FW_GPU_SXM_1"
	a := p.push(202, object{"Targets": []string{chassis + "/HGX_Chassis_0"}, "ForceUpdate": true, "Oem": object{"Nvidia": object{"UpdateOption": "StageAndActivate"}}}, Payload("HGX_FW_GPU_*", "97.1"))
	end := p.finished(a.Header.Get("Location"))
	equal(t, "task", str(end.body, "TaskState"), "Completed")
	equal(t, "active before", p.version(id), "96.00.99.00.01")
	v, s := nvidiaStaged(p, id)
	equal(t, "staged", []string{v, s}, []string{"97.1", "Staged"})
	p.want(204, "POST", managers+"/BMC/Actions/Manager.Reset", object{"ResetType": "ForceRestart"})
	time.Sleep(50 * time.Millisecond)
	p.back()
	equal(t, "a BMC reset is the wrong verb", p.version(id), "96.00.99.00.01")
	p.want(204, "POST", resetPath(sys), object{"ResetType": "ForceRestart"})
	eventually(t, "active", func() bool { return p.version(id) == "97.1" })
	equal(t, "processor", p.get(systems + "/HGX_Baseboard_0/Processors/GPU_SXM_1")["FirmwareVersion"], "97.1")
	_, s = nvidiaStaged(p, id)
	equal(t, "slot", s, "Inactive")
	equal(t, "another component", p.version("HGX_FW_NVSwitch_0"), "96.10.57.00.01")
	c := p.b.Counters()
	equal(t, "one flash of 8 components", []int{len(c.Flashes), len(c.Flashes[0].Components)}, []int{1, 8})
}

func TestBMCResetActivatesAndForgets(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	p.finished(p.push(202, object{}, Payload("BMC", "2.0")).Header.Get("Location"))
	staged := p.get(inventory + "/BMC_Staged")
	equal(t, "staged member", []any{staged["Version"], staged["Staged"], staged["SoftwareId"]}, []any{"2.0", true, p.get(inventory + "/BMC")["SoftwareId"]})
	p.want(400, "POST", managers+"/BMC/Actions/Manager.Reset", object{"ResetType": "Sideways"})
	p.want(204, "POST", managers+"/BMC/Actions/Manager.Reset", object{"ResetType": "ForceRestart"})
	time.Sleep(50 * time.Millisecond)
	if a, err := p.try("GET", root, nil); err == nil {
		t.Errorf("the BMC answers %s while it restarts", a.Status)
	}
	eventually(t, "the BMC is back", func() bool { a, err := p.try("GET", root, nil); return err == nil && a.StatusCode == 200 })
	p.want(401, "GET", tasks, nil) // the session is gone
	p.login()
	equal(t, "version", []any{p.version("BMC"), p.get(managers + "/BMC")["FirmwareVersion"]}, []any{"2.0", "2.0"})
	equal(t, "tasks", p.get(tasks)["Members@odata.count"], 0)
	p.want(404, "GET", inventory+"/BMC_Staged", nil)
	equal(t, "resets", p.b.Counters().ResetCount(), 1)
}

func TestAuxCycleNeedsTheHostOff(t *testing.T) {
	_, p := rig(t, ProfileGB200, func(s *Spec) { s.PowerOn = true })
	p.login()
	sys, aux := systems+"/System_0", chassis+"/BMC_0/Actions/Oem/NvidiaChassis.AuxPowerReset"
	p.finished(p.push(202, object{}, Payload("HGX_FW_GPU_*", "98")).Header.Get("Location"))
	p.want(204, "POST", resetPath(sys), object{"ResetType": "ForceRestart"})
	eventually(t, "a boot", func() bool { return len(p.b.Boots()) == 1 })
	equal(t, "a host reset is the wrong verb", p.version("HGX_FW_GPU_0"), "97.00.72.00.00")
	a := p.want(400, "POST", aux, object{"ResetType": "AuxPowerCycle"})
	equal(t, "message", messageID(a.body), "Base.1.18.ChassisPowerStateOffRequired")
	p.want(204, "POST", resetPath(sys), object{"ResetType": "ForceOff"})
	eventually(t, "Off", func() bool { return p.b.Power() == powerOff })
	p.want(400, "POST", aux, object{"ResetType": "Nothing"})
	p.want(204, "POST", aux, object{"ResetType": "AuxPowerCycle"})
	time.Sleep(50 * time.Millisecond)
	p.back()
	equal(t, "version", p.version("HGX_FW_GPU_3"), "98")
	equal(t, "the host stays off", p.b.Power(), powerOff)
}

func TestOnResetStages(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.PowerOn = true })
	p.login()
	p.finished(p.push(202, object{"@Redfish.OperationApplyTime": "OnReset"}, Payload("NIC_0", "9")).Header.Get("Location"))
	equal(t, "before", p.version("NIC_0"), "223.0.161.0")
	p.want(204, "POST", resetPath(systems+"/1"), object{"ResetType": "ForceRestart"})
	eventually(t, "after", func() bool { return p.version("NIC_0") == "9" })
}

// TestTaskLostAtReset: the BMC restarts itself, the task is gone, the flash was written.
func TestTaskLostAtReset(t *testing.T) {
	_, p := rig(t, ProfileHGX, func(s *Spec) { s.PowerOn = true; s.Update.Faults = UpdateFaults{Count: 1, TaskLostAt: 50} })
	p.login()
	a := p.push(202, object{}, Payload("HGX_FW_GPU_SXM_1", "97.1"))
	eventually(t, "the BMC goes away", func() bool { _, err := p.try("GET", root, nil); return err != nil })
	p.back()
	p.want(404, "GET", a.Header.Get("Location"), nil)
	p.want(404, "GET", tasks+"/1", nil)
	v, s := nvidiaStaged(p, "HGX_FW_GPU_SXM_1")
	equal(t, "it was written", []string{v, s}, []string{"97.1", "Staged"})
	c := p.b.Counters()
	equal(t, "flashes, client's resets", []int{len(c.Flashes), c.ResetCount()}, []int{1, 0})
}

func TestPowerLossInABankWrite(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.PowerOn = true; s.Timing.Update = time.Minute })
	p.login()
	p.push(202, object{}, Payload("NIC_0", "9"))
	p.b.ACCycle()
	p.back()
	fw := p.get(inventory + "/NIC_0")
	equal(t, "bricked", []string{str(fw, "Version"), str(fw, "Status", "Health")}, []string{"", "Critical"})
	equal(t, "counted", p.b.Counters().BankInterrupt, 1)
	eventually(t, "LastState: on again", func() bool { return p.b.Power() == powerOn })
}

func TestAwayLosesSessions(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	p.b.Away(150 * time.Millisecond)
	if _, err := p.try("GET", root, nil); err == nil {
		t.Error("an absent BMC answers")
	}
	eventually(t, "back", func() bool { a, err := p.try("GET", root, nil); return err == nil && a.StatusCode == http.StatusOK })
	p.want(401, "GET", systems, nil)
}

func TestPausedTaskEndsWithTheReset(t *testing.T) {
	_, p := rig(t, ProfileHGX, func(s *Spec) { s.PowerOn = true; s.Update.Faults = UpdateFaults{Pause: true} })
	p.login()
	monitor := p.push(202, object{}, Payload("HGX_FW_GPU_SXM_1", "97.1")).Header.Get("Location")
	eventually(t, "Stopping", func() bool { return str(p.get(tasks+"/1"), "TaskState") == "Stopping" })
	p.want(202, "GET", monitor, nil)
	p.want(204, "POST", resetPath(systems+"/DGX"), object{"ResetType": "ForceRestart"})
	equal(t, "then", str(p.finished(monitor).body, "TaskState"), "Completed")
}

func TestBackgroundCopy(t *testing.T) {
	_, p := rig(t, ProfileGB200, func(s *Spec) { s.Update.Faults = UpdateFaults{BackgroundCopy: 200 * time.Millisecond} })
	p.login()
	status := func() string { return str(p.get(chassis+"/HGX_ERoT_CPU_0"), "Oem", "Nvidia", "BackgroundCopyStatus") }
	equal(t, "at first", status(), "Completed")
	p.finished(p.push(202, object{}, Payload("HGX_FW_CPU_*", "3")).Header.Get("Location"))
	equal(t, "after the write", status(), "InProgress")
	eventually(t, "done", func() bool { return status() == "Completed" })
}

// TestForeignUpdater: busy, a task that is not ours, and no flash.
func TestForeignUpdater(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	if err := p.b.Foreign("NIC_0", "7"); err != nil {
		t.Fatal(err)
	}
	if p.b.Foreign("NIC_0", "8") == nil || p.b.Foreign("nobody", "8") == nil {
		t.Error("nonsense was accepted")
	}
	p.push(503, object{}, Payload("NIC_0", "9"))
	equal(t, "tasks", p.get(tasks)["Members@odata.count"], 1)
	eventually(t, "its end", func() bool { return p.version("NIC_0") == "7" })
	c := p.b.Counters()
	equal(t, "flashes, refused", []int{len(c.Flashes), c.RefusedBusy}, []int{0, 1})
}

// TestHostVerbInABankWrite: it breaks what the host carries, not the BMC's own flash.
func TestHostVerbInABankWrite(t *testing.T) {
	for component, broken := range map[string]int{"HGX_FW_GPU_SXM_1": 1, "HostBMC_0": 0} {
		_, p := rig(t, ProfileHGX, func(s *Spec) { s.PowerOn = true; s.Timing.Update = 300 * time.Millisecond })
		p.login()
		monitor := p.push(202, object{}, Payload(component, "9")).Header.Get("Location")
		p.want(204, "POST", resetPath(systems+"/DGX"), object{"ResetType": "ForceRestart"})
		end := p.finished(monitor)
		equal(t, component, []any{p.b.Counters().BankInterrupt, str(end.body, "TaskState") == "Exception"}, []any{broken, broken == 1})
	}
}
