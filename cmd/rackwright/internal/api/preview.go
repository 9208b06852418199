package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Results of a line that was only looked at.
const (
	lineWould   = "would ask"
	lineBlocked = "blocked" // somebody has to act first; the request may be made all the same
)

// leads are the operations that end in a milestone: what keeps a node from its
// next one keeps them waiting, too. The others only meet holds.
var leads = []inventory.OpKind{inventory.OpSecure, inventory.OpFirmware, inventory.OpBurnIn, inventory.OpRackTest, inventory.OpBringUp}

// preview says of whom a request would ask work, and what stands in its way as
// the conductor last saw it. It changes nothing.
func (s *Service) preview(ctx context.Context, req inventory.Request) ([]inventory.RequestLine, error) {
	var out []inventory.RequestLine
	look := func(on inventory.Subject, at string, holds []inventory.Hold, sel inventory.Selector) error {
		var waits []inventory.Blocker
		if slices.Contains(leads, req.Op) {
			all, err := s.Store.Blockers(ctx, sel)
			if err != nil {
				return problem(err)
			}
			waits = slices.DeleteFunc(all, func(b inventory.Blocker) bool { return b.Subject != on })
		}
		out = append(out, foresee(on, at, holds, waits))
		return nil
	}
	if req.Op == inventory.OpRackTest || req.Op == inventory.OpBringUp {
		for _, id := range req.On.Racks {
			r, err := s.Store.Rack(ctx, id)
			if err != nil {
				return nil, problem(err)
			}
			if err := look(inventory.RackSubject(id), string(r.Milestone), r.Holds, inventory.Selector{Racks: []inventory.RackID{id}}); err != nil {
				return nil, err
			}
		}
	}
	if req.Op == inventory.OpRackTest {
		req.On = inventory.Selector{} // the work is the rack's
	}
	for n, err := range s.Store.Select(ctx, req.On) {
		if err == nil {
			err = look(inventory.NodeSubject(n.ID), string(n.Milestone), n.Holds, inventory.Selector{Nodes: []inventory.NodeID{n.ID}})
		}
		if err != nil {
			return nil, problem(err)
		}
	}
	if len(out) == 0 {
		return nil, problem(fmt.Errorf("the selector matches nothing: %w", inventory.ErrNotFound))
	}
	return out, nil
}

func foresee(on inventory.Subject, at string, holds []inventory.Hold, waits []inventory.Blocker) inventory.RequestLine {
	line := inventory.RequestLine{Subject: on, Result: lineWould, Detail: "at " + at}
	for _, h := range holds {
		line.Detail += fmt.Sprintf("; HOLD %s: %s", h.Name, h.Reason)
	}
	if len(waits) == 0 {
		return line
	}
	line.Result = lineBlocked
	line.Detail += fmt.Sprintf("; %s: %s", waits[0].Owner, inventory.Sentence(waits[0].Fix, waits[0].Args))
	if more := len(waits) - 1; more > 0 {
		line.Detail += fmt.Sprintf(" (and %d more)", more)
	}
	return line
}
