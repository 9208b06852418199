package conductor_test

import (
	"crypto/ed25519"
	"log/slog"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/conductor"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// TestReviewIsTakenBack: the draft says whom it covers, and a check that fails
// while two people walk over to sign takes rack and draft back by itself.
func TestReviewIsTakenBack(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(b *bubble) {
		r := b.bySignature(conductor.Certifier{Store: b.store, Key: key})
		if r.Milestone != inventory.RackInReview {
			b.t.Fatalf("the rack stands at %s", r.Milestone)
		}
		on := inventory.RackSubject(r.ID)
		var members []inventory.Node
		for n, err := range b.store.Select(b.t.Context(), inventory.Selector{Racks: []inventory.RackID{r.ID}}) {
			if err != nil {
				b.t.Fatal(err)
			}
			members = append(members, n)
		}
		valid := 0
		draft := func() {
			valid = 0
			rows, err := b.store.Evidence(b.t.Context(), on)
			if err != nil {
				b.t.Fatal(err)
			}
			for _, e := range rows {
				if e.Gate != lifecycle.GateDraft || e.Void {
					continue
				}
				valid++
				for what, want := range lifecycle.DraftCites(r, members) {
					if e.Cites[what] != want {
						b.t.Errorf("the draft cites %v, want %s %s", e.Cites, what, want)
					}
				}
			}
		}
		if draft(); valid != 1 {
			b.t.Fatalf("%d valid drafts", valid)
		}
		if _, err := b.store.File(b.t.Context(), inventory.Evidence{Subject: on, Gate: "rack.soak", Result: inventory.ResultFail, Producer: inventory.ByChecklist,
			By: "fay", At: time.Now(), Detail: "feed B trips"}); err != nil {
			b.t.Fatal(err)
		}
		steps := &conductor.Steps{Store: b.store}
		c := &conductor.Conductor{Store: b.store, Holder: "one", Log: slog.New(slog.NewTextHandler(b, nil))}
		steps.Fill(c)
		b.run(5*time.Second, c)
		if r, err = b.store.Rack(b.t.Context(), r.ID); err != nil {
			b.t.Fatal(err)
		}
		if draft(); valid != 0 || lifecycle.RackRank(r.Milestone) >= lifecycle.RackRank(inventory.RackTested) {
			b.t.Errorf("after a failed soak the rack stands at %s with %d valid drafts", r.Milestone, valid)
		}
	})
}
