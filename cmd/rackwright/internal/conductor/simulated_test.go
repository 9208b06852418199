package conductor_test

import (
	"crypto/ed25519"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/conductor"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// bySignature brings rack A12 as far as the product's own steps and people's
// signatures carry it, and returns where it stands then.
func (b *bubble) bySignature(cert conductor.Certifier) inventory.Rack {
	b.t.Helper()
	steps := &conductor.Steps{Store: b.store, Freeze: cert.Freeze, Issue: cert.Issue}
	c := &conductor.Conductor{Store: b.store, Holder: "one", Log: slog.New(slog.NewTextHandler(b, nil))}
	steps.Fill(c)
	for range 200 {
		signed := b.sign()
		n, err := c.Tick(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if n == 0 && signed == 0 {
			break
		}
		time.Sleep(time.Second)
	}
	r, err := b.store.Rack(b.t.Context(), "A12")
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// sign files every checklist gate that the next milestones ask for.
func (b *bubble) sign() int {
	b.t.Helper()
	f, err := facts.Rack(b.t.Context(), b.store, "A12", time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	n := 0
	file := func(subject inventory.Subject, gates []lifecycle.GateResult) {
		for _, g := range gates {
			if g.Producer != inventory.ByChecklist || g.Open() {
				continue
			}
			_, err := b.store.File(b.t.Context(), inventory.Evidence{Subject: subject, Gate: g.Gate, Result: inventory.ResultPass, Producer: inventory.ByChecklist,
				By: "ann", At: time.Now(), Simulated: f.Rack.Simulated})
			if err != nil {
				b.t.Fatal(err)
			}
			n++
		}
	}
	if next, ok := lifecycle.AfterRack(f.Rack.Milestone); ok {
		file(inventory.RackSubject(f.Rack.ID), lifecycle.RackGateResults(next, f))
	}
	for _, node := range f.Nodes {
		f.Node = node
		if next, ok := lifecycle.After(node.Milestone); ok && (node.Milestone != inventory.NodeExpected || lifecycle.RackRank(f.Rack.Milestone) >= lifecycle.RackRank(inventory.RackArrived)) {
			file(inventory.NodeSubject(node.ID), lifecycle.GateResults(next, f))
		}
	}
	return n
}

// TestRealKeyNeverSignsSimulated: one reading by a simulator is enough: the
// rack stops before the draft, and says why; a demo key goes on, and says
// SIMULATED.
func TestRealKeyNeverSignsSimulated(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name                string
		touched, demo, goes bool
	}{{"simulator, real key", true, false, false}, {"simulator, demo key", true, true, true}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bubble) {
				o := storetest.Reading(b.t, b.store, b.nodes["C02"])
				o.Simulated = c.touched
				if _, err := b.store.Observe(b.t.Context(), o); err != nil {
					b.t.Fatal(err)
				}
				r := b.bySignature(conductor.Certifier{Store: b.store, Key: key, Simulated: c.demo})
				if got := r.Milestone == inventory.RackInReview; got != c.goes || r.Simulated != c.touched {
					list, _ := b.store.Blockers(b.t.Context(), inventory.Selector{Racks: []inventory.RackID{r.ID}})
					b.t.Fatalf("the rack stands at %s, simulated %v: %+v", r.Milestone, r.Simulated, list)
				}
				if c.goes {
					return
				}
				list, err := b.store.Blockers(b.t.Context(), inventory.Selector{Racks: []inventory.RackID{r.ID}})
				if err != nil {
					b.t.Fatal(err)
				}
				said := ""
				for _, x := range list {
					said += inventory.Sentence(x.Fix, x.Args) + "\n"
				}
				if r.Milestone != inventory.RackTested || !strings.Contains(said, "a real key does not sign it") {
					b.t.Fatalf("at %s it says %s", r.Milestone, said)
				}
			})
		})
	}
}
