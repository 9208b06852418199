package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// testFindingKinds: every kind of difference between a reading and the order
// opens once, says who does what, and closes itself when a good reading agrees.
func testFindingKinds(t *testing.T, open1 Opener) {
	s := open1()
	c01 := Rack(t, s)["C01"]
	good := Reading(t, s, c01)
	gpu := func(o *inventory.Observation, slot string) *inventory.Component {
		i := slices.IndexFunc(o.Components, func(c inventory.Component) bool { return c.Slot == slot })
		return &o.Components[i]
	}
	for _, c := range []struct {
		kind  inventory.FindingKind
		owner inventory.Owner
		spoil func(*inventory.Observation)
	}{
		{inventory.FindMissing, inventory.OwnerVendor, func(o *inventory.Observation) { gpu(o, "GPU1").State = inventory.StateAbsent }},
		{inventory.FindUnreadable, inventory.OwnerSystem, func(o *inventory.Observation) { gpu(o, "GPU1").State = inventory.StateReadFailed }},
		{inventory.FindReplaced, inventory.OwnerTechnician, func(o *inventory.Observation) { gpu(o, "GPU1").Serial = "ANOTHER1" }},
		{inventory.FindWrongType, inventory.OwnerVendor, func(o *inventory.Observation) { gpu(o, "GPU1").Model = "A100" }},
		{inventory.FindSwapped, inventory.OwnerTechnician, func(o *inventory.Observation) {
			a, b := gpu(o, "GPU0"), gpu(o, "GPU1")
			a.Serial, b.Serial = b.Serial, a.Serial
		}},
		{inventory.FindPlaceholderID, inventory.OwnerVendor, func(o *inventory.Observation) { gpu(o, "GPU1").Serial = "To Be Filled By O.E.M." }},
		{inventory.FindExtra, inventory.OwnerVendor, func(o *inventory.Observation) {
			more := *gpu(o, "GPU1")
			more.Slot, more.Serial = "GPU7", "SURPLUS7"
			o.Components = append(o.Components, more)
		}},
	} {
		bad := good
		bad.Components, bad.At = slices.Clone(good.Components), time.Now()
		c.spoil(&bad)
		found, err := s.Observe(t.Context(), bad)
		ok(t, err)
		i := slices.IndexFunc(found, func(f inventory.Finding) bool { return f.Kind == c.kind })
		if i < 0 {
			t.Fatalf("%s did not open: %+v", c.kind, found)
		}
		f := found[i]
		if text := inventory.Sentence(f.Fix, f.Args); f.Owner != c.owner || strings.HasPrefix(text, "finding.") || strings.Contains(text, "{") || !strings.HasSuffix(text, ".") {
			t.Errorf("%s is %s's: %q", c.kind, f.Owner, text)
		}
		good.At = time.Now()
		left, err := s.Observe(t.Context(), good)
		ok(t, err)
		closed, err := s.Finding(t.Context(), f.ID)
		ok(t, err)
		if len(left) != 0 || !closed.Closed || closed.ClosedBy != "observation" {
			t.Errorf("%s: a good reading left %+v, the finding is %+v", c.kind, left, closed)
		}
	}
}
