package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// RackLine is one rack of a list.
type RackLine struct {
	inventory.Rack
	Members  int `json:"members"`
	Findings int `json:"findings"` // open
	Never    int `json:"never"`    // members that must not be powered off
}

// RackDetail is one rack with everything that says why it stands where it stands.
type RackDetail struct {
	inventory.Rack
	TypeName string                  `json:"typeName"`
	Slots    []SlotLine              `json:"slots"`
	Next     inventory.RackMilestone `json:"next,omitempty"`
	Gates    []lifecycle.GateResult  `json:"gates"` // of the next milestone
	Blockers []inventory.Blocker     `json:"blockers"`
	Findings []inventory.Finding     `json:"findings"` // open
	Waivers  []inventory.Waiver      `json:"waivers"`
	Head     uint64                  `json:"head" doc:"number of the last entry of the rack's chain that is in here; streams go on from it"`
	At       time.Time               `json:"at"` // when this was read
}

// SlotLine is one slot of the elevation with the node in it.
type SlotLine struct {
	Slot inventory.Slot `json:"slot"`
	Node NodeLine       `json:"node"`
}

// NodeLine is one node of a list, with its sign and who acts next.
type NodeLine struct {
	inventory.Node
	Sign          Sign   `json:"sign"`
	NeverPowerOff bool   `json:"neverPowerOff"`
	Findings      int    `json:"findings"`        // open
	Waits         string `json:"waits,omitempty"` // first blocker as a sentence with its owner
}

type rackPath struct {
	Rack string `path:"rack" doc:"rack id or name"`
}

func (s *Service) addRacks(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/racks", "list-racks", "Racks the caller may see"), s.listRacks)
	huma.Register(api, op(http.MethodGet, "/racks/{rack}", "get-rack", "One rack: slots, gates, blockers, findings, waivers"),
		func(ctx context.Context, in *rackPath) (*body[RackDetail], error) {
			r, _, err := s.rack(ctx, in.Rack, auth.Read)
			if err != nil {
				return nil, err
			}
			d, err := s.RackDetail(ctx, r)
			return answer(d), problem(err)
		})
	huma.Register(api, op(http.MethodGet, "/racks/{rack}/events", "rack-events", "The rack's hash chain"), s.rackEvents)
}

func (s *Service) listRacks(ctx context.Context, _ *struct{}) (*body[[]RackLine], error) {
	mine, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	out := []RackLine{}
	for _, r := range mine {
		d, err := s.RackDetail(ctx, r)
		if err != nil {
			return nil, problem(err)
		}
		line := RackLine{Rack: r, Members: len(d.Slots), Findings: len(d.Findings)}
		for _, slot := range d.Slots {
			if slot.Node.NeverPowerOff {
				line.Never++
			}
		}
		out = append(out, line)
	}
	return answer(out), nil
}

// RackDetail reads one rack; the pages use it, too.
func (s *Service) RackDetail(ctx context.Context, r inventory.Rack) (RackDetail, error) {
	now := time.Now().UTC()
	head, _, err := s.Store.Head(ctx, inventory.RackSubject(r.ID)) // first: what comes after it may be in here, too
	if err != nil {
		return RackDetail{}, err
	}
	f, err := facts.Rack(ctx, s.Store, r.ID, now)
	if err != nil {
		return RackDetail{}, err
	}
	blockers, err := s.Store.Blockers(ctx, inventory.Selector{Racks: []inventory.RackID{r.ID}})
	if err != nil {
		return RackDetail{}, err
	}
	d := RackDetail{Rack: f.Rack, TypeName: f.Type.Name, Blockers: blockers, Findings: openFindings(f.Findings), Waivers: f.Waivers, Head: head, At: now}
	if next, ok := lifecycle.AfterRack(f.Rack.Milestone); ok {
		d.Next, d.Gates = next, lifecycle.RackGateResults(next, f)
	}
	nodes := map[string]inventory.Node{}
	for _, n := range f.Nodes {
		nodes[n.Slot] = n
	}
	for _, slot := range f.Type.Slots {
		n, ok := nodes[slot.Path]
		if !ok {
			n = inventory.Node{Rack: r.ID, Kind: slot.Kind, Slot: slot.Path, Address: r.Name + "/" + slot.Path, Milestone: inventory.NodeExpected}
		}
		d.Slots = append(d.Slots, SlotLine{Slot: slot, Node: nodeLine(n, d.Findings, blockers)})
	}
	return d, nil
}

func nodeLine(n inventory.Node, open []inventory.Finding, blockers []inventory.Blocker) NodeLine {
	line := NodeLine{Node: n, NeverPowerOff: NeverPowerOff(n)}
	for _, f := range open {
		if n.ID != "" && touches(f, n.ID) { // an empty slot has none: those without a node are the rack's
			line.Findings++
		}
	}
	blocked := false
	for _, b := range blockers {
		if b.Subject == inventory.NodeSubject(n.ID) {
			if !blocked {
				line.Waits = string(b.Owner) + ": " + inventory.Sentence(b.Fix, b.Args)
			}
			blocked = true
		}
	}
	line.Sign = SignOf(n, line.Findings, blocked)
	return line
}

func touches(f inventory.Finding, id inventory.NodeID) bool {
	if f.Node == id {
		return true
	}
	for _, o := range f.Others {
		if o == id {
			return true
		}
	}
	return false
}

func openFindings(all []inventory.Finding) []inventory.Finding {
	out := []inventory.Finding{}
	for _, f := range all {
		if !f.Closed {
			out = append(out, f)
		}
	}
	return out
}

type eventsIn struct {
	Rack  string `path:"rack"`
	After uint64 `query:"after" doc:"number of the last entry already known"`
	Limit int    `query:"limit" default:"200" minimum:"1" maximum:"1000"`
}

func (s *Service) rackEvents(ctx context.Context, in *eventsIn) (*body[[]inventory.Entry], error) {
	r, _, err := s.rack(ctx, in.Rack, auth.Read)
	if err != nil {
		return nil, err
	}
	out := []inventory.Entry{}
	for e, err := range s.Store.Entries(ctx, inventory.RackSubject(r.ID), in.After) {
		if err != nil {
			return nil, problem(err)
		}
		if out = append(out, e); len(out) == in.Limit {
			break
		}
	}
	return answer(out), nil
}
