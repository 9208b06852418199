package bmcsim

import (
	"path"
	"strings"
)

// discover finds the verbs of a tree by its Actions, so that captures work too.
func (b *BMC) discover() {
	b.pushes = map[string]bool{}
	b.actions, b.machines = map[string]func(*call) reply{sessions: (*call).openSession}, map[string]*machine{}
	for _, p := range sorted(b.tree) {
		body := b.tree[p].doc()
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
		if str(b.tree[p].doc(), "Actions", "#ComputerSystem.Reset", "target") == "" {
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
