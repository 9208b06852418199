package redfish

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// components gives every part its place and writes it as the record's noun.
func (s *scope) components(parts []part) []inventory.Component {
	slots := s.slots(parts)
	out := make([]inventory.Component, 0, len(parts))
	for i, p := range parts {
		c := inventory.Component{Key: inventory.Key{Kind: p.kind, Slot: slots[i]}, Vendor: p.vendor, Model: firstText(p.model, p.number), Serial: p.serial,
			Firmware: p.firmware, State: p.readState(), SizeMiB: p.sizeMiB, IDs: identifiers(p)}
		switch {
		case p.conflicted:
			c.State = inventory.StateReadFailed
		case c.State == inventory.StateAbsent:
			s.tree.note(ruleEmptySlot, p.kind, p.res.id)
		case c.State == inventory.StateNotRead:
			s.tree.note(rulePlain, p.kind, p.res.id)
		}
		if p.number != "" && p.number != c.Model {
			p.fact("part_number", p.number)
		}
		p.fact("location", p.label)
		if len(p.facts) > 0 {
			c.Facts = p.facts
		}
		out = append(out, c)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Key.String() < out[j].Key.String() })
	return out
}

// identifiers keeps every reading of an identity; a serial alone is never
// trusted (inventory.md §3.4).
func identifiers(p part) []inventory.Identifier {
	var out []inventory.Identifier
	add := func(kind inventory.IDKind, raw string, trusted bool) {
		if norm := inventory.Usable(raw); norm != "" {
			out = append(out, inventory.Identifier{Kind: kind, Raw: raw, Norm: norm, Source: inventory.SourceRedfish, Trusted: trusted})
		}
	}
	add(inventory.IDRedfish, p.serial, false)
	if p.kind == inventory.KindGPU {
		add(inventory.IDGPUUUID, p.uuid, true)
	} else {
		add(inventory.IDUUID, p.uuid, false)
	}
	kind := inventory.IDMAC
	if p.kind == inventory.KindBMC {
		kind = inventory.IDMACBMC
	}
	for _, m := range p.macs {
		add(kind, string(m.mac), m.internal == "")
	}
	return out
}

// slots names the place of each part: its Id, the position as the service
// writes it. An Id of digits only ("2") names no place outside the unit itself,
// so below another parent it is qualified ("DE00A000:2"); and so is every Id
// that two parts of one class would share.
func (s *scope) slots(parts []part) []string {
	out := make([]string, len(parts))
	count := map[inventory.Key]int{}
	for i, p := range parts {
		out[i] = p.id
		if parent := s.parentID(p); digits(p.id) && parent != "" || p.conflicted {
			out[i] = firstText(parent, "?") + ":" + p.id
		}
		count[inventory.Key{Kind: p.kind, Slot: out[i]}]++
	}
	used := map[inventory.Key]bool{}
	for i, p := range parts {
		key := inventory.Key{Kind: p.kind, Slot: out[i]}
		if count[key] > 1 {
			out[i] = ownerName(p) + ":" + p.id
			key.Slot = out[i]
		}
		for n := 2; used[key]; n++ { // two parts that even share their parents
			key.Slot = fmt.Sprintf("%s#%d", out[i], n)
		}
		out[i], used[key] = key.Slot, true
	}
	return out
}

// parentID is the name of what holds the part, empty where that is the unit:
// its Systems and its main chassis.
func (s *scope) parentID(p part) string {
	if p.kind == inventory.KindFirmware || p.kind == inventory.KindBMC || p.kind == inventory.KindCable {
		return ""
	}
	if p.conflicted {
		return ownerName(p)
	}
	path := ownerPath(p)
	if s.own[path] || s.main != nil && s.main.id == path {
		return ""
	}
	return lastSegment(path)
}

// ownerPath is the resource above the part's collection, or the chassis whose
// Power or Thermal lists it.
func ownerPath(p part) string {
	segments := strings.Split(p.res.id, "/")
	drop := 2
	switch p.res.kind {
	case "Power", "Thermal":
		drop = 1
	case "PowerSupply", "Fan":
		drop = 3 // below PowerSubsystem or ThermalSubsystem
		if len(segments) > 3 && !slices.Contains([]string{"PowerSubsystem", "ThermalSubsystem"}, segments[len(segments)-3]) {
			drop = 2
		}
	case "SimpleStorage":
		drop = 0
	}
	return strings.Join(segments[:max(len(segments)-drop, 0)], "/")
}

func ownerName(p part) string {
	if p.kind == inventory.KindFirmware {
		return lastSegment(parentPath(p.res.id))
	}
	return lastSegment(ownerPath(p))
}
