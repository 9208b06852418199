package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// notSurplus refuses a label that is on a list, but is no unit of this rack: the
// rack itself, a part inside a unit, or a unit of another rack that the caller
// may see. A finding about a surplus unit would send people looking for one.
func (s *Service) notSurplus(ctx context.Context, r inventory.Rack, nodes []inventory.Node, serial string) error {
	is := func(other string) bool { return inventory.Usable(other) == inventory.Usable(serial) }
	if is(r.Serial) {
		return invalid(serial+" is the rack "+r.Name+" itself", "Sign that it was read: rackwright sign "+r.Name+" rack.serial.")
	}
	for _, n := range nodes {
		expected, _, err := s.Store.Components(ctx, n.ID, inventory.At{})
		if err != nil {
			return problem(err)
		}
		for _, c := range expected {
			if c.Kind != inventory.KindChassis && is(c.Serial) {
				return invalid(fmt.Sprintf("%s is a part of %s: %s %s", serial, n.Address, c.Kind, c.Slot), "Scan the label of the unit itself; its parts are read by its BMC.")
			}
		}
	}
	racks, err := s.reach(ctx)
	if err != nil {
		return err
	}
	n, found, err := s.elsewhere(ctx, racks, r.ID, func(o inventory.Node) bool { return is(o.Serial) })
	if err != nil || !found {
		return err
	}
	there, _, _ := strings.Cut(n.Address, "/")
	return invalid(fmt.Sprintf("%s is expected at %s, not in rack %s", serial, n.Address, r.Name), "Bring it to rack "+there+" and scan it there: rackwright scan "+there+" "+serial+".")
}

// elsewhere is the first node of these racks, but for one, that is asked for.
func (s *Service) elsewhere(ctx context.Context, racks []inventory.Rack, but inventory.RackID, is func(inventory.Node) bool) (inventory.Node, bool, error) {
	for _, r := range racks {
		if r.ID == but {
			continue
		}
		for n, err := range s.Store.Select(ctx, inventory.Selector{Racks: []inventory.RackID{r.ID}}) {
			if err != nil {
				return n, false, problem(err)
			}
			if is(n) {
				return n, true, nil
			}
		}
	}
	return inventory.Node{}, false, nil
}
