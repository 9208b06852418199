package burnin

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Machine is what the record says about one node before its run.
type Machine struct {
	Expected, Observed []inventory.Component
	// Inband is what the booted node itself said last; Observed merges it with
	// Redfish, and one package may stand there under two names.
	Inband      []inventory.Component
	Accelerator inventory.Kind // of the rack type; empty for none
}

// Resolve writes into a copy of the plan what this machine must show: the
// drives by serial, the CPU packages, the accelerators. The expected set comes
// from the record, never from what answers later. An expected part that cannot
// be bound to a test keeps its limits unjudged. It refuses an unsound plan.
func Resolve(p Profile, m Machine) (Profile, error) {
	if p.Resolution != nil {
		return Profile{}, fmt.Errorf("plan %s is already resolved: %w", p.Name, inventory.ErrInvalid)
	}
	if faults := Check(p); len(faults) > 0 {
		return Profile{}, fmt.Errorf("plan %s: %s: %w", p.Name, strings.Join(faults, "; "), inventory.ErrInvalid)
	}
	r := &Resolution{Base: p.Digest(), Accelerator: m.Accelerator, Accelerators: m.accelerators()}
	sets := map[EntityKind][]Entity{EntityNode: {{}}, EntityDrive: m.drives(r), EntityCPU: m.packages()}
	need := p.kinds()
	if need[EntityCPU] && len(sets[EntityCPU]) == 0 {
		r.Unbound = append(r.Unbound, "cpu: the record knows no CPU of this node")
	}
	noDrives := len(sets[EntityDrive]) == 0 && !mentions(r.Unbound, EntityDrive)
	if need[EntityDrive] && noDrives && !m.knows(inventory.KindDrive) {
		r.Unbound, noDrives = append(r.Unbound, "drive: nobody has read this node's drives"), false
	}
	out := p
	out.Resolution = r
	out.Tests = slices.Clone(p.Tests)
	for i := range out.Tests {
		t := &out.Tests[i]
		if t.When == "edac" && !m.edac() {
			t.NotApplicable = "the kernel has no memory controller driver (EDAC) for this machine"
		}
		if t.Each != EntityNode {
			t.Targets = sets[t.Each]
		}
		if t.Each == EntityDrive && noDrives {
			t.NotApplicable = "the inventory has no drive"
		}
		t.Limits = slices.Clone(t.Limits)
		for j := range t.Limits {
			t.Limits[j].Expect = sets[t.Limits[j].Per]
			if t.Limits[j].Per == EntityStressor {
				t.Limits[j].Expect = stressors(*t)
			}
		}
	}
	return out, nil
}

// kinds are the entity kinds that enforced limits need.
func (p Profile) kinds() map[EntityKind]bool {
	need := map[EntityKind]bool{}
	for _, t := range p.Tests {
		need[t.Each] = true
		for _, l := range t.Limits {
			need[l.Per] = need[l.Per] || !l.Observe
		}
	}
	return need
}

// stressors are the names a stress-ng step asks for.
func stressors(t Test) []Entity {
	var out []Entity
	for name := range strings.FieldsFuncSeq(t.Args["stressors"], func(r rune) bool { return r == ',' || r == ' ' }) {
		out = append(out, Entity{Kind: EntityStressor, ID: name})
	}
	return out
}

func present(c inventory.Component) bool {
	return c.State == inventory.StatePresent || c.State == ""
}

func number(c inventory.Component) int { return max(c.Quantity, 1) }

// drives are all serials that were ordered or seen, by Redfish or by the booted
// node: a drive that only one of them saw is still in the machine. A drive
// without a usable serial cannot be bound, and fewer seen than ordered is said
// too.
func (m Machine) drives(r *Resolution) []Entity {
	ids := map[string]bool{}
	ordered, seen := 0, 0
	for _, c := range m.Observed {
		if c.Kind != inventory.KindDrive || !present(c) {
			continue
		}
		seen++
		if s := inventory.Usable(c.Serial); s != "" {
			ids[s] = true
		} else {
			r.Unbound = append(r.Unbound, fmt.Sprintf("drive %s: it has no usable serial (%q)", c.Slot, c.Serial))
		}
	}
	for _, c := range m.Inband {
		if c.Kind != inventory.KindDrive || !present(c) {
			continue
		}
		if s := inventory.Usable(c.Serial); s != "" {
			ids[s] = true
		} else {
			r.Unbound = append(r.Unbound, fmt.Sprintf("drive at %s: the node reads no usable serial from it", c.Slot))
		}
	}
	for _, c := range m.Expected {
		if c.Kind != inventory.KindDrive || !present(c) {
			continue
		}
		ordered += number(c)
		if s := inventory.Usable(c.Serial); s != "" {
			ids[s] = true
		}
	}
	if max(len(ids), seen) < ordered {
		r.Unbound = append(r.Unbound, fmt.Sprintf("drive: %d of %d ordered drives were seen", seen, ordered))
	}
	return entities(EntityDrive, ids)
}

// packages are the CPU packages by number: a package has no serial in-band.
func (m Machine) packages() []Entity {
	count := func(list []inventory.Component) (n int) {
		for _, c := range list {
			if c.Kind == inventory.KindCPU && present(c) {
				n += number(c)
			}
		}
		return n
	}
	n := count(m.Expected)
	if n == 0 {
		n = count(m.Inband)
	}
	if n == 0 {
		n = count(m.Observed)
	}
	ids := map[string]bool{}
	for i := range n {
		ids[strconv.Itoa(i)] = true
	}
	return entities(EntityCPU, ids)
}

func mentions(unbound []string, kind EntityKind) bool {
	return slices.ContainsFunc(unbound, func(u string) bool { return strings.HasPrefix(u, string(kind)) })
}

func (m Machine) accelerators() []string {
	ids := map[string]bool{}
	for i, list := range [][]inventory.Component{m.Expected, m.Observed, m.Inband} {
		if i == 2 && len(ids) > 0 {
			break // the same parts under their PCI addresses
		}
		for _, c := range list {
			if (c.Kind == inventory.KindGPU || c.Kind == inventory.KindTrainium) && present(c) {
				ids[c.Key.String()] = true
			}
		}
	}
	var out []string
	for id := range ids {
		out = append(out, id)
	}
	sort.Strings(out)
	return out
}

// edac reads the fact the in-band inventory left on the board: in its own words,
// or in the record, where the board's serial may not be the one it knows.
func (m Machine) edac() bool {
	for _, c := range slices.Concat(m.Observed, m.Inband) {
		if n, err := strconv.Atoi(c.Facts[FactEDAC]); err == nil && n > 0 {
			return true
		}
	}
	return false
}

// knows reports whether anybody ever looked for the kind: expected parts or an
// observation with other parts. A node with parts and no drives has no drives.
func (m Machine) knows(k inventory.Kind) bool {
	for _, c := range slices.Concat(m.Observed, m.Inband) {
		if c.Kind != k && present(c) {
			return true
		}
	}
	return false
}

// FactEDAC is the component fact with the number of memory controllers that the
// kernel watches; the in-band inventory sets it on the board.
const FactEDAC = "edac_controllers"

func entities(kind EntityKind, ids map[string]bool) []Entity {
	out := make([]Entity, 0, len(ids))
	for id := range ids {
		out = append(out, Entity{Kind: kind, ID: id})
	}
	sort.Slice(out, func(i, j int) bool {
		return len(out[i].ID) < len(out[j].ID) || len(out[i].ID) == len(out[j].ID) && out[i].ID < out[j].ID
	})
	return out
}
