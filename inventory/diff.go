package inventory

import (
	"fmt"
	"sort"
	"strings"
)

// Diff compares what was expected of one node with what was observed. It is
// pure. An empty field of an expectation means "not stated". A class that was
// not read, or whose read failed, never makes a part missing: it is
// unreadable, and the owner is the system. Parts exchanged inside the node are
// one finding per permutation cycle. Classes that no expectation mentions are
// not judged.
func Diff(want, got []Component) []Finding {
	var out []Finding
	for _, kind := range kindsOf(want) {
		d := newClass(kind, want, got)
		out = append(out, d.findings()...)
	}
	out = append(out, identityFindings(got)...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].order() < out[j].order() })
	return out
}

func (f Finding) order() string { return string(f.Key.Kind) + "/" + f.Key.Slot + "/" + string(f.Kind) }

// Fingerprint names the fact a finding states, the same whenever it is stated
// again, so that one row stands for it: rack, node, kind, part, and the serial
// seen.
func (f Finding) Fingerprint() Digest {
	others := make([]string, len(f.Others))
	for i, o := range f.Others {
		others[i] = string(o)
	}
	sort.Strings(others)
	return DigestOf([]byte(fmt.Sprintf("%q %q %q %q %q %q %q", f.Rack, f.Node, f.Kind, f.Key.String(), Usable(f.Got.Serial), f.Want.Serial, others)))
}

func kindsOf(list []Component) []Kind {
	seen := map[Kind]bool{}
	var out []Kind
	for _, c := range list {
		if !seen[c.Kind] {
			seen[c.Kind] = true
			out = append(out, c.Kind)
		}
	}
	return out
}

// class is one component class of one node.
type class struct {
	kind   Kind
	slots  []Component          // expectations with a slot
	lines  []Component          // expectations by quantity
	got    map[string]Component // by slot, whatever its state
	order  []string             // slots of got, sorted
	unread *Component           // the class as a whole could not be read
	used   map[string]bool      // slots of got that an expectation took
}

func newClass(kind Kind, want, got []Component) *class {
	c := &class{kind: kind, got: map[string]Component{}, used: map[string]bool{}}
	for _, w := range want {
		switch {
		case w.Kind != kind:
		case w.Slot == "" || w.Quantity > 1:
			c.lines = append(c.lines, w)
		default:
			c.slots = append(c.slots, w)
		}
	}
	for _, g := range got {
		if g.Kind != kind {
			continue
		}
		if g.Slot == "" {
			if g.State == StateNotRead || g.State == StateReadFailed {
				c.unread = &g
			}
			continue
		}
		c.got[g.Slot] = g
		c.order = append(c.order, g.Slot)
	}
	if len(c.order) == 0 && c.unread == nil {
		c.unread = &Component{Key: Key{Kind: kind}, State: StateNotRead} // nobody said anything about this class
	}
	sort.Strings(c.order)
	return c
}

func (c *class) findings() []Finding {
	var out, moved []Finding
	for _, w := range c.slots {
		g, seen := c.got[w.Slot]
		switch {
		case seen && g.State == StatePresent:
			c.used[w.Slot] = true
			out, moved = c.compare(w, g, out, moved)
		case seen && (g.State == StateReadFailed || g.State == StateNotRead), !seen && c.unread != nil:
			if !seen {
				g = *c.unread
			}
			out = append(out, unreadable(w, g))
		default:
			out = append(out, finding(FindMissing, w, g, OwnerVendor, label(w)))
		}
	}
	out = append(out, c.counts()...)
	out = append(out, c.cycles(moved)...)
	for _, slot := range c.order {
		if g := c.got[slot]; !c.used[slot] && g.State == StatePresent {
			out = append(out, finding(FindExtra, Component{Key: g.Key}, g, OwnerVendor, label(g), g.Serial))
		}
	}
	return out
}

// compare judges a part that is there. A serial that differs is held back: it
// may be half of an exchange.
func (c *class) compare(w, g Component, out, moved []Finding) ([]Finding, []Finding) {
	want, have := Usable(w.Serial), Usable(g.Serial)
	switch {
	case want != "" && have != "" && want != have:
		kind := FindReplaced
		if w.Model != "" && g.Model != "" && Normalise(w.Model) != Normalise(g.Model) {
			kind = FindWrongType
		}
		return out, append(moved, finding(kind, w, g, OwnerTechnician, label(w), w.Serial, g.Serial))
	case w.Model != "" && g.Model != "" && Normalise(w.Model) != Normalise(g.Model):
		out = append(out, finding(FindWrongType, w, g, OwnerVendor, label(w), w.Model, g.Model))
	case want != "" && have == "":
		out = append(out, unreadable(w, g))
	}
	if w.Firmware != "" && g.Firmware != "" && strings.TrimSpace(w.Firmware) != strings.TrimSpace(g.Firmware) {
		out = append(out, finding(FindWrongFirmware, w, g, OwnerSystem, label(w), w.Firmware, g.Firmware))
	}
	return out, moved
}

// counts judges expectations by quantity against the parts no slot has taken.
func (c *class) counts() []Finding {
	var out []Finding
	for _, w := range c.lines {
		need, have := max(w.Quantity, 1), 0
		for _, slot := range c.order {
			g := c.got[slot]
			fits := w.Model == "" || g.Model == "" || Normalise(w.Model) == Normalise(g.Model)
			if g.State == StatePresent && !c.used[slot] && fits && have < need {
				c.used[slot] = true
				have++
			}
		}
		switch {
		case have == need:
		case c.unread != nil || c.failed():
			out = append(out, unreadable(w, Component{Key: w.Key, State: StateReadFailed}))
		default:
			f := finding(FindCountShort, w, Component{Key: w.Key, Quantity: have}, OwnerVendor, label(w), fmt.Sprint(have), fmt.Sprint(need))
			out = append(out, f)
		}
	}
	return out
}

func (c *class) failed() bool {
	for _, g := range c.got {
		if g.State == StateReadFailed || g.State == StateNotRead {
			return true
		}
	}
	return false
}

// cycles turns parts that sit in each other's slots into one finding per
// permutation cycle, and a part that sits in another's slot without an
// exchange into wrong_slot.
func (c *class) cycles(moved []Finding) []Finding {
	at := map[string]int{} // serial seen → index
	for i, f := range moved {
		at[Usable(f.Got.Serial)] = i
	}
	done := make([]bool, len(moved))
	var out []Finding
	for i := range moved {
		if done[i] {
			continue
		}
		ring, j := []int{i}, i
		for {
			next, ok := at[Usable(moved[j].Want.Serial)] // where the expected part sits
			if !ok || done[next] {
				ring = nil
				break
			}
			if next == i {
				break
			}
			if len(ring) > len(moved) {
				ring = nil
				break
			}
			ring, j = append(ring, next), next
		}
		if len(ring) < 2 {
			continue
		}
		var names []string
		for _, k := range ring {
			done[k] = true
			names = append(names, label(moved[k].Want))
		}
		f := moved[i]
		f.Kind, f.Owner, f.Fix, f.Args = FindSwapped, OwnerTechnician, "finding.swapped", []string{strings.Join(names, " and ")}
		out = append(out, f)
	}
	for i, f := range moved {
		if done[i] {
			continue
		}
		if k, ok := at[Usable(f.Want.Serial)]; ok {
			f.Kind, f.Owner, f.Fix = FindWrongSlot, OwnerTechnician, "finding.wrong_slot"
			f.Args = []string{label(f.Want), label(moved[k].Got)}
		}
		out = append(out, f)
	}
	return out
}

func finding(kind FindingKind, w, g Component, owner Owner, args ...string) Finding {
	key := w.Key
	return Finding{Kind: kind, Key: key, Want: w, Got: g, Owner: owner, Fix: "finding." + string(kind), Args: args}
}

func unreadable(w, g Component) Finding { return finding(FindUnreadable, w, g, OwnerSystem, label(w)) }

func label(c Component) string {
	if c.Slot == "" {
		return string(c.Kind)
	}
	if c.Kind == KindChassis {
		return "chassis"
	}
	return string(c.Kind) + " " + c.Slot
}

// identityFindings: a serial that identifies nothing, or one serial on two
// parts of one class. Members of one collection may share their module's
// serial (GB300 GPUs), so equal serials count only where an identifier of the
// part's own kind repeats too.
func identityFindings(got []Component) []Finding {
	var out []Finding
	first := map[string]Component{}
	for _, g := range got {
		if g.State != StatePresent {
			continue
		}
		if g.Serial != "" && Placeholder(g.Serial) && (g.Kind == KindChassis || g.Kind == KindGPU || g.Kind == KindTrainium) {
			out = append(out, finding(FindPlaceholderID, Component{Key: g.Key}, g, OwnerVendor, label(g), g.Serial))
		}
		for _, id := range g.IDs {
			if id.Kind != IDGPUUUID && id.Kind != IDMAC && id.Kind != IDUUID || !id.Trusted || Usable(id.Norm) == "" {
				continue
			}
			key := string(id.Kind) + " " + Usable(id.Norm)
			if other, twice := first[key]; twice && other.Key != g.Key && other.Kind == g.Kind {
				out = append(out, finding(FindDuplicateID, Component{Key: g.Key}, g, OwnerTechnician, label(g), label(other), id.Raw))
				continue
			}
			first[key] = g
		}
	}
	return out
}
