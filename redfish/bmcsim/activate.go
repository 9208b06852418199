package bmcsim

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
