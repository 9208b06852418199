package killtest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// Lies of the record: each removes safety nets of lifecycle.md §15.6.
const (
	lieNoIntents  = "no-intents"   // Begin stores nothing: no read-back, no unique index
	lieNoReadBack = "no-read-back" // unsettled intents are stored and not shown
)

func lie(kind string, s inventory.Store) inventory.Store {
	switch kind {
	case lieNoIntents:
		return &noIntents{Store: s}
	case lieNoReadBack:
		return noReadBack{s}
	}
	return s
}

// noReadBack hides what was begun before a kill.
type noReadBack struct{ inventory.Store }

func (noReadBack) Unsettled(context.Context, inventory.Claim) ([]inventory.Intent, error) {
	return nil, nil
}

// noIntents is a record that forgets intents: the journal of what was sent.
type noIntents struct {
	inventory.Store
	n atomic.Int64
}

func (s *noIntents) Begin(context.Context, inventory.Claim, inventory.Intent) (inventory.IntentID, error) {
	return inventory.IntentID(fmt.Sprintf("forgotten-%d", s.n.Add(1))), nil
}

func (*noIntents) Unsettled(context.Context, inventory.Claim) ([]inventory.Intent, error) {
	return nil, nil
}

func (s *noIntents) Apply(ctx context.Context, c inventory.Claim, x inventory.Change) error {
	if x.Settles != "" {
		x.Settles = ""
		if x.Operation != nil {
			x.Outcome = ""
		}
	}
	return s.Store.Apply(ctx, c, x)
}

// unread is the blow after the hardware was told and before the record knows.
func unread(op inventory.OpKind) blow {
	return blow{name: "Apply " + string(op) + " settles ok", phase: before}
}

// red walks one point with a lie and expects one of the faults that it must
// cause. The same point on an honest record is without fault: handful has it.
func (m *matrix) red(t *testing.T, b blow, lied string, wants ...string) {
	t.Helper()
	e := m.lanes[0].walk(t, b, lied)
	if len(e.kills) != 1 {
		t.Fatalf("%d kills", len(e.kills))
	}
	for _, f := range e.faults {
		for _, want := range wants {
			if strings.Contains(f, want) {
				t.Logf("lie %s, killed %s: %s", lied, b, f)
				return
			}
		}
	}
	t.Fatalf("lie %s: no fault says %q: %q", lied, wants, e.faults)
}
