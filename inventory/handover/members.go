package handover

import (
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// exclusions lists every required slot without a certified member, and every
// excluded node, in the order of the rack type.
func exclusions(c Case) []Exclusion {
	bySlot := map[string]inventory.Node{}
	for _, n := range c.Nodes {
		bySlot[n.Slot] = n
	}
	out := []Exclusion{}
	for _, s := range c.Type.Slots {
		n, ok := bySlot[s.Path]
		switch {
		case ok && c.excluded(n.ID):
			bare := bareNode(n)
			out = append(out, Exclusion{Slot: s.Path, Kind: s.Kind, Node: &bare, Reason: reason(c, s.Path, "left out within the tolerance, at milestone "+string(n.Milestone))})
		case !ok && s.Required:
			out = append(out, Exclusion{Slot: s.Path, Kind: s.Kind, Reason: reason(c, s.Path, "slot is empty")})
		}
	}
	return out
}

func reason(c Case, slot, otherwise string) string {
	if r := c.Reasons[slot]; r != "" {
		return r
	}
	return otherwise
}

// checkMembers compares members with the rack type: each in a slot of its kind,
// no slot twice, and of each kind at least the tolerance (or every slot).
func checkMembers(c Case) []Failure {
	subject := inventory.RackSubject(c.Rack.ID)
	var out []Failure
	fail := func(format string, args ...any) {
		out = append(out, Failure{Subject: subject, Address: c.Rack.Name, Gate: gateMembers, Reason: fmt.Sprintf(format, args...)})
	}
	slots := map[string]inventory.Slot{}
	needed := map[inventory.NodeKind]int{}
	for _, s := range c.Type.Slots {
		slots[s.Path] = s
		needed[s.Kind]++ // as the law counts: without a tolerance every slot is needed
	}
	for kind, n := range c.Type.Tolerance {
		needed[kind] = min(n, needed[kind])
	}
	have := map[inventory.NodeKind]int{}
	taken := map[string]bool{}
	known := map[inventory.NodeID]bool{}
	for _, n := range c.Nodes {
		s, ok := slots[n.Slot]
		known[n.ID] = true
		switch {
		case !ok:
			fail("member %s is in slot %q, which rack type %s does not have", n.Address, n.Slot, c.Type.Name)
		case s.Kind != n.Kind:
			fail("member %s is %s in a slot for %s", n.Address, n.Kind, s.Kind)
		case taken[n.Slot]:
			fail("slot %s holds two members", n.Slot)
		case !c.excluded(n.ID):
			have[n.Kind]++
		}
		taken[n.Slot] = true
	}
	for _, id := range c.Rack.Excluded {
		if !known[id] {
			fail("excluded member %s is not in the rack", id)
		}
	}
	for _, kind := range kindsOf(c.Type) {
		if have[kind] < needed[kind] {
			fail("%d members of kind %s are covered, the rack type needs %d", have[kind], kind, needed[kind])
		}
	}
	return out
}

func kindsOf(t inventory.RackType) []inventory.NodeKind {
	var out []inventory.NodeKind
	seen := map[inventory.NodeKind]bool{}
	for _, s := range t.Slots {
		if !seen[s.Kind] {
			seen[s.Kind] = true
			out = append(out, s.Kind)
		}
	}
	return out
}
