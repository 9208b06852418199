package virtualrack

import (
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// Unit is one slot of the rack: what stands there as ordered.
type Unit struct {
	Slot    string
	Profile string // of bmcsim
	Spec    bmcsim.Spec

	leaks, wet bool // as delivered: see FaultLeak, FaultWet
}

// Layout is a rack as ordered.
type Layout struct {
	Rack, Type string
	Position   string
	Units      []Unit
}

// HGX is the rack of type hgx-8: two power shelves, eight nodes, one switch tray.
func HGX(rack string) Layout {
	l := Layout{Rack: rack, Type: "hgx-8", Position: "virtual hall, row 1"}
	for i := range 2 {
		l.add(fmt.Sprintf("P%02d", i+1), bmcsim.ProfileShelf)
	}
	for i := range 8 {
		l.add(fmt.Sprintf("C%02d", i+1), bmcsim.ProfileHGX)
	}
	l.add("S01", bmcsim.ProfileSwitch)
	return l
}

// X86 is a rack of plain nodes, for real machines in QEMU.
func X86(rack string, nodes int) Layout {
	l := Layout{Rack: rack, Type: "x86-qemu", Position: "virtual hall, row 2"}
	for i := range nodes {
		l.add(fmt.Sprintf("C%02d", i+1), bmcsim.ProfileX86)
	}
	return l
}

// add puts a unit of a profile into a slot. Its label, chassis and system carry
// one serial, its factory password is its own, as the law of some countries asks.
func (l *Layout) add(slot, profile string) {
	s := bmcsim.NewSpec(profile, l.Rack+"-"+slot)
	s.Serial = "SIM" + l.Rack + slot
	s.ChassisSerial, s.Factory = s.Serial, true
	if profile == bmcsim.ProfileShelf {
		s.Serial = "" // a shelf has no System
	}
	l.Units = append(l.Units, Unit{Slot: slot, Profile: profile, Spec: s})
}

func (l Layout) unit(slot string) (*Unit, error) {
	i := slices.IndexFunc(l.Units, func(u Unit) bool { return u.Slot == slot })
	if i < 0 {
		return nil, fmt.Errorf("virtual rack %s has no slot %q: %w", l.Rack, slot, inventory.ErrNotFound)
	}
	return &l.Units[i], nil
}

// hosts reports whether a unit boots over the network.
func (u Unit) hosts() bool {
	return u.Profile == bmcsim.ProfileHGX || u.Profile == bmcsim.ProfileX86 || u.Profile == bmcsim.ProfileGB200
}

// bootMAC is the port that the unit boots from: the first NIC's first.
func (u Unit) bootMAC() inventory.MAC {
	for _, p := range u.Spec.Parts {
		if p.Kind == "nic" && len(p.MACs) > 0 {
			if mac, ok := inventory.ParseMAC(p.MACs[0]); ok {
				return mac
			}
		}
	}
	return ""
}
