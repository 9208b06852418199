package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// derive computes the gates that follow from the record itself.
func derive(s Spec, f Facts) (inventory.Result, string) {
	switch s.Gate {
	case "schema", "serial.unique", "product.known":
		return inventory.ResultPass, "checked when the line was imported"
	case "slot.free":
		return slotFree(f)
	case "slot.fits":
		return slotFits(f)
	case GateAsFound:
		return asFound(f)
	case GateCovered:
		return covered(f)
	case GateNoHold:
		return noHold(s, f)
	case GateInventoryHash:
		return pass(RackRank(f.Rack.Milestone) >= RackRank(inventory.RackHandedOver), "the rack's package is not issued yet")
	case "lines.disposed":
		return disposed(f)
	case "location.agrees":
		return located(f)
	case "firmware.one_level":
		return oneLevel(f)
	case GateTwoSigners:
		return twoSigners(f)
	case "members.accepted":
		return membersAccepted(f)
	}
	if need, ok := strings.CutPrefix(string(s.Gate), "members."); ok {
		return members(f, inventory.Milestone(need))
	}
	return inventory.ResultUnjudged, "the law has no rule for this gate"
}

func pass(ok bool, why string) (inventory.Result, string) {
	if ok {
		return inventory.ResultPass, ""
	}
	return inventory.ResultUnjudged, why
}

func slotFree(f Facts) (inventory.Result, string) {
	for _, n := range f.Nodes {
		if n.ID != f.Node.ID && n.Slot == f.Node.Slot && n.Milestone != inventory.NodeRetired {
			return inventory.ResultFail, n.Address + " claims the same slot"
		}
	}
	return inventory.ResultPass, ""
}

func slotFits(f Facts) (inventory.Result, string) {
	for _, s := range f.Type.Slots {
		if s.Path == f.Node.Slot {
			if s.Kind == f.Node.Kind {
				return inventory.ResultPass, ""
			}
			return inventory.ResultFail, fmt.Sprintf("slot %s takes %s, this is %s", s.Path, s.Kind, f.Node.Kind)
		}
	}
	return inventory.ResultFail, "the rack type has no slot " + f.Node.Slot
}

// asFound: firmware is the next milestone's concern; everything else must be
// fixed, or accepted as found by two people.
func asFound(f Facts) (inventory.Result, string) {
	var open []string
	for _, x := range f.Findings {
		if !x.Closed && x.Kind != inventory.FindWrongFirmware && touches(x, f.Node.ID) && !Accepted(x.ID, f) {
			open = append(open, inventory.Sentence(x.Fix, x.Args))
		}
	}
	if len(open) > 0 {
		return inventory.ResultFail, fmt.Sprintf("%d findings are open: %s", len(open), strings.Join(open, " · "))
	}
	return inventory.ResultPass, ""
}

func touches(x inventory.Finding, id inventory.NodeID) bool {
	return x.Node == id || slices.Contains(x.Others, id)
}

func covered(f Facts) (inventory.Result, string) {
	if slices.Contains(f.Rack.Excluded, f.Node.ID) {
		return inventory.ResultUnjudged, "the certificate excludes this member"
	}
	if !draftFits(f) {
		return inventory.ResultUnjudged, "the frozen draft covers other members than the rack does now"
	}
	return pass(RackRank(f.Rack.Milestone) >= RackRank(inventory.RackAccepted), "the rack's certificate is not signed by both yet")
}

func noHold(s Spec, f Facts) (inventory.Result, string) {
	check := func(on inventory.Subject, name string, held []inventory.Hold) (inventory.Result, string) {
		if err := May(on, held, UseAccept); err != nil {
			return inventory.ResultFail, name + ": " + err.Error()
		}
		return inventory.ResultPass, ""
	}
	r, why := check(inventory.RackSubject(f.Rack.ID), f.Rack.Name, f.Rack.Holds) // it holds its members, too
	if s.Rack == "" && r == inventory.ResultPass {
		return check(inventory.NodeSubject(f.Node.ID), f.Node.Address, f.Node.Holds)
	}
	if s.Rack == "" || r != inventory.ResultPass {
		return r, why
	}
	for _, n := range f.Nodes {
		if slices.Contains(f.Rack.Excluded, n.ID) {
			continue
		}
		if r, why := check(inventory.NodeSubject(n.ID), n.Address, n.Holds); r != inventory.ResultPass {
			return r, why
		}
	}
	return inventory.ResultPass, ""
}

// disposed: each line was received, or a person decided what becomes of it; a
// surplus unit is decided as well, or accepted as found by two people.
func disposed(f Facts) (inventory.Result, string) {
	var open []string
	for _, n := range f.Nodes {
		if Rank(n.Milestone) == Rank(inventory.NodeExpected) && !decided(f, n.ID) {
			open = append(open, n.Address)
		}
	}
	for _, x := range f.Findings {
		if x.Node == "" && !x.Closed && x.Disposition == "" && !Accepted(x.ID, f) {
			open = append(open, "surplus "+x.Got.Serial)
		}
	}
	return pass(len(open) == 0, "no disposition yet: "+strings.Join(open, ", "))
}

func decided(f Facts, id inventory.NodeID) bool {
	return slices.ContainsFunc(f.Findings, func(x inventory.Finding) bool { return x.Node == id && x.Disposition != "" }) ||
		slices.ContainsFunc(f.Evidence, func(e inventory.Evidence) bool {
			return e.Gate == GateDisposition && e.Subject == inventory.NodeSubject(id) && !e.Void
		})
}

func located(f Facts) (inventory.Result, string) {
	for _, n := range f.Nodes {
		if n.Held(inventory.HoldLocationMismatch) && !slices.Contains(f.Rack.Excluded, n.ID) {
			return inventory.ResultFail, n.Address + " is not where it belongs"
		}
	}
	return inventory.ResultPass, ""
}

// oneLevel: mixed firmware in one domain is refused, even within the tolerance.
func oneLevel(f Facts) (inventory.Result, string) {
	domain := map[string]string{}
	for _, s := range f.Type.Slots {
		domain[s.Path] = s.Domain
	}
	level := map[string]inventory.Digest{}
	for _, n := range f.Nodes {
		if Rank(n.Milestone) < Rank(inventory.NodeBaselined) {
			continue
		}
		f.Node = n
		e, ok := newest(GateFirmware, inventory.ByMachine, inventory.NodeSubject(n.ID), f)
		if !ok || e.Cites["baseline"] == "" {
			continue
		}
		key := domain[n.Slot] + " " + string(n.Kind)
		if other, seen := level[key]; seen && other != e.Cites["baseline"] {
			return inventory.ResultFail, "two baselines among the " + string(n.Kind) + " members of domain " + domain[n.Slot]
		}
		level[key] = e.Cites["baseline"]
	}
	return inventory.ResultPass, ""
}

func twoSigners(f Facts) (inventory.Result, string) {
	on := inventory.RackSubject(f.Rack.ID)
	d, ok1 := newest(GateDeliverer, inventory.ByPersonSigned, on, f)
	a, ok2 := newest(GateAcceptor, inventory.ByPersonSigned, on, f)
	draft, ok3 := newest(GateDraft, inventory.ByMachine, on, f)
	switch {
	case !ok1 || !ok2 || !ok3:
		return inventory.ResultUnjudged, "draft, deliverer's and acceptor's signature are needed"
	case d.By == a.By:
		return inventory.ResultFail, "deliverer and acceptor are the same person"
	case !draftFits(f):
		return inventory.ResultFail, "the frozen draft covers other members than the rack does now"
	case d.Document != a.Document || d.Document != draft.Document:
		return inventory.ResultFail, "the signatures are not on the draft that is frozen now"
	}
	return inventory.ResultPass, ""
}

// Names under which draft evidence cites whom it leaves out, and whom it covers.
const (
	CiteExcluded = "excluded"
	CiteCovered  = "covered"
)

// DraftCites are the digests by which a draft is bound to the members of its rack.
func DraftCites(r inventory.Rack, nodes []inventory.Node) map[string]inventory.Digest {
	return map[string]inventory.Digest{CiteExcluded: MembersDigest(r.Excluded), CiteCovered: MembersDigest(coveredBy(r, nodes))}
}

func coveredBy(r inventory.Rack, nodes []inventory.Node) []inventory.NodeID {
	var out []inventory.NodeID
	for _, n := range nodes {
		if !slices.Contains(r.Excluded, n.ID) {
			out = append(out, n.ID)
		}
	}
	return out
}

// MembersDigest is the digest of a set of members, in any order.
func MembersDigest(out []inventory.NodeID) inventory.Digest {
	var b strings.Builder
	for _, id := range slices.Sorted(slices.Values(out)) {
		b.WriteString(string(id) + "\n")
	}
	return inventory.DigestOf([]byte(b.String()))
}

// draftFits: the newest draft leaves out whom the rack leaves out, and covers
// everybody else: a row that was imported later is on no certificate. A draft
// that does not say is older than this rule: it is frozen anew, or handed over.
func draftFits(f Facts) bool {
	e, ok := newest(GateDraft, inventory.ByMachine, inventory.RackSubject(f.Rack.ID), f)
	if !ok {
		return true
	}
	for what, d := range DraftCites(f.Rack, f.Nodes) {
		if said := e.Cites[what]; said != d && (said != "" || RackRank(f.Rack.Milestone) < RackRank(inventory.RackHandedOver)) {
			return false
		}
	}
	return true
}

func membersAccepted(f Facts) (inventory.Result, string) {
	for _, n := range f.Nodes {
		if !slices.Contains(f.Rack.Excluded, n.ID) && Rank(n.Milestone) < Rank(inventory.NodeAccepted) {
			return inventory.ResultUnjudged, n.Address + " is not accepted yet"
		}
	}
	return inventory.ResultPass, ""
}

func members(f Facts, need inventory.Milestone) (inventory.Result, string) {
	var parts []string
	for _, s := range missing(f.Type, f.Nodes, need) {
		parts = append(parts, fmt.Sprintf("%d of %d %s (behind: %s)", s.have, s.need, s.kind, strings.Join(s.behind, ", ")))
	}
	return pass(len(parts) == 0, strings.Join(parts, "; "))
}

// RackTarget is where a rack between power_ready and rack_tested stands by its
// members and gates now; it may lie below its present milestone.
func RackTarget(f Facts) inventory.RackMilestone {
	at := inventory.RackPowerReady
	for _, c := range carries {
		if len(GateRack(c.rack, f)) > 0 {
			return at
		}
		at = c.rack
	}
	return at
}

// HighestValid is the highest milestone up to a limit that a node's evidence
// still carries, where return from triage leads.
func HighestValid(f Facts, limit inventory.Milestone) inventory.Milestone {
	at := inventory.NodeReceived
	for _, m := range nodeOrder[2:] {
		if Rank(m) > Rank(limit) || len(Gate(m, f)) > 0 {
			return at
		}
		at = m
	}
	return at
}
