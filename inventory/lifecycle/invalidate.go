package lifecycle

import "github.com/rackwright/rackwright/inventory"

// EventOf is the law's event for a finding that a later reading opened on a
// node that had been verified: what changed decides what is still valid
// (lifecycle.md §6). The empty event means that nothing is invalidated.
func EventOf(f inventory.FindingKind, k inventory.Kind) inventory.EventKind {
	switch f {
	case inventory.FindReplaced, inventory.FindWrongType, inventory.FindMissing, inventory.FindExtra, inventory.FindCountShort:
		if k == inventory.KindBMC {
			return inventory.EventBMCReplaced
		}
		return inventory.EventPartChanged
	case inventory.FindWrongSlot, inventory.FindSwapped:
		return inventory.EventMoved
	case inventory.FindMiscabled:
		return inventory.EventMoved
	case inventory.FindWrongFirmware:
		return inventory.EventFirmwareDiffers
	}
	return ""
}

// Voids lists the gates whose evidence is void once a node has fallen back to
// a milestone: every gate of a later one.
func Voids(to inventory.Milestone) []inventory.Gate {
	var out []inventory.Gate
	for _, s := range specs {
		if s.Milestone != "" && Rank(s.Milestone) > Rank(to) {
			out = append(out, s.Gate)
		}
	}
	return out
}
