package handover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// LawVersion is the version of the gate table this release judges by. It is
// raised whenever inventory/lifecycle changes which gates there are or what
// opens them, or a certificate's words change; the golden packages then force
// this room to keep the old reading.
//
//	1  first
//	2  notices name the slots in which a leak was read
const LawVersion = "2"

// laws are those that this release can judge by.
var laws = []string{"1", LawVersion}

// gateMembers is the certificate's own rule: every required member is covered
// or excluded within the tolerance.
const gateMembers inventory.Gate = "members.covered"

// Failure is one gate that is shut, and why.
type Failure struct {
	Subject inventory.Subject `json:"subject"`
	Address string            `json:"address"`
	Gate    inventory.Gate    `json:"gate"`
	Result  inventory.Result  `json:"result,omitempty"`
	Reason  string            `json:"reason"`
}

// Error names subject, gate and reason.
func (f Failure) Error() string {
	return fmt.Sprintf("gate %s of %s is shut: %s", f.Gate, f.Address, f.Reason)
}

// Unwrap makes errors.Is(err, inventory.ErrDenied) true.
func (f Failure) Unwrap() error { return inventory.ErrDenied }

// CheckGates asks the law again about every gate of every covered member (up to
// rack_tested) and of the rack (up to rack_tested, and no_hold), and compares
// the members with the rack type. Empty means that a certificate may be drafted.
// Gates of accepted and handed_over are what the certificate itself proves.
func CheckGates(c Case) []Failure {
	var out []Failure
	each(c, func(_ string, address string, g lifecycle.GateResult) {
		if !g.Open() {
			out = append(out, Failure{Subject: g.Subject, Address: address, Gate: g.Gate, Result: g.Result, Reason: g.Reason})
		}
	})
	return append(out, checkMembers(c)...)
}

// each visits every gate, members by address first, the rack last.
func each(c Case, visit func(milestone, address string, g lifecycle.GateResult)) {
	facts := lifecycle.Facts{Type: c.Type, Rack: c.Rack, Nodes: c.Nodes, Evidence: sortedEvidence(c.Evidence), Findings: c.Findings, Waivers: c.Waivers, Now: c.Now}
	for _, n := range sortedNodes(c.Nodes) {
		if c.excluded(n.ID) {
			continue
		}
		facts.Node = n
		for _, m := range lifecycle.NodeMilestones() {
			if rank := lifecycle.Rank(m); rank >= 0 && rank <= lifecycle.Rank(inventory.NodeRackTested) {
				for _, g := range lifecycle.GateResults(m, facts) {
					visit(string(m), n.Address, g)
				}
			}
		}
	}
	facts.Node = inventory.Node{}
	for _, m := range lifecycle.RackMilestones() {
		rank := lifecycle.RackRank(m)
		for _, g := range lifecycle.RackGateResults(m, facts) {
			if rank >= 0 && rank <= lifecycle.RackRank(inventory.RackTested) || g.Gate == lifecycle.GateNoHold {
				visit(string(m), c.Rack.Name, g)
			}
		}
	}
}

// sortedEvidence orders rows by time, then id, so that the newest row of a gate
// is the same one wherever the rows were kept.
func sortedEvidence(rows []inventory.Evidence) []inventory.Evidence {
	out := slices.Clone(rows)
	slices.SortFunc(out, func(a, b inventory.Evidence) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return out
}

// gateLines writes what the certificate states about every gate.
func gateLines(c Case) ([]GateLine, error) {
	rows := make(map[inventory.EvidenceID]inventory.Digest, len(c.Evidence))
	for _, e := range c.Evidence {
		d, err := digestOf(e)
		if err != nil {
			return nil, fmt.Errorf("evidence %s: %w", e.ID, err)
		}
		if other, twice := rows[e.ID]; twice && other != d || e.ID == "" {
			return nil, fmt.Errorf("evidence %q of gate %s: the id stands for two rows or for none: %w", e.ID, e.Gate, inventory.ErrInvalid)
		}
		rows[e.ID] = d
	}
	lines := []GateLine{}
	each(c, func(milestone, address string, g lifecycle.GateResult) {
		lines = append(lines, GateLine{Subject: g.Subject, Address: address, Milestone: milestone, Gate: g.Gate, Result: g.Result, Producer: g.Producer,
			Evidence: g.Evidence, Row: rows[g.Evidence], Document: g.Document, By: g.By, Waiver: g.Waiver, Reason: g.Reason, Simulated: g.Simulated})
	})
	return lines, nil
}

// untested: the rack has accelerators, and the gate that asks for their tests was waived.
func untested(t inventory.RackType, lines []GateLine) bool {
	for _, g := range lines {
		if t.Accelerator != "" && g.Gate == lifecycle.GateAccelerator && g.Result == inventory.ResultWaived {
			return true
		}
	}
	return false
}
