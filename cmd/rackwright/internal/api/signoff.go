package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// SignoffRequest signs checklist gates. Without gates: every checklist gate of
// the next milestone that is not open yet.
type SignoffRequest struct {
	On      string           `json:"on" doc:"rack or node, id or address"`
	Gates   []inventory.Gate `json:"gates,omitempty"`
	Members bool             `json:"members,omitempty" doc:"sign for every member of the rack instead of the rack itself"`
	Result  inventory.Result `json:"result,omitempty" enum:"pass,fail" doc:"default pass"`
	Note    string           `json:"note,omitempty" doc:"it is kept with the signature"`
}

// Signed is one line that was signed.
type Signed struct {
	Subject   inventory.Subject `json:"subject"`
	Address   string            `json:"address"`
	Gate      inventory.Gate    `json:"gate"`
	Statement string            `json:"statement"`
	Result    inventory.Result  `json:"result"`
}

type signoffIn struct {
	DryRun bool `query:"dryRun" doc:"list what would be signed"`
	Body   SignoffRequest
}

// target is one subject whose gates are signed.
type target struct {
	on      inventory.Subject
	address string
	kind    inventory.NodeKind
	gates   []lifecycle.GateResult // of the next milestone
}

func (s *Service) signoff(ctx context.Context, in *signoffIn) (*body[[]Signed], error) {
	on, r, c, err := s.subject(ctx, in.Body.On, auth.Read)
	if err != nil {
		return nil, err
	}
	targets, kind, err := s.signTargets(ctx, on, r, in.Body.Members)
	if err != nil {
		return nil, problem(err)
	}
	result := in.Body.Result
	if result == "" {
		result = inventory.ResultPass
	}
	out := []Signed{}
	for _, t := range targets {
		gates, err := signable(t, kind, in.Body.Gates)
		if err != nil {
			return nil, err
		}
		for _, spec := range gates {
			action := auth.SignChecklist
			if spec.Gate == lifecycle.GateFacility {
				action = auth.SignPowerReady
			}
			if err := auth.Can(c.Grants, action, s.target(r), now()); err != nil {
				return nil, problem(fmt.Errorf("gate %s of %s: %w", spec.Gate, t.address, err))
			}
			out = append(out, Signed{Subject: t.on, Address: t.address, Gate: spec.Gate, Statement: spec.Meaning, Result: result})
		}
	}
	if len(out) == 0 {
		return nil, invalid("there is no open checklist gate to sign on "+in.Body.On, "Look what is missing: rackwright describe "+in.Body.On)
	}
	if in.DryRun {
		return answer(out), nil
	}
	for _, line := range out {
		if err := s.sign(ctx, c, line.Subject, line.Gate, result, strings.TrimSpace(in.Body.Note)); err != nil {
			return nil, problem(err)
		}
	}
	s.wake()
	return answer(out), nil
}

// signTargets are the subject itself or the members of a rack, each with the
// gates of its next milestone.
func (s *Service) signTargets(ctx context.Context, on inventory.Subject, r inventory.Rack, membersToo bool) ([]target, inventory.RackType, error) {
	f, err := facts.Rack(ctx, s.Store, r.ID, now())
	if err != nil {
		return nil, f.Type, err
	}
	if on.Scope == inventory.ScopeRack && !membersToo {
		t := target{on: on, address: r.Name}
		if next, ok := lifecycle.AfterRack(f.Rack.Milestone); ok {
			t.gates = lifecycle.RackGateResults(next, f)
		}
		return []target{t}, f.Type, nil
	}
	var out []target
	for _, n := range f.Nodes {
		if on.Scope == inventory.ScopeNode && n.ID != inventory.NodeID(on.ID) {
			continue
		}
		f.Node = n
		t := target{on: inventory.NodeSubject(n.ID), address: n.Address, kind: n.Kind}
		if next, ok := lifecycle.After(n.Milestone); ok {
			t.gates = lifecycle.GateResults(next, f)
		}
		out = append(out, t)
	}
	return out, f.Type, nil
}

// byScan are the gates that only the reading of a label opens: nobody signs for
// a unit that was not at the dock.
var byScan = []inventory.Gate{lifecycle.GateIdentityLabel, lifecycle.GateDisposition}

// signable picks the gates a person may sign here: a gate that a machine
// produces, or that follows from the record, is nobody's to sign.
func signable(t target, kind inventory.RackType, wanted []inventory.Gate) ([]lifecycle.Spec, error) {
	var out []lifecycle.Spec
	if len(wanted) == 0 {
		for _, g := range t.gates {
			if g.Producer == inventory.ByChecklist && !g.Open() && !slices.Contains(byScan, g.Gate) {
				spec, _ := lifecycle.Find(g.Gate, t.on.Scope == inventory.ScopeRack)
				out = append(out, spec)
			}
		}
		return out, nil
	}
	for _, name := range wanted {
		if slices.Contains(byScan, name) {
			return nil, invalid(fmt.Sprintf("gate %s of %s is proven by a label, not by a signature", name, t.address),
				"Scan the label, or type what it says: rackwright scan RACK CODE --node "+t.address+" --disposition received.")
		}
		spec, ok := lifecycle.Find(name, t.on.Scope == inventory.ScopeRack)
		if !ok {
			return nil, invalid(fmt.Sprintf("%s is no gate of %s", name, t.address), "Look at the gates: rackwright describe "+t.address)
		}
		by, why := lifecycle.ProducerOf(spec, kind, t.kind)
		if by == inventory.ByDeclaration && slices.Contains([]inventory.Scope{inventory.ScopeNode}, t.on.Scope) {
			continue // asked of other kinds only
		}
		if by != inventory.ByChecklist {
			return nil, invalid(fmt.Sprintf("gate %s of %s is produced by %s, not by a signature %s", name, t.address, by, why),
				"Let the machine produce it, or ask for a waiver with two people.")
		}
		out = append(out, spec)
	}
	return out, nil
}
