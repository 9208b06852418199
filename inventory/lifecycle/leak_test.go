package lifecycle

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// TestLeakStands: the leak gate is asked again at every milestone of a node that
// is ours to work on, and a leak or a blind detector shuts all of them.
func TestLeakStands(t *testing.T) {
	for _, m := range NodeMilestones() {
		f := facts()
		f.Evidence = []inventory.Evidence{proof(GateLeak, inventory.ResultPass)}
		stands := len(Standing(m, f))
		if want := Rank(m) > Rank(inventory.NodeDiscovered) && Rank(m) <= Rank(inventory.NodeAccepted); (stands == 1) != want {
			t.Errorf("%s: %d standing gates", m, stands)
		}
		for _, r := range []inventory.Result{inventory.ResultPass, inventory.ResultFail, inventory.ResultUnjudged} {
			f.Evidence = append(f.Evidence, proof(GateLeak, r))
			shut := Gate(m, f)
			leaks := len(shut) > 0 && shut[0].Gate == GateLeak
			among := m == inventory.NodeDiscovered || m == inventory.NodeHandedOver // its own gate, or one of all that must hold to the end
			if among {
				leaks = slices.ContainsFunc(shut, func(b inventory.Blocker) bool { return b.Gate == GateLeak })
			}
			if want := r != inventory.ResultPass && (stands == 1 || among); leaks != want {
				t.Errorf("%s with a leak reading of %s: %+v", m, r, shut)
			}
			f.Node.Milestone = m
			if b := Leaky(f); (len(b) == 1) != (r != inventory.ResultPass) {
				t.Errorf("%s with a leak reading of %s: begun on it is %+v", m, r, b)
			}
		}
	}
	f := facts()
	f.Type.Gates = append(f.Type.Gates, inventory.GateRule{Gate: GateLeak, By: declared, Reason: "air cooled"})
	if g := Standing(inventory.NodeVerified, f); !g[0].Open() {
		t.Errorf("an air-cooled node: %+v", g)
	}
	f.Evidence = []inventory.Evidence{proof(GateLeak, inventory.ResultUnjudged)}
	if g := Standing(inventory.NodeVerified, f); !g[0].Open() || LeakCounts(f) {
		t.Errorf("an air-cooled node whose BMC is away: %+v", g)
	}
	for _, by := range []inventory.Producer{declared, checked} { // neither says away what a detector has read
		f.Type.Gates[len(f.Type.Gates)-1].By = by
		wet := proof(GateLeak, inventory.ResultFail)
		signed := proof(GateLeak, inventory.ResultPass)
		signed.Producer, signed.At = checked, noon
		f.Evidence = []inventory.Evidence{wet, signed}
		if g := Standing(inventory.NodeVerified, f); g[0].Result != inventory.ResultFail || !LeakCounts(f) {
			t.Errorf("by %s, and it leaks: %+v", by, g)
		}
		dry := proof(GateLeak, inventory.ResultPass)
		dry.At = noon
		f.Evidence = append(f.Evidence, dry)
		if g := Standing(inventory.NodeVerified, f); !g[0].Open() {
			t.Errorf("by %s, and dry again: %+v", by, g)
		}
	}
}

const declared = inventory.ByDeclaration

// TestClear: a latch is lifted on a dry reading that was made after it.
func TestClear(t *testing.T) {
	latched := noon.Add(-2 * time.Hour) // proof is an hour old
	at := func(e inventory.Evidence, when time.Time) inventory.Evidence { e.At = when; return e }
	dry, wet, blind := proof(GateLeak, inventory.ResultPass), proof(GateLeak, inventory.ResultFail), proof(GateLeak, inventory.ResultUnjudged)
	node, rack := inventory.NodeSubject("n0"), inventory.RackSubject("r")
	cases := map[string]struct {
		on   inventory.Subject
		rows []inventory.Evidence
		edit func(*Facts)
		want string // of the refusal; empty: it may be lifted
	}{
		"dry since":       {node, []inventory.Evidence{dry}, nil, ""},
		"wet, then dry":   {node, []inventory.Evidence{at(wet, latched), dry}, nil, ""},
		"never read":      {node, nil, nil, ""},
		"dry before only": {node, []inventory.Evidence{at(dry, latched.Add(-time.Minute))}, nil, "have not been read since"},
		"at that moment":  {node, []inventory.Evidence{at(dry, latched)}, nil, "have not been read since"},
		"wet":             {node, []inventory.Evidence{at(dry, latched.Add(time.Minute)), wet}, nil, "do not read dry (fail"},
		"blind":           {node, []inventory.Evidence{blind}, nil, "do not read dry (unjudged"},
		"void":            {node, []inventory.Evidence{func() inventory.Evidence { e := dry; e.Void = true; return e }()}, nil, "have not been read since"},
		"declared dry, read wet": {node, []inventory.Evidence{wet}, func(f *Facts) {
			f.Type.Gates = append(f.Type.Gates, inventory.GateRule{Gate: GateLeak, By: declared, Reason: "air"})
		}, "do not read dry"},
		"people look": {node, nil, func(f *Facts) {
			f.Type.Gates = append(f.Type.Gates, inventory.GateRule{Gate: GateLeak, By: checked, Reason: "no BMC"})
		}, ""},
		"another node is wet": {inventory.NodeSubject("n1"), []inventory.Evidence{wet}, nil, ""},
		"rack, all dry":       {rack, []inventory.Evidence{dry}, nil, ""},
		"rack, one wet":       {rack, []inventory.Evidence{wet}, nil, "do not read dry"},
		"rack, one latched":   {rack, []inventory.Evidence{dry}, func(f *Facts) { f.Nodes[1].Holds = []inventory.Hold{{Name: inventory.HoldSafetyLatch}} }, "is latched itself"},
		"rack, one at the vendor's": {rack, []inventory.Evidence{wet}, func(f *Facts) {
			f.Nodes[0].Milestone, f.Nodes[0].Holds = inventory.NodeRepair, []inventory.Hold{{Name: inventory.HoldSafetyLatch}}
		}, ""},
		"rack, the customer's": {rack, []inventory.Evidence{wet}, func(f *Facts) { f.Nodes[0].Milestone = inventory.NodeHandedOver }, ""},
		"rack, retired and held": {rack, nil, func(f *Facts) {
			f.Nodes[1].Milestone, f.Nodes[1].Holds = inventory.NodeRetired, []inventory.Hold{{Name: inventory.HoldSafetyLatch}}
		}, ""},
	}
	for name, c := range cases {
		f := facts()
		f.Evidence = c.rows
		if c.edit != nil {
			c.edit(&f)
		}
		err := Clear(c.on, latched, f)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, inventory.ErrConflict) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLatchedCounts: a latch on a node whose rack type asks no machine, and whose
// rows are void since a repair, can still be lifted by a dry reading.
func TestLatchedCounts(t *testing.T) {
	f := facts()
	f.Type.Gates = append(f.Type.Gates, inventory.GateRule{Gate: GateLeak, By: declared, Reason: "air cooled"})
	wet := proof(GateLeak, inventory.ResultFail)
	wet.Void = true
	f.Evidence = []inventory.Evidence{wet}
	if LeakCounts(f) {
		t.Error("the leak of a unit that is gone counts")
	}
	f.Rack.Holds = []inventory.Hold{{Name: inventory.HoldSafetyLatch}}
	if !LeakCounts(f) {
		t.Error("its latched rack waits for a reading that nobody makes")
	}
	f.Rack.Holds = nil
	f.Node.Holds = []inventory.Hold{{Name: inventory.HoldSafetyLatch}}
	if !LeakCounts(f) || Clear(inventory.NodeSubject("n0"), noon.Add(-2*time.Hour), f) == nil {
		t.Error("a latched node is not read, or is lifted unread")
	}
	f.Evidence = append(f.Evidence, proof(GateLeak, inventory.ResultPass))
	if err := Clear(inventory.NodeSubject("n0"), noon.Add(-2*time.Hour), f); err != nil {
		t.Error(err)
	}
}
