package lifecycle

import (
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Fallen lists what a certificate says and what is so no longer: the shut gates
// up to rack_tested, of the rack and of each covered member. A check that fails,
// a leak that is read or a waiver that runs out while two people walk over to
// sign must not be signed past; a rack under review is reopened by it.
//
// Until both have signed the gates are judged now. Then the waivers count as
// they did when the draft was frozen: the certificate prints them with their end.
func Fallen(f Facts) []inventory.Blocker {
	if RackRank(f.Rack.Milestone) >= RackRank(inventory.RackAccepted) {
		f = asFrozen(f)
	}
	f.Node = inventory.Node{}
	var out []inventory.Blocker
	if !draftFits(f) {
		s, _ := Find(GateDraft, true)
		out = blockers([]GateResult{{Gate: s.Gate, Subject: inventory.RackSubject(f.Rack.ID), Producer: s.By, Owner: s.Owner, Result: inventory.ResultFail,
			Reason: "the frozen draft covers other members than the rack does now"}}, f.Rack.Name)
	}
	for _, m := range rackOrder[:RackRank(inventory.RackInReview)] {
		out = append(out, blockers(printed(RackGateResults(m, f), f), f.Rack.Name)...)
	}
	for _, n := range f.Nodes {
		if !slices.Contains(f.Rack.Excluded, n.ID) {
			f.Node = n
			out = append(out, fallenNode(f)...)
		}
	}
	return out
}

// asFrozen judges waivers by the moment of the draft, if there is one.
func asFrozen(f Facts) Facts {
	if draft, ok := newest(GateDraft, inventory.ByMachine, inventory.RackSubject(f.Rack.ID), f); ok {
		f.Now = draft.At
	}
	return f
}

// fallenNode is the part of Fallen that is about f.Node.
func fallenNode(f Facts) []inventory.Blocker {
	var out []inventory.Blocker
	for _, m := range nodeOrder[:Rank(inventory.NodeAccepted)] {
		out = append(out, blockers(printed(GateResults(m, f), f), f.Node.Address)...)
	}
	return out
}

// printed: the draft printed a pass where a waiver had nothing to waive yet. What
// failed since is waived by no certificate.
func printed(all []GateResult, f Facts) []GateResult {
	draft, ok := newest(GateDraft, inventory.ByMachine, inventory.RackSubject(f.Rack.ID), f)
	for i, g := range all {
		late := slices.ContainsFunc(f.Evidence, func(e inventory.Evidence) bool { return e.ID == g.Evidence && e.At.After(draft.At) })
		if ok && g.Result == inventory.ResultWaived && g.Evidence != "" && late {
			all[i].Result, all[i].Reason = inventory.ResultFail, "it failed after the draft was frozen, which does not print its waiver"
		}
	}
	return all
}

// underRack is what guards the rack's last milestones beside their own gates.
func underRack(m inventory.RackMilestone, f Facts) []inventory.Blocker {
	if RackRank(m) < RackRank(inventory.RackInReview) {
		return nil
	}
	out := Fallen(f)
	if m == inventory.RackHandedOver {
		out = append(out, heldBack(true, f)...)
	}
	return out
}

// underNode is what guards a node's last milestones beside their own gates. A
// draft that was signed says at which moment waivers counted.
func underNode(m inventory.Milestone, f Facts) []inventory.Blocker {
	if Rank(m) < Rank(inventory.NodeAccepted) {
		return nil
	}
	f = asFrozen(f)
	out := fallenNode(f)
	if m == inventory.NodeHandedOver {
		out = append(out, heldBack(false, f)...)
	}
	return out
}

// heldBack asks no_hold once more: a latch that was set after the acceptance
// keeps everything here.
func heldBack(rack bool, f Facts) []inventory.Blocker {
	s, _ := Find(GateNoHold, rack)
	on, name := inventory.NodeSubject(f.Node.ID), f.Node.Address
	if rack {
		on, name = inventory.RackSubject(f.Rack.ID), f.Rack.Name
	}
	return blockers([]GateResult{judge(s, on, f)}, name)
}
