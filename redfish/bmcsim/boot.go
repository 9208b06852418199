package bmcsim

import (
	"context"
	"strings"
)

// boot takes the override, activates what waited for a host reset, and starts the machine.
func (b *BMC) boot(ctx context.Context, m *machine, verb string, start func(Host, Boot) error) {
	b.mu.Lock()
	if ctx.Err() != nil {
		b.mu.Unlock()
		return
	}
	boot := b.takeBoot(m, verb)
	m.boots = append(m.boots, boot)
	b.setPower(m, powerOn)
	b.progress(m, "PrimaryProcessorInitializationStarted")
	b.activate(HostReset)
	host := m.host
	b.mu.Unlock()
	if host == nil {
		b.post(ctx, m)
		return
	}
	if err := start(host, boot); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if ctx.Err() == nil {
			b.setPower(m, powerOff)
			b.hostFailed(m, err)
		}
	}
}

// post plays the boot of a machine that nobody simulates further.
func (b *BMC) post(ctx context.Context, m *machine) {
	states := []string{"MemoryInitializationStarted", "SystemHardwareInitializationComplete", "OSBootStarted", "OSRunning"}
	for _, s := range states {
		if !pause(ctx, b.spec.Timing.Post/4) {
			return
		}
		b.mu.Lock()
		if ctx.Err() == nil {
			b.progress(m, s)
		}
		b.mu.Unlock()
	}
}

// takeBoot reads the override and ends it if it was for one boot. The caller holds the lock.
func (b *BMC) takeBoot(m *machine, verb string) Boot {
	at := m.system
	if m.settings != "" {
		at = m.settings
	}
	boot := Boot{System: m.system, Verb: verb, Target: "None", Mode: "UEFI"}
	var set object
	if r := b.tree[at]; r != nil {
		set, _ = r.doc()["Boot"].(object)
	}
	when := str(set, "BootSourceOverrideEnabled")
	if when == "Once" || when == "Continuous" {
		boot.Target, boot.Once = str(set, "BootSourceOverrideTarget"), when == "Once"
		if boot.Target == "UefiHttp" {
			boot.URI = str(set, "HttpBootUri")
		}
	}
	boot.Option = b.option(m.system, boot.Target, str(set, "BootNext"))
	if o := b.tree[m.system+"/BootOptions/"+boot.Option]; o != nil {
		boot.Device = str(o.doc(), "UefiDevicePath")
	}
	if boot.Once {
		b.tree.set(at, object{"Boot": object{"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None", "BootNext": ""}})
	}
	return boot
}

// option is the BootOption that comes first for a target.
func (b *BMC) option(system, target, next string) string {
	if target == "UefiBootNext" {
		return next
	}
	r := b.tree[system]
	if r == nil {
		return ""
	}
	boot, _ := r.doc()["Boot"].(object)
	for _, id := range order(boot) {
		o := b.tree[system+"/BootOptions/"+id]
		if target == "None" || o != nil && strings.EqualFold(str(o.doc(), "Alias"), target) {
			return id
		}
	}
	return ""
}

// order reads BootOrder.
func order(boot object) []string { return texts(boot["BootOrder"]) }

// startOn is the state of a machine that was on before anyone looked.
func (b *BMC) startOn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range sorted(b.machines) {
		m := b.machines[p]
		if m.host == nil {
			b.setPower(m, powerOn)
			b.progress(m, "OSRunning")
			continue
		}
		b.turn(m, poweringOn, func(ctx context.Context) { b.turnOn(ctx, m, "On") })
	}
}
