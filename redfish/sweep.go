package redfish

import (
	"context"
	"iter"
	"sync"

	"github.com/rackwright/rackwright/inventory"
)

const sweepParallel = 32

// Sweeper reads many BMCs at a time.
type Sweeper struct {
	Dialer   *Dialer
	Parallel int // BMCs read at once, default 32; each sees one request at a time
}

// Sweep observes each endpoint once, read-only, and yields in the order of
// completion. An error belongs to the one endpoint that Observation.Node and
// *Error name and does not end the sweep; with ErrEmpty the observation still
// says what was read. Breaking off, or a cancelled context, stops the readings
// that run; Sweep returns when they have ended.
func (s *Sweeper) Sweep(ctx context.Context, endpoints []inventory.Endpoint) iter.Seq2[inventory.Observation, error] {
	type result struct {
		o   inventory.Observation
		err error
	}
	return func(yield func(inventory.Observation, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		n := s.Parallel
		if n <= 0 {
			n = sweepParallel
		}
		work, done := make(chan inventory.Endpoint), make(chan result)
		var running sync.WaitGroup
		for range min(n, len(endpoints)) {
			running.Go(func() {
				for e := range work {
					o, err := s.observe(ctx, e)
					select {
					case done <- result{o, err}:
					case <-ctx.Done():
						return
					}
				}
			})
		}
		go func() {
			defer close(work)
			for _, e := range endpoints {
				select {
				case work <- e:
				case <-ctx.Done():
					return
				}
			}
		}()
		defer running.Wait()
		defer cancel()
		for range endpoints {
			select {
			case r := <-done:
				if !yield(r.o, r.err) {
					return
				}
			case <-ctx.Done():
				yield(inventory.Observation{}, ctx.Err())
				return
			}
		}
	}
}

func (s *Sweeper) observe(ctx context.Context, e inventory.Endpoint) (inventory.Observation, error) {
	b, err := s.Dialer.Dial(ctx, e, nil)
	if err != nil {
		return inventory.Observation{Node: e.Node, Source: inventory.SourceRedfish}, err
	}
	o, err := b.Observe(ctx)
	o.Node = e.Node
	if closeErr := b.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	return o, err
}
