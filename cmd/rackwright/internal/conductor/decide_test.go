package conductor_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/conductor"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// deaf is a record that takes everything but the end of a turn.
type deaf struct{ *sqlstore.Store }

func (deaf) Apply(context.Context, inventory.Claim, inventory.Change) error {
	return inventory.ErrReadOnly
}

// TestDecisions: a node leaves triage by a person's word alone; what was proven
// before stays, what the law does not allow is refused with its reason.
func TestDecisions(t *testing.T) {
	inBubble(t, func(b *bubble) {
		storetest.Raise(b.t, b.store, b.nodes["C01"], inventory.NodeBaselined)
		sent := false
		ill := b.conductor("one", nil, func(_ context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() != b.on("C01") || sent {
				return conductor.Result{}, nil
			}
			sent = true
			return conductor.Result{Change: inventory.Change{Event: &inventory.Event{Kind: inventory.EventTriage, Reason: "burn-in: a miscompare"}}}, nil
		})
		if err := b.store.Wake(b.t.Context(), b.on("C01")); err != nil {
			b.t.Fatal(err)
		}
		b.run(5*time.Second, ill)
		steps := &conductor.Steps{Store: b.store}
		c := &conductor.Conductor{Store: b.store, Holder: "one", Log: slog.New(slog.NewTextHandler(b, nil))}
		steps.Fill(c)
		ask := func(op inventory.OpKind, slot string) inventory.RequestLine {
			b.t.Helper()
			req, err := b.store.Ask(b.t.Context(), inventory.Request{Key: string(op) + slot, Op: op, By: "ann", State: inventory.RequestAccepted,
				On: inventory.Selector{Nodes: []inventory.NodeID{b.nodes[slot].ID}}, Args: json.RawMessage(`{"reason":"DIMM_0 replaced"}`)})
			if err != nil {
				b.t.Fatal(err)
			}
			b.run(5*time.Second, c)
			if req, err = b.store.Request(b.t.Context(), req.Run); err != nil {
				b.t.Fatal(err)
			}
			return req.Lines[0]
		}
		at := func(slot string) inventory.Milestone {
			n, err := b.store.Node(b.t.Context(), b.nodes[slot].ID)
			if err != nil {
				b.t.Fatal(err)
			}
			return n.Milestone
		}
		if at("C01") != inventory.NodeTriage {
			b.t.Fatalf("it is at %s", at("C01"))
		}
		if got := ask(inventory.OpReturn, "C02"); got.Result != "refused" || !strings.Contains(got.Detail, "not in triage") {
			b.t.Errorf("a healthy node was answered %+v", got)
		}
		if got := ask(inventory.OpTriage, "C02"); got.Result != "refused" || !strings.Contains(got.Detail, "nothing was tested yet") {
			b.t.Errorf("a node still in its box was answered %+v", got)
		}
		storetest.Raise(b.t, b.store, b.nodes["S01"], inventory.NodeInstalled)
		if got := ask(inventory.OpTriage, "S01"); got.Result != "ok" || at("S01") != inventory.NodeTriage {
			b.t.Errorf("a switch that a person sends to triage: %+v, at %s", got, at("S01"))
		}
		c.Store = deaf{b.store} // the server dies before each Apply
		steps.Store = c.Store
		if got := ask(inventory.OpReturn, "C01"); got.Result == "ok" || at("C01") != inventory.NodeTriage {
			b.t.Errorf("answered %+v at %s: what was not done was answered", got, at("C01"))
		}
		c.Store, steps.Store = b.store, b.store
		time.Sleep(2 * time.Minute) // until the lease has ended
		if got := ask(inventory.OpReturn, "C01"); got.Result != "ok" || at("C01") != inventory.NodeSecured {
			b.t.Errorf("after %+v it is at %s, want secured: what is proven below stays, the rest is proven again", got, at("C01"))
		}
	})
}

// TestTriageTakesBackACertificate: a certificate under way does not go on to
// cover a member that a person has taken out.
func TestTriageTakesBackACertificate(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(b *bubble) {
		r := b.bySignature(conductor.Certifier{Store: b.store, Key: key})
		if r.Milestone != inventory.RackInReview {
			b.t.Fatalf("the rack stands at %s", r.Milestone)
		}
		steps := &conductor.Steps{Store: b.store}
		c := &conductor.Conductor{Store: b.store, Holder: "one", Log: slog.New(slog.NewTextHandler(b, nil))}
		steps.Fill(c)
		if _, err := b.store.Ask(b.t.Context(), inventory.Request{Key: "burst", Op: inventory.OpTriage, By: "ann", State: inventory.RequestAccepted,
			On: inventory.Selector{Nodes: []inventory.NodeID{b.nodes["C01"].ID}}, Args: json.RawMessage(`{"reason":"cold plate burst"}`)}); err != nil {
			b.t.Fatal(err)
		}
		b.run(5*time.Second, c)
		n, err := b.store.Node(b.t.Context(), b.nodes["C01"].ID)
		if err != nil {
			b.t.Fatal(err)
		}
		if r, err = b.store.Rack(b.t.Context(), r.ID); err != nil {
			b.t.Fatal(err)
		}
		if n.Milestone != inventory.NodeTriage || lifecycle.RackRank(r.Milestone) >= lifecycle.RackRank(inventory.RackInReview) {
			b.t.Errorf("the node stands at %s, its rack still at %s", n.Milestone, r.Milestone)
		}
		rows, err := b.store.Evidence(b.t.Context(), inventory.RackSubject(r.ID))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range rows {
			if e.Gate == lifecycle.GateDraft && !e.Void {
				b.t.Error("the draft that covers it is still valid")
			}
		}
	})
}
