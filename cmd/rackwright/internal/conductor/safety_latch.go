package conductor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// hold latches a node or rack.
func (s *Safety) hold(ctx context.Context, on inventory.Subject, reason string) {
	s.owe(ctx, latchDue(on, time.Now(), reason))
}

// rackReason is the reason of a rack's latch: where it leaks, and what people do.
func rackReason(where ...string) string {
	return fmt.Sprintf("leak in %s: cut the power of the rack and isolate its coolant", strings.Join(where, ", "))
}

// alone: a leak of it is its rack's matter at once.
func alone(n inventory.Node) bool {
	return n.Kind == inventory.KindPowerShelf || n.Kind == inventory.KindCDU
}

// escalate latches the rack of a leaking node where it is the rack's matter: two
// BMCs, or a shelf or CDU. Its power is cut by people.
func (s *Safety) escalate(ctx context.Context, n inventory.Node) {
	ctx, cancel := context.WithTimeout(ctx, watchRecord)
	defer cancel()
	members, err := nodesOf(s.Store.Select(ctx, inventory.Selector{Racks: []inventory.RackID{n.Rack}}), func(inventory.Node) bool { return true })
	if err != nil {
		s.mu.Lock()
		members = slices.DeleteFunc(slices.Clone(s.known), func(m inventory.Node) bool { return m.Rack != n.Rack })
		s.mu.Unlock()
	}
	wet := map[string]string{n.BMC.URL: n.Address} // two nodes on one BMC are one leak
	for _, m := range members {
		if s.wet(m, gone(m)) && wet[m.BMC.URL] == "" {
			wet[m.BMC.URL] = m.Address
		}
	}
	r, err := s.Store.Rack(ctx, n.Rack)
	if len(wet) < 2 && !alone(n) || err == nil && r.Held(inventory.HoldSafetyLatch) {
		return
	}
	s.hold(context.WithoutCancel(ctx), inventory.RackSubject(n.Rack), rackReason(slices.Sorted(maps.Values(wet))...))
}

// gone: it is not in its slot any more, or not ours.
func gone(n inventory.Node) bool {
	return n.Milestone == inventory.NodeRepair || n.Milestone == inventory.NodeRetired || n.Milestone == inventory.NodeHandedOver
}

// wet: it leaks, or was latched for a leak and has not read dry since. One that is
// gone counts only if it leaks.
func (s *Safety) wet(n inventory.Node, gone bool) (out bool) {
	latched := slices.ContainsFunc(n.Holds, leakLatch)
	s.post(n.ID, func(p *post) {
		out = p.state == inventory.ResultFail || latched && !gone && p.state != inventory.ResultPass
	})
	return out
}
