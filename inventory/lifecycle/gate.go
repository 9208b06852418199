package lifecycle

import (
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Facts are everything the law looks at. Node is zero when a rack is judged.
// Evidence holds the node's and the rack's; for a rack also its members'.
// Findings and Waivers are those of the whole rack.
type Facts struct {
	Type     inventory.RackType
	Rack     inventory.Rack
	Node     inventory.Node
	Nodes    []inventory.Node
	Evidence []inventory.Evidence
	Findings []inventory.Finding
	Waivers  []inventory.Waiver
	Now      time.Time
}

// GateResult is one gate with what made its result.
type GateResult struct {
	Gate      inventory.Gate       `json:"gate"`
	Subject   inventory.Subject    `json:"subject"`
	Result    inventory.Result     `json:"result"`
	Producer  inventory.Producer   `json:"producer"`
	Meaning   string               `json:"meaning"`
	Reason    string               `json:"reason,omitempty"`
	Evidence  inventory.EvidenceID `json:"evidence,omitempty"`
	Document  inventory.Digest     `json:"document,omitempty"`
	By        string               `json:"by,omitempty"`
	Waiver    inventory.WaiverID   `json:"waiver,omitempty"`
	Owner     inventory.Owner      `json:"owner"`
	Simulated bool                 `json:"simulated,omitempty"`
}

// Open reports whether the gate lets pass.
func (g GateResult) Open() bool {
	return g.Result == inventory.ResultPass || g.Result == inventory.ResultNotApplicable || g.Result == inventory.ResultWaived
}

// GateResults judges every gate of a node milestone.
func GateResults(m inventory.Milestone, f Facts) []GateResult {
	var out []GateResult
	for _, s := range NodeSpecs(m) {
		out = append(out, judge(s, inventory.NodeSubject(f.Node.ID), f))
	}
	return out
}

// RackGateResults judges every gate of a rack milestone.
func RackGateResults(m inventory.RackMilestone, f Facts) []GateResult {
	var out []GateResult
	for _, s := range RackSpecs(m) {
		out = append(out, judge(s, inventory.RackSubject(f.Rack.ID), f))
	}
	return out
}

// Gate lists the blockers of a node milestone, those of standing gates first;
// empty means open. The last milestones ask everything before them once more.
func Gate(m inventory.Milestone, f Facts) []inventory.Blocker {
	standing := blockers(Standing(m, f), f.Node.Address)
	under := slices.DeleteFunc(underNode(m, f), func(b inventory.Blocker) bool { return len(standing) > 0 && b.Gate == standing[0].Gate })
	return slices.Concat(standing, under, blockers(GateResults(m, f), f.Node.Address))
}

// GateRack lists the blockers of a rack milestone; empty means open.
func GateRack(m inventory.RackMilestone, f Facts) []inventory.Blocker {
	return append(underRack(m, f), blockers(RackGateResults(m, f), f.Rack.Name)...)
}

func blockers(results []GateResult, name string) []inventory.Blocker {
	var out []inventory.Blocker
	for _, r := range results {
		if !r.Open() {
			out = append(out, inventory.Blocker{Gate: r.Gate, Subject: r.Subject, Owner: r.Owner, Fix: fix(r), Args: []string{name, r.Reason}})
		}
	}
	return out
}

// fix is the sentence of a shut gate. What a machine has not judged yet is
// judged again, before anybody reseats or claims a part.
func fix(r GateResult) string {
	id := "gate." + string(r.Gate)
	if unread := id + ".unjudged"; r.Result == inventory.ResultUnjudged && r.Producer == inventory.ByMachine && inventory.HasSentence(unread) {
		return unread
	}
	return id
}

// rule is the rack type's declaration for a gate and kind, the narrower first.
func rule(t inventory.RackType, g inventory.Gate, kind inventory.NodeKind) (inventory.GateRule, bool) {
	var wide *inventory.GateRule
	for _, r := range t.Gates {
		if r.Gate != g {
			continue
		}
		if r.Kind == kind && kind != "" {
			return r, true
		}
		if r.Kind == "" {
			wide = &r
		}
	}
	if wide != nil {
		return *wide, true
	}
	return inventory.GateRule{}, false
}

// ProducerOf is who produces a gate for a kind under a rack type, and why when
// the type or the table says that it does not apply.
func ProducerOf(s Spec, t inventory.RackType, kind inventory.NodeKind) (inventory.Producer, string) {
	if s.Milestone != "" && len(s.Kinds) > 0 && !slices.Contains(s.Kinds, kind) {
		return inventory.ByDeclaration, "the law asks this of " + join(s.Kinds) + " only"
	}
	if s.Gate == GateAccelerator && t.Accelerator == "" {
		return inventory.ByDeclaration, "the rack type has no accelerators"
	}
	if r, ok := rule(t, s.Gate, kind); ok {
		switch {
		case r.By == inventory.ByDeclaration && r.Reason != "":
			return r.By, r.Reason
		case r.By == inventory.ByChecklist || r.By == inventory.ByMachine:
			if s.By == inventory.ByMachine || s.By == inventory.ByChecklist {
				return r.By, ""
			}
		}
	}
	return s.By, ""
}

func join(kinds []inventory.NodeKind) string {
	parts := make([]string, len(kinds))
	for i, k := range kinds {
		parts[i] = string(k)
	}
	return strings.Join(parts, ", ")
}

// judge is the law of one gate. Whatever is missing shuts it.
func judge(s Spec, on inventory.Subject, f Facts) GateResult {
	kind := f.Node.Kind
	if s.Rack != "" {
		kind = ""
	}
	producer, why := ProducerOf(s, f.Type, kind)
	if s.Gate == GateLeak && leakKnown(on, f) {
		producer = inventory.ByMachine // a declaration or a signature does not dry what a detector has read
	}
	g := GateResult{Gate: s.Gate, Subject: on, Producer: producer, Meaning: s.Meaning, Owner: s.Owner, Result: inventory.ResultUnjudged}
	switch producer {
	case inventory.ByDeclaration:
		g.Result, g.Reason = inventory.ResultNotApplicable, why
		return g
	case inventory.ByDerivation:
		g.Result, g.Reason = derive(s, f)
		g.Simulated = f.Rack.Simulated || f.Node.Simulated
		return g
	}
	e, found := newest(s.Gate, producer, on, f)
	switch {
	case !found:
		g.Reason = "no evidence yet"
	default:
		g.Evidence, g.Document, g.By, g.Simulated = e.ID, e.Document, e.By, e.Simulated
		g.Result, g.Reason = e.Result, e.Detail
		if e.Result != inventory.ResultPass && e.Result != inventory.ResultFail {
			g.Result = inventory.ResultUnjudged // "not applicable" and "waived" are never a producer's to say
		}
	}
	if g.Result != inventory.ResultPass && !s.Unwaivable {
		if w, ok := waiver(s.Gate, on, f); ok {
			g.Result, g.Waiver, g.Reason = inventory.ResultWaived, w.ID, w.Reason
		}
	}
	return g
}

// newest is the last evidence that counts: right gate, subject and producer,
// not void, and simulated only where the subject itself is simulated.
func newest(g inventory.Gate, by inventory.Producer, on inventory.Subject, f Facts) (inventory.Evidence, bool) {
	var best inventory.Evidence
	found := false
	simulated := f.Rack.Simulated
	if on.Scope == inventory.ScopeNode {
		simulated = f.Node.Simulated
	}
	for _, e := range f.Evidence {
		if e.Gate != g || e.Producer != by || e.Subject != on || e.Void || e.Simulated && !simulated {
			continue
		}
		if !found || !e.At.Before(best.At) {
			best, found = e, true
		}
	}
	return best, found
}

// waiver finds a waiver of two people that has not expired. One for the rack
// does not cover its members: a waiver has a scope.
func waiver(g inventory.Gate, on inventory.Subject, f Facts) (inventory.Waiver, bool) {
	for _, w := range f.Waivers {
		if w.Gate == g && w.Subject == on && Valid(w, f.Now) {
			return w, true
		}
	}
	return inventory.Waiver{}, false
}

// Valid reports whether a waiver counts: asked and approved by two different
// people, with a reason, not expired.
func Valid(w inventory.Waiver, now time.Time) bool {
	return w.Approver != "" && w.Requester != "" && w.Approver != w.Requester && w.Reason != "" && now.Before(w.Until)
}

// Accepted reports whether an open finding is accepted as found by two people.
func Accepted(id inventory.FindingID, f Facts) bool {
	return slices.ContainsFunc(f.Waivers, func(w inventory.Waiver) bool { return w.Finding == id && id != "" && Valid(w, f.Now) })
}
