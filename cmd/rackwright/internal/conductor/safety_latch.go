package conductor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// owe files something now, or at a later look if the record does not take it:
// whatever the sensor says then.
func (s *Safety) owe(ctx context.Context, what string, do func(context.Context) error) (filed bool) {
	ctx, cancel := context.WithTimeout(ctx, watchRecord)
	defer cancel()
	err := do(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.owed, what)
		return true
	}
	s.Log.Error("the record did not take what a leak asks for; it is tried again", "what", what, "err", err)
	if s.owed == nil {
		s.owed = map[string]func(context.Context) error{}
	}
	s.owed[what] = do
	return false
}

// settle files what the record did not take before, latches first; nobody waits
// for it. One that is refused again holds up none behind it.
func (s *Safety) settle(ctx context.Context) {
	if !s.settling.TryLock() {
		return
	}
	defer s.settling.Unlock()
	s.mu.Lock()
	list := maps.Clone(s.owed)
	s.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(list)) {
		if !s.owe(ctx, what, list[what]) && ctx.Err() != nil {
			return
		}
	}
}

// hold latches a node or rack.
func (s *Safety) hold(ctx context.Context, on inventory.Subject, reason string) {
	s.owe(ctx, "latch "+on.String(), func(ctx context.Context) error {
		return s.Store.Hold(ctx, on, inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: reason})
	})
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
	if len(wet) < 2 && n.Kind != inventory.KindPowerShelf && n.Kind != inventory.KindCDU || err == nil && r.Held(inventory.HoldSafetyLatch) {
		return
	}
	s.hold(context.WithoutCancel(ctx), inventory.RackSubject(n.Rack),
		fmt.Sprintf("leak in %s: cut the power of the rack and isolate its coolant", strings.Join(slices.Sorted(maps.Values(wet)), ", ")))
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
