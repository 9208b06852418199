package burnin

import (
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Align puts an in-band reading into the words of the record. The kernel and
// SMBIOS name slots, models and versions differently from the BMC; stored as
// they are, every healthy part would be an extra one. A part whose serial the
// record knows takes the record's slot, model and firmware and keeps its own
// words as facts. A part with a foreign serial stays, where every known part of
// its class has a serial: it is a real surprise. Everything else is left to the
// raw document.
func Align(inband inventory.Observation, known []inventory.Component) inventory.Observation {
	out := inband
	out.Components = nil
	for _, c := range inband.Components {
		serial := inventory.Usable(c.Serial)
		at := slices.IndexFunc(known, func(k inventory.Component) bool {
			return k.Kind == c.Kind && serial != "" && inventory.Usable(k.Serial) == serial
		})
		switch {
		case at >= 0:
			out.Components = append(out.Components, dress(c, known[at]))
		case serial != "" && allSerials(known, c.Kind):
			out.Components = append(out.Components, c)
		}
	}
	return out
}

func dress(c, k inventory.Component) inventory.Component {
	facts := map[string]string{"inband_slot": c.Slot}
	for name, v := range c.Facts {
		facts[name] = v
	}
	if c.Model != "" {
		facts["inband_model"] = c.Model
	}
	if c.Firmware != "" {
		facts["inband_firmware"] = c.Firmware
	}
	c.Slot, c.Model, c.Firmware, c.Vendor, c.Serial, c.SizeMiB, c.Facts = k.Slot, k.Model, k.Firmware, k.Vendor, k.Serial, k.SizeMiB, facts
	return c
}

// allSerials: the record knows the class, and every part of it by serial. The
// unit itself is left out: its DMI serial is often another than the label's.
func allSerials(known []inventory.Component, kind inventory.Kind) bool {
	if kind == inventory.KindChassis || kind == inventory.KindBoard {
		return false
	}
	n := 0
	for _, k := range known {
		if k.Kind != kind || !present(k) {
			continue
		}
		if inventory.Usable(k.Serial) == "" || k.Quantity > 1 {
			return false
		}
		n++
	}
	return n > 0
}
