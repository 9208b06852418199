package inventory

import (
	"slices"
	"sort"
	"strings"
)

// NodeView is one node of a rack as expected and as observed last. A node that
// was never observed has Got nil and is not judged.
type NodeView struct {
	Node      NodeID
	Address   string
	Want, Got []Component
}

// DiffRack is Diff for a whole rack: units and parts that were exchanged
// between nodes become one finding (on the node with the lowest address, the
// others named in Others), never one per place and part. It is pure.
func DiffRack(rack RackID, views []NodeView) []Finding {
	views = slices.Clone(views)
	sort.Slice(views, func(i, j int) bool { return views[i].Address < views[j].Address })
	swapped, sits := exchanged(views)
	var out []Finding
	home := map[string]place{} // kind and serial → where it is expected
	for _, v := range views {
		for _, w := range v.Want {
			if s := Usable(w.Serial); s != "" {
				home[string(w.Kind)+" "+s] = place{v, w}
			}
		}
	}
	for _, v := range views {
		if v.Got == nil {
			continue
		}
		want := v.Want
		if ring, ok := swapped[v.Node]; ok {
			// The unit that sits here is another's: its inside is compared
			// with what was ordered for that unit, not for this slot.
			want = ring.unit
			if ring.first {
				out = append(out, ring.finding(v))
			}
		} else if unit, foreign := sits[v.Node]; foreign {
			// The other half of an exchange was not read yet, or the unit was
			// only moved: one finding about the unit, none about its parts.
			want = withChassis(unit, v.Want)
		}
		for _, f := range Diff(want, v.Got) {
			f.Node = v.Node
			out = append(out, strayed(f, v, home))
		}
	}
	for i := range out {
		out[i].Rack = rack
	}
	return out
}

type place struct {
	view NodeView
	part Component
}

// strayed: a part whose serial is expected in another node is in the wrong
// place, not a replacement.
func strayed(f Finding, v NodeView, home map[string]place) Finding {
	if f.Kind != FindReplaced && f.Kind != FindExtra && f.Kind != FindWrongType {
		return f
	}
	p, ok := home[string(f.Got.Kind)+" "+Usable(f.Got.Serial)]
	if !ok || p.view.Node == v.Node || Usable(f.Got.Serial) == "" {
		return f
	}
	f.Kind, f.Owner, f.Fix = FindWrongSlot, OwnerTechnician, "finding.strayed"
	f.Args = []string{f.Got.Serial, label(f.Got), v.Address, p.view.Address}
	f.Others = []NodeID{p.view.Node}
	return f
}

// ring is one cycle of exchanged units, seen from one of its nodes.
type ring struct {
	first bool
	nodes []NodeView
	unit  []Component // what was ordered for the unit that sits here
}

func (r ring) finding(v NodeView) Finding {
	var names []string
	f := Finding{Kind: FindSwapped, Node: v.Node, Key: Key{Kind: KindChassis, Slot: "self"}, Owner: OwnerTechnician, Fix: "finding.exchanged"}
	f.Want, _ = chassis(v.Want)
	f.Got, _ = chassis(v.Got)
	for _, n := range r.nodes {
		names = append(names, n.Address)
		if n.Node != v.Node {
			f.Others = append(f.Others, n.Node)
		}
	}
	sort.Strings(names)
	f.Args = []string{strings.Join(names, " and ")}
	return f
}

func chassis(parts []Component) (Component, bool) {
	for _, c := range parts {
		if c.Kind == KindChassis {
			return c, true
		}
	}
	return Component{}, false
}

// withChassis is what was ordered for a unit, with the chassis of another slot.
func withChassis(unit, slot []Component) []Component {
	var out []Component
	for _, c := range unit {
		if c.Kind != KindChassis {
			out = append(out, c)
		}
	}
	if c, ok := chassis(slot); ok {
		out = append(out, c)
	}
	return out
}

// exchanged finds the permutation cycles among the units of the rack by their
// chassis serials, and what was ordered for each unit that sits elsewhere.
func exchanged(views []NodeView) (map[NodeID]ring, map[NodeID][]Component) {
	expectedAt := map[string]int{}
	for i, v := range views {
		if w, ok := chassis(v.Want); ok && Usable(w.Serial) != "" {
			expectedAt[Usable(w.Serial)] = i
		}
	}
	target := make([]int, len(views)) // whose unit sits here
	for i, v := range views {
		target[i] = i
		if g, ok := chassis(v.Got); ok {
			if at, known := expectedAt[Usable(g.Serial)]; known {
				target[i] = at
			}
		}
	}
	out, sits := map[NodeID]ring{}, map[NodeID][]Component{}
	for i, at := range target {
		if at != i {
			sits[views[i].Node] = views[at].Want
		}
	}
	for i := range views {
		if _, done := out[views[i].Node]; done || target[i] == i {
			continue
		}
		cycle := []int{i}
		for j := target[i]; j != i && len(cycle) <= len(views); j = target[j] {
			cycle = append(cycle, j)
			if target[j] == j {
				cycle = nil
				break
			}
		}
		if len(cycle) < 2 || len(cycle) > len(views) {
			continue
		}
		var nodes []NodeView
		for _, k := range cycle {
			nodes = append(nodes, views[k])
		}
		for n, k := range cycle {
			out[views[k].Node] = ring{first: n == 0, nodes: nodes, unit: views[target[k]].Want}
		}
	}
	return out, sits
}
