package lifecycle

import (
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// The rack's way (lifecycle.md §4): 0–5 and 11–13 by paper and people, 6–10
// computed from the members within the tolerance.
//
//	planned → shipped → arrived → received → installed → power_ready →
//	{bringing_up … rack_tested: computed} → in_review → accepted → handed_over
//	arrived|received → rejected · any of 4–11 ⇄ rework · any but handed_over → decommissioning → removed
var rackAdvance = map[inventory.EventKind]inventory.RackMilestone{
	inventory.EventRackShipped: inventory.RackShipped, inventory.EventRackArrived: inventory.RackArrived,
	inventory.EventRackReceived: inventory.RackReceived, inventory.EventRackInstalled: inventory.RackInstalled,
	inventory.EventRackPowerReady: inventory.RackPowerReady, inventory.EventRackInReview: inventory.RackInReview,
	inventory.EventRackAccepted: inventory.RackAccepted, inventory.EventRackHandedOver: inventory.RackHandedOver,
}

// RackEvents lists every event of a rack.
func RackEvents() []inventory.EventKind {
	return []inventory.EventKind{inventory.EventRackShipped, inventory.EventRackArrived, inventory.EventRackReceived, inventory.EventRackInstalled,
		inventory.EventRackPowerReady, inventory.EventRackComputed, inventory.EventRackInReview, inventory.EventRackAccepted,
		inventory.EventRackHandedOver, inventory.EventRackReopened, inventory.EventRackRework, inventory.EventRackRejected,
		inventory.EventRackDecommissioning, inventory.EventRackRemoved}
}

// Computed reports whether a milestone is one of 6 to 10.
func Computed(m inventory.RackMilestone) bool {
	i := RackRank(m)
	return i >= RackRank(inventory.RackBringingUp) && i <= RackRank(inventory.RackTested)
}

// NextRack is the milestone a rack enters by an event, or inventory.ErrTransition.
// EventRackComputed answers the next computed milestone above; where the
// members really carry it is Rack's answer, see RackTarget.
func NextRack(r inventory.Rack, e inventory.EventKind) (inventory.RackMilestone, error) {
	at := r.Milestone
	refuse := func(why string) (inventory.RackMilestone, error) {
		return at, fmt.Errorf("rack %s at %s, event %s: %s: %w", r.Name, at, e, why, inventory.ErrTransition)
	}
	if at == inventory.RackHandedOver || at == inventory.RackRemoved {
		return refuse("the rack is no longer ours to move")
	}
	if to, ok := rackAdvance[e]; ok {
		if RackRank(at) >= 0 && RackRank(at)+1 == RackRank(to) {
			return to, nil
		}
		return refuse("it must come from the milestone right before")
	}
	switch e {
	case inventory.EventRackComputed:
		if at == inventory.RackPowerReady || Computed(at) {
			return at, nil
		}
		return refuse("members count from power_ready to rack_tested only")
	case inventory.EventRackReopened:
		if at == inventory.RackInReview || at == inventory.RackAccepted || at == inventory.RackRework {
			return inventory.RackPowerReady, nil
		}
		return refuse("only a rack in review, accepted or in rework is reopened")
	case inventory.EventRackRework:
		if i := RackRank(at); i >= RackRank(inventory.RackInstalled) && i <= RackRank(inventory.RackInReview) {
			return inventory.RackRework, nil
		}
		return refuse("rework begins between installed and in_review")
	case inventory.EventRackRejected:
		if at == inventory.RackArrived || at == inventory.RackReceived {
			return inventory.RackRejected, nil
		}
		return refuse("a rack is rejected at the dock")
	case inventory.EventRackDecommissioning:
		return inventory.RackDecommissioning, nil
	case inventory.EventRackRemoved:
		if at == inventory.RackDecommissioning || at == inventory.RackRejected {
			return inventory.RackRemoved, nil
		}
		return refuse("only a rejected or decommissioned rack is removed")
	}
	return refuse("the law has no such event")
}

// carries maps a computed rack milestone to what its members must have reached.
var carries = []struct {
	rack inventory.RackMilestone
	node inventory.Milestone
}{
	{inventory.RackBringingUp, inventory.NodeDiscovered}, {inventory.RackVerified, inventory.NodeVerified},
	{inventory.RackAligned, inventory.NodeBaselined}, {inventory.RackBurnedIn, inventory.NodeBurnedIn}, {inventory.RackTested, inventory.NodeRackTested},
}

// Rack is the computed milestone that the members carry within the tolerance:
// power_ready when they do not even carry bringing_up.
func Rack(t inventory.RackType, nodes []inventory.Node) inventory.RackMilestone {
	reached := inventory.RackPowerReady
	for _, c := range carries {
		if len(missing(t, nodes, c.node)) > 0 {
			return reached
		}
		reached = c.rack
	}
	return reached
}

// NodeFor is the milestone that members must have reached for a computed rack milestone.
func NodeFor(m inventory.RackMilestone) (inventory.Milestone, bool) {
	for _, c := range carries {
		if c.rack == m {
			return c.node, true
		}
	}
	return "", false
}

// Excluded are the members that have not reached what the rack's computed
// milestone needs and are left out within the tolerance.
func Excluded(t inventory.RackType, nodes []inventory.Node, m inventory.RackMilestone) []inventory.NodeID {
	need, ok := NodeFor(m)
	if !ok {
		return nil
	}
	var out []inventory.NodeID
	for _, n := range nodes {
		if Rank(n.Milestone) < Rank(need) {
			out = append(out, n.ID)
		}
	}
	return out
}

// short is a kind of which too few members have reached a milestone.
type short struct {
	kind       inventory.NodeKind
	have, need int
	behind     []string // addresses
}

// missing lists the kinds that are short. Tolerance is the fewest members of a
// kind that suffice; a kind without tolerance needs every slot of the type.
func missing(t inventory.RackType, nodes []inventory.Node, m inventory.Milestone) []short {
	need, have, behind := map[inventory.NodeKind]int{}, map[inventory.NodeKind]int{}, map[inventory.NodeKind][]string{}
	var kinds []inventory.NodeKind
	for _, s := range t.Slots {
		if _, seen := need[s.Kind]; !seen {
			kinds = append(kinds, s.Kind)
		}
		need[s.Kind]++
	}
	for kind := range need {
		if fewest, ok := t.Tolerance[kind]; ok {
			need[kind] = min(fewest, need[kind])
		}
	}
	for _, n := range nodes {
		if Rank(n.Milestone) >= Rank(m) {
			have[n.Kind]++
		} else {
			behind[n.Kind] = append(behind[n.Kind], n.Address)
		}
	}
	var out []short
	for _, kind := range kinds {
		if have[kind] < need[kind] {
			out = append(out, short{kind, have[kind], need[kind], behind[kind]})
		}
	}
	return out
}
