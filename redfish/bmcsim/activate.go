package bmcsim

import (
	"net/http"
	"path"
	"time"
)

// written is the end of a bank write: versions become active or staged. The caller holds the lock.
func (b *BMC) written(j *job) {
	b.update.job = nil
	b.copyBank(j.faults.BackgroundCopy)
	for _, id := range sorted(j.writes) {
		version := j.writes[id]
		if j.faults.WrongVersion != "" {
			version = j.faults.WrongVersion
		}
		c := b.update.components[id]
		if contains(j.faults.Unchanged, id) {
			continue
		}
		c.needs = c.Activation
		if j.params.ApplyTime == "OnReset" && (c.needs == Immediate || c.needs == "") {
			c.needs = HostReset
		}
		if c.needs == Immediate || c.needs == "" {
			b.live(c, version)
			continue
		}
		c.staged = version
		b.showStaged(c)
	}
}

func contains(list []string, one string) bool {
	for _, s := range list {
		if s == one {
			return true
		}
	}
	return false
}

// live makes a version the active one. The caller holds the lock.
func (b *BMC) live(c *component, version string) {
	c.Version, c.staged, c.needs = version, "", ""
	at := inventory + "/" + c.ID
	b.tree.set(at, object{"Version": version})
	if b.spec.nvidia() {
		b.tree.set(at, object{"Oem": object{"Nvidia": object{"ActiveFirmwareSlot": object{"Version": version}, "InactiveFirmwareSlot": object{"FirmwareState": "Inactive"}}}})
	} else {
		b.tree.remove(at + "_Staged")
	}
	carryVersion(b.tree, c.Firmware, version)
}

// showStaged makes a staged version visible; see the package comment. The caller holds the lock.
func (b *BMC) showStaged(c *component) {
	at := inventory + "/" + c.ID
	if b.spec.nvidia() {
		b.tree.set(at, object{"Oem": object{"Nvidia": object{"InactiveFirmwareSlot": object{"Version": c.staged, "FirmwareState": "Staged"}}}})
		return
	}
	b.tree.add(at+"_Staged", "SoftwareInventory.v1_13_0", "Staged Software", object{
		"Version": c.staged, "SoftwareId": c.SoftwareID, "Staged": true, "Active": false, "Updateable": false,
		"Status": object{"State": "StandbySpare", "Health": "OK"}})
}

// activate makes staged versions live whose verb has come; ACCycle stands for all
// verbs. The caller holds the lock.
func (b *BMC) activate(verb string) {
	for _, id := range sorted(b.update.components) {
		c := b.update.components[id]
		if c.staged != "" && (verb == ACCycle || c.needs == verb) {
			b.live(c, c.staged)
		}
	}
	b.wake()
}

// interruptBank ends a write that the machine was pulled from under: the job fails,
// and after a loss of standby power the bank is broken. The caller holds the lock.
func (b *BMC) interruptBank(why, verb string) {
	j := b.update.job
	if j == nil || verb == HostReset && !b.needsHost(j) {
		return
	}
	b.update.job = nil
	j.cancel()
	b.count.BankInterrupt++
	b.say(j.task, "Exception", -1, info("Update.1.2.ApplyFailed", "Installation of the image failed: "+why+"."))
	if verb != ACCycle {
		return
	}
	for id := range j.writes {
		b.tree.set(inventory+"/"+id, object{"Version": "", "Status": object{"Health": "Critical"}})
	}
}

// needsHost is false for a write to the BMC's own flash: the host may do what it likes.
func (b *BMC) needsHost(j *job) bool {
	for id := range j.writes {
		if b.update.components[id].Activation != BMCReset {
			return true
		}
	}
	return false
}

// resetManager answers Manager.Reset: the answer is sent, then the BMC is away.
func (c *call) resetManager(manager string) reply {
	var in struct{ ResetType string }
	if out, ok := c.decode(&in); !ok {
		return out
	}
	if in.ResetType != "ForceRestart" && in.ResetType != "GracefulRestart" {
		return failure(http.StatusBadRequest, "Base.1.18.ActionParameterNotSupported", "The parameter ResetType with the value "+in.ResetType+" is not supported by the target resource.", "ResetType", in.ResetType)
	}
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.Resets[path.Base(manager)+" "+in.ResetType]++
	b.restartBMC(BMCReset, "the BMC was reset")
	return reply{status: http.StatusNoContent, after: b.leaveSoon}
}

// restartBMC is what a restart of the BMC does to its memory. The caller holds the lock.
func (b *BMC) restartBMC(verb, why string) {
	b.interruptBank(why, verb)
	b.activate(verb)
	b.forget()
	for _, p := range sorted(b.tree) {
		if path.Dir(p) == managers && !b.tree[p].collection {
			b.tree.set(p, object{"LastResetTime": stamp(time.Now())})
		}
	}
}

// leaveSoon lets the answer out and then resets all connections for the profile's time.
func (b *BMC) leaveSoon() {
	b.running.Go(func() {
		if pause(b.fleet.ctx, 30*time.Millisecond) {
			b.raw.away(b.spec.Timing.BMCReset)
		}
	})
}

// selfReset is a BMC that restarts on its own after an update. The caller holds the lock.
func (b *BMC) selfReset() {
	b.count.Resets["BMC Self"]++
	b.restartBMC(BMCReset, "the BMC restarted itself")
	b.leaveSoon()
}

// auxPower answers NvidiaChassis.AuxPowerReset: the host must be off (nico#909).
func (c *call) auxPower() reply {
	var in struct{ ResetType string }
	if out, ok := c.decode(&in); !ok {
		return out
	}
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if in.ResetType != "AuxPowerCycle" {
		return failure(http.StatusBadRequest, "Base.1.18.ActionParameterNotSupported", "The parameter ResetType with the value "+in.ResetType+" is not supported by the target resource.", "ResetType", in.ResetType)
	}
	for _, m := range b.machines {
		if m.power != powerOff {
			return failure(http.StatusBadRequest, "Base.1.18.ChassisPowerStateOffRequired", "The Chassis must be powered off to perform this operation.", path.Base(c.path))
		}
	}
	b.count.Resets["Chassis AuxPowerCycle"]++
	b.restartBMC(ACCycle, "standby power was cut")
	b.restore(map[*machine]bool{})
	return reply{status: http.StatusNoContent, after: b.leaveSoon}
}

// dark is a loss of standby power without a request. It takes the lock.
func (b *BMC) dark() {
	b.mu.Lock()
	b.restartBMC(ACCycle, "standby power was cut")
	b.mu.Unlock()
	b.raw.away(b.spec.Timing.BMCReset)
}
