package lifecycle

import (
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// The node's way (lifecycle.md §3). Side milestones hang below; return brings a
// node back to the highest milestone that is still valid.
//
//	expected → received → installed → discovered → secured → verified →
//	baselined → burned_in → rack_tested → accepted → handed_over
//	                 triage ⇄ repair → received (the new unit)
//	                 any but handed_over → retired
var nodeOrder = []inventory.Milestone{
	inventory.NodeExpected, inventory.NodeReceived, inventory.NodeInstalled, inventory.NodeDiscovered, inventory.NodeSecured, inventory.NodeVerified,
	inventory.NodeBaselined, inventory.NodeBurnedIn, inventory.NodeRackTested, inventory.NodeAccepted, inventory.NodeHandedOver,
}

var nodeSide = []inventory.Milestone{inventory.NodeTriage, inventory.NodeRepair, inventory.NodeRetired}

var rackOrder = []inventory.RackMilestone{
	inventory.RackPlanned, inventory.RackShipped, inventory.RackArrived, inventory.RackReceived, inventory.RackInstalled, inventory.RackPowerReady,
	inventory.RackBringingUp, inventory.RackVerified, inventory.RackAligned, inventory.RackBurnedIn, inventory.RackTested,
	inventory.RackInReview, inventory.RackAccepted, inventory.RackHandedOver,
}

var rackSide = []inventory.RackMilestone{inventory.RackRework, inventory.RackRejected, inventory.RackDecommissioning, inventory.RackRemoved}

// NodeMilestones lists all node milestones in order, side milestones last.
func NodeMilestones() []inventory.Milestone {
	return append(append([]inventory.Milestone{}, nodeOrder...), nodeSide...)
}

// RackMilestones lists all rack milestones in order, side milestones last.
func RackMilestones() []inventory.RackMilestone {
	return append(append([]inventory.RackMilestone{}, rackOrder...), rackSide...)
}

// Rank is the place on the main way, or -1 for a side milestone.
func Rank(m inventory.Milestone) int { return index(nodeOrder, m) }

// RackRank is the place on the rack's main way, or -1 for a side milestone.
func RackRank(m inventory.RackMilestone) int { return index(rackOrder, m) }

func index[T comparable](list []T, v T) int {
	for i, x := range list {
		if x == v {
			return i
		}
	}
	return -1
}

// After is the next milestone on the main way; false at its end and beside it.
func After(m inventory.Milestone) (inventory.Milestone, bool) {
	if i := Rank(m); i >= 0 && i+1 < len(nodeOrder) {
		return nodeOrder[i+1], true
	}
	return "", false
}

// AfterRack is the rack's next milestone.
func AfterRack(m inventory.RackMilestone) (inventory.RackMilestone, bool) {
	if i := RackRank(m); i >= 0 && i+1 < len(rackOrder) {
		return rackOrder[i+1], true
	}
	return "", false
}

// advance maps an event to the one milestone it enters; it is allowed only
// from the milestone right before it.
var advance = map[inventory.EventKind]inventory.Milestone{
	inventory.EventReceived: inventory.NodeReceived, inventory.EventInstalled: inventory.NodeInstalled,
	inventory.EventDiscovered: inventory.NodeDiscovered, inventory.EventSecured: inventory.NodeSecured,
	inventory.EventVerified: inventory.NodeVerified, inventory.EventBaselined: inventory.NodeBaselined,
	inventory.EventBurnedIn: inventory.NodeBurnedIn, inventory.EventRackTested: inventory.NodeRackTested,
	inventory.EventAccepted: inventory.NodeAccepted, inventory.EventHandedOver: inventory.NodeHandedOver,
}

// fallback maps an invalidating event to the highest milestone that survives
// it (lifecycle.md §6). A node below it stays where it is.
var fallback = map[inventory.EventKind]inventory.Milestone{
	inventory.EventPartChanged: inventory.NodeSecured, inventory.EventBMCReplaced: inventory.NodeInstalled,
	inventory.EventBMCReset: inventory.NodeDiscovered, inventory.EventFirmwareDiffers: inventory.NodeVerified,
	inventory.EventMoved: inventory.NodeSecured, inventory.EventSafetyTrip: inventory.NodeDiscovered,
}

// unmoving events are written down and change nothing by themselves.
var unmoving = map[inventory.EventKind]bool{inventory.EventRotated: true, inventory.EventPlanRaised: true, inventory.EventMembersChanged: true}

// NodeEvents lists every event of a node, in the order of the tables.
func NodeEvents() []inventory.EventKind {
	return []inventory.EventKind{inventory.EventReceived, inventory.EventInstalled, inventory.EventDiscovered, inventory.EventSecured,
		inventory.EventVerified, inventory.EventBaselined, inventory.EventBurnedIn, inventory.EventRackTested, inventory.EventAccepted,
		inventory.EventHandedOver, inventory.EventTriage, inventory.EventRepair, inventory.EventReturn, inventory.EventRetired,
		inventory.EventPartChanged, inventory.EventBMCReplaced, inventory.EventBMCReset, inventory.EventFirmwareDiffers, inventory.EventMoved,
		inventory.EventRotated, inventory.EventSafetyTrip, inventory.EventPlanRaised, inventory.EventMembersChanged}
}

// Next is the milestone a node enters by an event, or inventory.ErrTransition.
// Return answers secured: the caller lowers it to what evidence still carries
// (see HighestValid). Whether the gates are open is another question: see Gate.
func Next(n inventory.Node, e inventory.EventKind) (inventory.Milestone, error) {
	at := n.Milestone
	refuse := func(why string) (inventory.Milestone, error) {
		return at, fmt.Errorf("node %s at %s, event %s: %s: %w", n.Address, at, e, why, inventory.ErrTransition)
	}
	if at == inventory.NodeHandedOver || at == inventory.NodeRetired {
		return refuse("the node is no longer ours to move")
	}
	if to, ok := advance[e]; ok {
		if Rank(at) >= 0 && Rank(at)+1 == Rank(to) {
			return to, nil
		}
		return refuse("it must come from the milestone right before")
	}
	if to, ok := fallback[e]; ok {
		if Rank(at) > Rank(to) {
			return to, nil
		}
		return at, nil
	}
	if unmoving[e] {
		return at, nil
	}
	return side(n, e, refuse)
}

func side(n inventory.Node, e inventory.EventKind, refuse func(string) (inventory.Milestone, error)) (inventory.Milestone, error) {
	switch {
	case e == inventory.EventTriage && Rank(n.Milestone) >= Rank(inventory.NodeInstalled):
		return inventory.NodeTriage, nil
	case e == inventory.EventTriage:
		return refuse("nothing was tested yet")
	case e == inventory.EventRepair && n.Milestone == inventory.NodeTriage:
		return inventory.NodeRepair, nil
	case e == inventory.EventRepair:
		return refuse("only a node in triage goes to repair")
	case e == inventory.EventReturn && n.Milestone == inventory.NodeTriage:
		return inventory.NodeSecured, nil
	case e == inventory.EventReturn && n.Milestone == inventory.NodeRepair:
		return inventory.NodeReceived, nil
	case e == inventory.EventReturn:
		return refuse("it is not in triage or repair")
	case e == inventory.EventRetired:
		return inventory.NodeRetired, nil
	}
	return refuse("the law has no such event")
}

// EventTo is the event that enters a milestone on the main way.
func EventTo(m inventory.Milestone) (inventory.EventKind, bool) {
	for e, to := range advance {
		if to == m {
			return e, true
		}
	}
	return "", false
}

// Decision is the event that a person's decision about a node asks for.
func Decision(op inventory.OpKind) (inventory.EventKind, bool) {
	e, ok := map[inventory.OpKind]inventory.EventKind{inventory.OpTriage: inventory.EventTriage, inventory.OpReturn: inventory.EventReturn, inventory.OpRepair: inventory.EventRepair}[op]
	return e, ok
}
