package redfish

import (
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// mergeParts makes one part of what a service names several times, and keeps apart
// what only looks alike (redfish.md §4.3). It is pure; every part that it drops
// is noted with the rule that did it.
func mergeParts(t *tree, parts []part) []part {
	parts = dropOEM(t, parts)
	parts = dropSimpleStorage(t, parts)
	parts = united(t, parts, ruleOnePart, onePart)
	parts = united(t, parts, ruleOneNode, twinOnBoard)
	return conflicts(t, parts)
}

// dropOEM (rules 6 and 13): the OEM device list counts only where the standard
// model names no accelerator at all.
func dropOEM(t *tree, parts []part) []part {
	standard := slices.ContainsFunc(parts, func(p part) bool { return p.res.kind == "Processor" && accelerator(p.kind) })
	return slices.DeleteFunc(parts, func(p part) bool {
		drop := standard && p.res.kind == "HpeServerDevice"
		if drop {
			t.note(ruleOEM, inventory.KindGPU, p.res.id)
		}
		return drop
	})
}

func accelerator(k inventory.Kind) bool { return k == inventory.KindGPU || k == inventory.KindTrainium }

// dropSimpleStorage (rule 8, for drives): SimpleStorage repeats the drives of
// Storage without their serials.
func dropSimpleStorage(t *tree, parts []part) []part {
	drives := slices.ContainsFunc(parts, func(p part) bool { return p.res.kind == "Drive" })
	return slices.DeleteFunc(parts, func(p part) bool {
		drop := drives && p.res.kind == "SimpleStorage" && p.broken == ""
		if drop {
			t.note(ruleDrives, p.kind, p.res.id+"#"+p.id)
		}
		return drop
	})
}

// united joins every part with the first one before it that is the same.
func united(t *tree, parts []part, rule string, same func(a, b part) bool) []part {
	var out []part
	for _, p := range parts {
		i := slices.IndexFunc(out, func(q part) bool { return same(q, p) })
		if i < 0 {
			out = append(out, p)
			continue
		}
		out[i] = joined(out[i], p)
		t.note(rule, p.kind, p.res.id)
	}
	return out
}

// onePart (rules 1 and 2): the same usable serial in two different collections
// is one part; members of one collection are always different parts, whatever
// their serials say.
func onePart(a, b part) bool {
	serial := inventory.Usable(a.serial)
	return a.kind == b.kind && a.kind != inventory.KindFirmware && a.broken == "" && b.broken == "" && serial != "" && serial == inventory.Usable(b.serial) &&
		!shared(a.from, b.from) && a.absent() == b.absent() && (a.model == "" || b.model == "" || strings.EqualFold(a.model, b.model))
}

func shared(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// joined fills what the first reading left empty.
func joined(a, b part) part {
	a.vendor, a.model, a.number = firstText(a.vendor, b.vendor), firstText(a.model, b.model), firstText(a.number, b.number)
	a.firmware, a.label, a.uuid = firstText(a.firmware, b.firmware), firstText(a.label, b.label), firstText(a.uuid, b.uuid)
	a.serial = firstText(a.serial, b.serial)
	if a.sizeMiB == 0 {
		a.sizeMiB = b.sizeMiB
	}
	for k, v := range b.facts {
		if a.facts[k] == "" {
			a.fact(k, v)
		}
	}
	a.macs = merged(append(a.macs, b.macs...))
	a.from = append(slices.Clone(a.from), b.from...)
	return a
}

// twinOnBoard (rule 3): host and baseboard are one node; where both list the
// part of the same name it counts once.
func twinOnBoard(a, b part) bool {
	if a.kind != b.kind || a.broken != "" || b.broken != "" || a.res.kind != "Processor" && a.res.kind != "Memory" || a.res.kind != b.res.kind {
		return false
	}
	if systemPath(a.res.id) == systemPath(b.res.id) || a.absent() != b.absent() {
		return false
	}
	if a.uuid != "" && a.uuid == b.uuid {
		return true
	}
	x, y := inventory.Usable(a.serial), inventory.Usable(b.serial)
	return a.id == b.id && !digits(a.id) && (x == "" || y == "" || x == y)
}

// systemPath is "/redfish/v1/Systems/X" of any path below it.
func systemPath(id string) string {
	parts := strings.SplitN(id, "/", 6)
	return strings.Join(parts[:min(len(parts), 5)], "/")
}

func digits(id string) bool { return id != "" && strings.Trim(id, "0123456789") == "" }

// conflicts (rule 4): one named place that is filled in one collection and
// empty in another. Nobody is believed: a fault, both kept, nothing closed.
func conflicts(t *tree, parts []part) []part {
	for i := range parts {
		for j := range parts {
			a, b := &parts[i], &parts[j]
			if a.kind != b.kind || a.id != b.id || digits(a.id) || a.kind == inventory.KindFirmware || shared(a.from, b.from) || a.broken != "" || b.broken != "" {
				continue
			}
			if a.readState() == inventory.StatePresent && b.absent() && !b.conflicted {
				b.conflicted = true
				t.note(ruleConflict, b.kind, b.res.id)
				t.faults = append(t.faults, inventory.ReadFault{Path: b.res.id, Kind: b.kind,
					Reason: "says absent, while " + a.res.id + " says it is there: look at the slot"})
			}
		}
	}
	return parts
}
