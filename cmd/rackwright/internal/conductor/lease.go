package conductor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// ErrLease: too little of the claim's lease is left to begin a hardware write.
// Nothing was sent; the next tick does it under a fresh lease.
var ErrLease = errors.New("too little lease left for a hardware write")

// lease watches one claim by the monotonic clock: a BMC cannot check a token,
// so a write may only leave while nobody else can hold the tick.
type lease struct {
	c     *Conductor
	mu    sync.Mutex
	held  inventory.Claim
	until time.Time          // monotonic
	begun inventory.IntentID // in this turn, the last one
}

// newLease counts from the moment before the store was asked, by our own
// monotonic clock: the store's clock may be another machine's, and we never
// believe in more time than was granted.
func newLease(c *Conductor, claim inventory.Claim, asked time.Time) *lease {
	return &lease{c: c, held: claim, until: asked.Add(c.Timing.Lease)}
}

func (l *lease) claim() inventory.Claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

func (l *lease) left() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until)
}

// guard renews a lease that has grown short, then checks it (lifecycle.md L6).
func (l *lease) guard(ctx context.Context) error {
	if l.left() < l.c.Timing.Margin {
		if err := l.renew(ctx); err != nil {
			return err
		}
	}
	if left := l.left(); left < l.c.Timing.Margin {
		return fmt.Errorf("%s: %s of %s: %w", l.claim().Subject, left.Round(time.Millisecond), l.c.Timing.Margin, ErrLease)
	}
	if ctx.Value(switchOnKey{}) != nil {
		return l.mayRun(ctx)
	}
	return nil
}

type switchOnKey struct{}

// switchingOn marks a write that gives a host power: between the turn's first
// look and the first byte its BMC is asked several things, and a tray may have
// been latched meanwhile.
func switchingOn(ctx context.Context) context.Context {
	return context.WithValue(ctx, switchOnKey{}, true)
}

// mayRun looks at the holds as they are now.
func (l *lease) mayRun(ctx context.Context) error {
	on := l.claim().Subject
	if on.Scope != inventory.ScopeNode {
		return nil
	}
	n, err := l.c.Store.Node(ctx, inventory.NodeID(on.ID))
	if err != nil {
		return err
	}
	r, err := l.c.Store.Rack(ctx, n.Rack)
	if err != nil {
		return err
	}
	if err := lifecycle.May(on, n.Holds, lifecycle.UsePowerOn); err != nil {
		return err
	}
	return lifecycle.May(inventory.RackSubject(r.ID), r.Holds, lifecycle.UsePowerOn)
}

func (l *lease) renew(ctx context.Context) error {
	begun := time.Now()
	claim, err := l.c.Store.Renew(ctx, l.claim())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until, l.held = begun.Add(l.c.Timing.Lease), claim
	return nil
}

// renewBy renews within a time: a record that does not answer at all must not
// keep an upload going past the lease.
func (l *lease) renewBy(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return l.renew(ctx)
}

// extend lifts the tick's cut and renews until stopped. When the claim is lost
// the context ends, so that an upload does not go on under somebody else.
func (l *lease) extend(ctx context.Context) (context.Context, context.CancelFunc) {
	long, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(l.c.Timing.Renew)
		defer tick.Stop()
		for {
			select {
			case <-long.Done():
				return
			case <-tick.C:
			}
			err := l.renewBy(long, l.left()-l.c.Timing.Margin*2/3)
			if errors.Is(err, inventory.ErrStale) || (err != nil && l.left() <= l.c.Timing.Margin*2/3) {
				cancel(fmt.Errorf("claim lost during long work: %w", errors.Join(err, inventory.ErrStale)))
				return
			}
		}
	}()
	return long, func() { cancel(context.Canceled); <-done }
}
