package bmcsim

import (
	"context"
	"path"
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
		set, _ = r.body["Boot"].(object)
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
		boot.Device = str(o.body, "UefiDevicePath")
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
	boot, _ := r.body["Boot"].(object)
	for _, id := range order(boot) {
		o := b.tree[system+"/BootOptions/"+id]
		if target == "None" || o != nil && strings.EqualFold(str(o.body, "Alias"), target) {
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

// discover finds the verbs of a tree by its Actions, so that captures work too.
func (b *BMC) discover() {
	b.pushes = map[string]bool{}
	b.actions, b.machines = map[string]func(*call) reply{sessions: (*call).openSession}, map[string]*machine{}
	for _, p := range sorted(b.tree) {
		body := b.tree[p].body
		if t := str(body, "Actions", "#ComputerSystem.Reset", "target"); t != "" && path.Dir(p) == systems {
			m := &machine{system: p, power: str(body, "PowerState"), settings: b.settingsOf(p, body)}
			b.machines[p] = m
			b.actions[clean(t)] = func(c *call) reply { return c.resetSystem(m) }
		}
		if t := str(body, "Actions", "#Manager.Reset", "target"); t != "" {
			b.actions[clean(t)] = func(c *call) reply { return c.resetManager(p) }
		}
		if t := str(body, "Actions", "Oem", "#NvidiaChassis.AuxPowerReset", "target"); t != "" {
			b.actions[clean(t)] = (*call).auxPower
		}
		if t := str(body, "Actions", "#UpdateService.SimpleUpdate", "target"); t != "" {
			b.actions[clean(t)] = (*call).simpleUpdate
		}
		if t := str(body, "MultipartHttpPushUri"); t != "" {
			b.actions[clean(t)], b.pushes[clean(t)] = (*call).pushMultipart, true
		}
		if t := str(body, "HttpPushUri"); t != "" {
			b.actions[clean(t)], b.pushes[clean(t)] = (*call).pushRaw, true
		}
	}
	for _, m := range b.machines {
		m.followers = b.following(m.system)
	}
}

// settingsOf is set only where the boot override must be written there (quirk 15).
func (b *BMC) settingsOf(system string, body object) string {
	if !b.spec.Quirks.BootInSettings {
		return ""
	}
	return clean(str(body, "@Redfish.Settings", "SettingsObject", "@odata.id"))
}

// following is the Systems without a Reset of their own: accelerator baseboards.
func (b *BMC) following(system string) []string {
	var out []string
	for _, p := range sorted(b.tree) {
		if path.Dir(p) != systems || p == system || b.tree[p].collection {
			continue
		}
		if str(b.tree[p].body, "Actions", "#ComputerSystem.Reset", "target") == "" {
			out = append(out, p)
		}
	}
	return out
}

func clean(p string) string {
	if p == "" {
		return ""
	}
	return "/" + strings.Trim(p, "/")
}
