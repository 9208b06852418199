package conductor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// unit is what one address answered before anybody logged in: the service
// root's UUID and the key of its certificate.
type unit struct {
	uuid string
	pin  inventory.Digest
}

// whose says which expected node the unit at an address belongs to: by the key
// it proved to hold, else by the UUID that was ordered. A UUID is shown to and
// by anybody: it never stands for a unit that proved another key, whose secret
// would be sent to a stranger. The node itself when nothing says otherwise. It
// is pure.
func whose(n inventory.Node, members []inventory.Node, u unit) inventory.Node {
	if u.pin != "" && n.BMC.Pin == u.pin {
		return n
	}
	if u.pin != "" {
		for _, m := range members {
			if m.BMC.Pin == u.pin {
				return m
			}
		}
	}
	for _, m := range members {
		if u.uuid != "" && m.BMC.Pin == "" && sameUUID(m.UUID, u.uuid) {
			return m
		}
	}
	return n
}

func sameUUID(a, b string) bool {
	return inventory.Usable(a) != "" && strings.EqualFold(a, b)
}

// judgeDiscovered says what a reading means for identity and place. A unit
// whose serial nobody ordered is never bound by guess; one that was ordered for
// another slot of this rack is bound as what it is, and the finding about the
// exchange keeps verified shut. It is pure.
func judgeDiscovered(n inventory.Node, members []inventory.Node, o inventory.Observation) []found {
	id, home := boundTo(n, members, o)
	return []found{id, port(n, home, o)}
}

func boundTo(n inventory.Node, members []inventory.Node, o inventory.Observation) (found, *inventory.Node) {
	seen := identifiers(o)
	if len(seen) == 0 {
		return found{lifecycle.GateIdentity, inventory.ResultUnjudged, "the BMC gave no usable serial or UUID"}, nil
	}
	var owners []inventory.Node
	for _, m := range members {
		if claims(m, seen) {
			owners = append(owners, m)
		}
	}
	switch {
	case len(owners) > 1:
		var names []string
		for _, m := range owners {
			names = append(names, m.Address)
		}
		return found{lifecycle.GateIdentity, inventory.ResultFail, "its serial and UUID belong to " + strings.Join(names, " and ")}, nil
	case len(owners) == 0:
		return found{lifecycle.GateIdentity, inventory.ResultFail, fmt.Sprintf("nobody ordered the unit %s for this rack; expected is %s", strings.Join(seen, ", "), n.Serial)}, nil
	case owners[0].ID != n.ID:
		return found{lifecycle.GateIdentity, inventory.ResultPass, fmt.Sprintf("the unit ordered for %s answers here", owners[0].Address)}, &owners[0]
	}
	return found{lifecycle.GateIdentity, inventory.ResultPass, ""}, &owners[0]
}

// identifiers are the usable serials and UUIDs of the chassis.
func identifiers(o inventory.Observation) []string {
	var out []string
	add := func(text string) {
		if s := inventory.Usable(text); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, c := range o.Components {
		if c.Kind != inventory.KindChassis {
			continue
		}
		add(c.Serial)
		for _, id := range c.IDs {
			add(id.Norm)
		}
	}
	return out
}

func claims(n inventory.Node, seen []string) bool {
	return slices.ContainsFunc(seen, func(s string) bool { return s == inventory.Usable(n.Serial) || s == inventory.Usable(n.UUID) })
}

// port asks whether the BMC answers where its unit is wired: the MAC of the
// manifest, or that of the unit that was found to sit here.
func port(n inventory.Node, home *inventory.Node, o inventory.Observation) found {
	pass := func(why string) found { return found{lifecycle.GatePort, inventory.ResultPass, why} }
	want := []inventory.MAC{n.BMC.MAC}
	if home != nil {
		want = append(want, home.BMC.MAC)
	}
	want = slices.DeleteFunc(want, func(m inventory.MAC) bool { return m == "" })
	if len(want) == 0 {
		return pass("the manifest names the address " + n.BMC.URL + " and no MAC")
	}
	var seen []string
	for _, c := range o.Components {
		for _, id := range c.IDs {
			if c.Kind != inventory.KindBMC || id.Kind != inventory.IDMACBMC {
				continue
			}
			if mac, ok := inventory.ParseMAC(id.Norm); ok {
				if slices.Contains(want, mac) {
					return pass("")
				}
				seen = append(seen, string(mac))
			}
		}
	}
	if len(seen) == 0 {
		return found{lifecycle.GatePort, inventory.ResultUnjudged, fmt.Sprintf("the BMC shows no MAC; expected is %s", want[0])}
	}
	return found{lifecycle.GatePort, inventory.ResultFail, fmt.Sprintf("the BMC has %s; expected is %s", strings.Join(seen, ", "), want[0])}
}
