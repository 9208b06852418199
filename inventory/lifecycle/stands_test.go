package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// proven is a rack in review of which every gate is open.
func proven() Facts {
	f := facts()
	row := func(on inventory.Subject, g inventory.Gate, by inventory.Producer) {
		f.Evidence = append(f.Evidence, inventory.Evidence{Subject: on, Gate: g, Producer: by, Result: inventory.ResultPass, By: string(by), Document: "sha256:d", At: noon})
	}
	for i := range f.Nodes {
		f.Nodes[i].Milestone = inventory.NodeRackTested
	}
	for _, s := range Specs() {
		if s.By == derived {
			continue
		}
		if s.Rack != "" {
			by, _ := ProducerOf(s, f.Type, "")
			row(inventory.RackSubject(f.Rack.ID), s.Gate, by)
			continue
		}
		for _, n := range f.Nodes {
			by, _ := ProducerOf(s, f.Type, n.Kind)
			row(inventory.NodeSubject(n.ID), s.Gate, by)
		}
	}
	f.Rack.Milestone = inventory.RackInReview
	for i := range f.Evidence {
		if f.Evidence[i].Gate == GateDraft {
			f.Evidence[i].Cites = DraftCites(f.Rack, f.Nodes)
		}
	}
	return f
}

// TestFallen: whatever falls after the draft shuts the acceptance.
func TestFallen(t *testing.T) {
	if shut := Fallen(proven()); len(shut) > 0 {
		t.Fatalf("a proven rack has fallen: %+v", shut)
	}
	f := proven()
	one := inventory.NodeSubject(f.Nodes[0].ID)
	for _, s := range Specs() {
		late := s.Milestone != "" && Rank(s.Milestone) > Rank(inventory.NodeRackTested) || s.Rack != "" && RackRank(s.Rack) > RackRank(inventory.RackTested)
		by, _ := ProducerOf(s, f.Type, f.Nodes[0].Kind)
		if late || by == derived || by == declared {
			continue
		}
		f := proven()
		on := one
		if s.Rack != "" {
			on = inventory.RackSubject(f.Rack.ID)
			by, _ = ProducerOf(s, f.Type, "")
		}
		f.Evidence = append(f.Evidence, inventory.Evidence{Subject: on, Gate: s.Gate, Producer: by, Result: inventory.ResultFail, By: "fay", At: noon.Add(time.Minute)})
		if by != derived && by != declared && !slices.ContainsFunc(GateRack(inventory.RackAccepted, f), func(b inventory.Blocker) bool { return b.Gate == s.Gate && b.Subject == on }) {
			t.Errorf("%s of %s fails in review, and the rack is accepted", s.Gate, on)
		}
		f.Rack.Excluded = []inventory.NodeID{f.Nodes[0].ID}
		if on == one && slices.ContainsFunc(Fallen(f), func(b inventory.Blocker) bool { return b.Gate == s.Gate && b.Subject == on }) {
			t.Errorf("%s of a member that is left out counts", s.Gate)
		}
	}
}

// TestWaiverUntilBothSigned: a waiver counts until the acceptance, then as it was
// when the draft was frozen; the package prints its end.
func TestWaiverUntilBothSigned(t *testing.T) {
	f := proven()
	one := inventory.NodeSubject(f.Nodes[0].ID)
	f.Evidence = slices.DeleteFunc(f.Evidence, func(e inventory.Evidence) bool { return e.Gate == GateSuite && e.Subject == one })
	f.Waivers = []inventory.Waiver{{ID: "w", Gate: GateSuite, Subject: one, Reason: "agreed", Requester: "a", Approver: "b", Until: noon.Add(time.Hour)}}
	for _, c := range []struct {
		at    inventory.RackMilestone
		now   time.Time
		stays bool
	}{{inventory.RackInReview, noon, true}, {inventory.RackInReview, noon.Add(2 * time.Hour), false}, {inventory.RackAccepted, noon.Add(2 * time.Hour), true}} {
		f.Rack.Milestone, f.Now = c.at, c.now
		if shut := Fallen(f); (len(shut) == 0) != c.stays {
			t.Errorf("%s at %s: %+v", c.at, c.now.Sub(noon), shut)
		}
	}
}

// TestSurplusAcceptedAsFound: a unit on no list is decided at the dock, or
// accepted as found by two people; a waiver of one decides nothing.
func TestSurplusAcceptedAsFound(t *testing.T) {
	f := facts()
	for i := range f.Nodes {
		f.Nodes[i].Milestone = inventory.NodeReceived
	}
	f.Findings = []inventory.Finding{{ID: "x", Kind: inventory.FindExtra, Got: inventory.Component{Serial: "S1"}}}
	for _, c := range []struct {
		approver inventory.PersonID
		want     inventory.Result
	}{{"", inventory.ResultUnjudged}, {"bob", inventory.ResultPass}} {
		f.Waivers = []inventory.Waiver{{ID: "w", Finding: "x", Reason: "spare fan tray", Requester: "ann", Approver: c.approver, Until: f.Now.Add(time.Hour)}}
		if got, why := disposed(f); got != c.want {
			t.Errorf("approved by %q: %s %s", c.approver, got, why)
		}
	}
}
