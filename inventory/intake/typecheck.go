package intake

import (
	"fmt"
	"sort"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

const maxUnits = 60 // rack units of the tallest rack we accept

// checkType returns every fault of a rack type.
func checkType(t inventory.RackType) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if !validName(t.Name) {
		fault("name %q: use letters, digits, - and _", t.Name)
	}
	if t.Version < 1 {
		fault("version %d: write 1 or more", t.Version)
	}
	if len(t.Slots) == 0 {
		fault("has no slots")
	}
	members := checkSlots(t.Slots, fault)
	kinds := make([]string, 0, len(t.Tolerance))
	for k := range t.Tolerance {
		kinds = append(kinds, string(k))
	}
	sort.Strings(kinds)
	for _, k := range kinds {
		checkTolerance(inventory.NodeKind(k), t.Tolerance[inventory.NodeKind(k)], members, fault)
	}
	ordered := map[inventory.NodeKind]bool{}
	for _, k := range t.PowerOrder {
		if members[k] == 0 || ordered[k] {
			fault("powerOrder %s: name each kind of the rack once", k)
		}
		ordered[k] = true
	}
	for _, k := range t.InBand {
		if !oneOf(string(k), partKinds()) {
			fault("inBand %s: unknown class, %s", k, hint(string(k), partKinds()))
		}
	}
	if t.Accelerator != "" && !oneOf(string(t.Accelerator), partKinds()) {
		fault("accelerator %s: unknown class, %s", t.Accelerator, hint(string(t.Accelerator), partKinds()))
	}
	checkRules(t, members, fault)
	return faults
}

func checkTolerance(k inventory.NodeKind, least int, members map[inventory.NodeKind]int, fault func(string, ...any)) {
	switch {
	case members[k] == 0:
		fault("tolerance %s: the rack has no slot of this kind", k)
	case least < 0 || least > members[k]:
		fault("tolerance %s: %d members cannot suffice, the rack has %d", k, least, members[k])
	}
}

// checkSlots returns the members by kind.
func checkSlots(slots []inventory.Slot, fault func(string, ...any)) map[inventory.NodeKind]int {
	members := map[inventory.NodeKind]int{}
	seen := map[string]bool{}
	type unit struct {
		face string
		u    int
	}
	taken := map[unit]string{}
	for _, s := range slots {
		if !validName(s.Path) {
			fault("slot %q: use letters, digits, - and _", s.Path)
		}
		if seen[s.Path] {
			fault("slot %s stands twice", s.Path)
		}
		seen[s.Path] = true
		if !oneOf(string(s.Kind), nodeKinds()) {
			fault("slot %s: unknown kind %q, %s", s.Path, s.Kind, hint(string(s.Kind), nodeKinds()))
		}
		members[s.Kind]++
		if !oneOf(s.Face, []string{"", "front", "rear", "left", "right"}) {
			fault("slot %s: face %q: write front, rear, left or right", s.Path, s.Face)
		}
		for _, k := range s.Accepts {
			if !oneOf(string(k), partKinds()) {
				fault("slot %s accepts unknown class %s, %s", s.Path, k, hint(string(k), partKinds()))
			}
		}
		if s.Face == "left" || s.Face == "right" {
			if s.Height != 0 {
				fault("slot %s: a 0U slot has height 0", s.Path)
			}
			continue
		}
		if s.U < 1 || s.U > maxUnits || s.Height < 1 || s.Height > maxUnits || s.U+s.Height-1 > maxUnits {
			fault("slot %s: u %d height %d does not fit into 1 to %d", s.Path, s.U, s.Height, maxUnits)
			continue
		}
		for u := s.U; u < s.U+s.Height; u++ {
			face := s.Face
			if face == "" {
				face = "front"
			}
			if other, ok := taken[unit{face, u}]; ok {
				fault("slot %s overlaps slot %s at U%d", s.Path, other, u)
				break
			}
			taken[unit{face, u}] = s.Path
		}
	}
	return members
}

func checkRules(t inventory.RackType, members map[inventory.NodeKind]int, fault func(string, ...any)) {
	seen := map[inventory.GateRule]bool{}
	known := gateIDs()
	for _, g := range t.Retest {
		if _, ok := lifecycle.Find(g, true); !ok {
			fault("retest %q: unknown rack gate, %s", g, near(string(g), known))
		}
	}
	for _, g := range t.Gates {
		if !oneOf(string(g.Gate), known) {
			fault("gate %q: unknown, %s", g.Gate, near(string(g.Gate), known))
		} else if !effective(t, g) {
			fault("gate %s by %s: the law does not leave that to a rack type", g.Gate, g.By)
		}
		if !oneOf(string(g.By), producers()) {
			fault("gate %s: unknown producer %q, %s", g.Gate, g.By, hint(string(g.By), producers()))
		}
		if g.Kind != "" && members[g.Kind] == 0 {
			fault("gate %s: the rack has no member of kind %q", g.Gate, g.Kind)
		}
		if len(g.Reason) < 8 {
			fault("gate %s: give a reason, it is printed on the certificate", g.Gate)
		}
		key := inventory.GateRule{Gate: g.Gate, Kind: g.Kind}
		if seen[key] {
			fault("gate %s: two rules for one kind", g.Gate)
		}
		seen[key] = true
	}
}

func gateIDs() []string {
	var out []string
	for _, s := range lifecycle.Specs() {
		out = append(out, string(s.Gate))
	}
	return out
}

// near is a hint without the whole list: the law has too many gates to print.
func near(word string, known []string) string {
	if n := nearest(word, known); n != "" {
		return "write " + n
	}
	return "see the gate table of inventory/lifecycle"
}

// effective asks the law whether it follows the rule; a rule it ignores would
// promise on paper what never happens.
func effective(t inventory.RackType, g inventory.GateRule) bool {
	only := t
	only.Gates = []inventory.GateRule{g}
	for _, rack := range []bool{false, true} {
		s, ok := lifecycle.Find(g.Gate, rack)
		if !ok || rack && g.Kind != "" {
			continue
		}
		kinds := []inventory.NodeKind{g.Kind}
		if g.Kind == "" && !rack {
			kinds = kindsOf(t)
		}
		for _, k := range kinds {
			if by, _ := lifecycle.ProducerOf(s, only, k); by == g.By {
				return true
			}
		}
	}
	return false
}

func kindsOf(t inventory.RackType) []inventory.NodeKind {
	var out []inventory.NodeKind
	for _, s := range t.Slots {
		out = append(out, s.Kind)
	}
	return out
}
