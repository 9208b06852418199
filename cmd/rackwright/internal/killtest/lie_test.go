package killtest_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/rackwright/rackwright/inventory"
)

// Lies of the record: each removes one safety net of lifecycle.md §15.6.
const (
	lieNoIntents = "no-intents" // Begin stores nothing: no read-back, no unique index
	lieNoFence   = "no-fence"   // a stale claim is answered as if it were good
)

func lie(kind string, s inventory.Store) inventory.Store {
	switch kind {
	case lieNoIntents:
		return &noIntents{Store: s}
	case lieNoFence:
		return noFence{s}
	}
	return s
}

// noIntents is a record that forgets intents: the journal of what was sent.
type noIntents struct {
	inventory.Store
	n atomic.Int64
}

func (s *noIntents) Begin(context.Context, inventory.Claim, inventory.Intent) (inventory.IntentID, error) {
	return inventory.IntentID(fmt.Sprintf("forgotten-%d", s.n.Add(1))), nil
}

func (s *noIntents) Unsettled(context.Context, inventory.Claim) ([]inventory.Intent, error) {
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

// noFence is a record whose claims never go stale.
type noFence struct{ inventory.Store }

func (s noFence) Renew(ctx context.Context, c inventory.Claim) (inventory.Claim, error) {
	if now, err := s.Store.Renew(ctx, c); err == nil {
		return now, nil
	}
	return c, nil
}
