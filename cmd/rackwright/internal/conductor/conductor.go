package conductor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Store is the part of the record that the conductor works on.
type Store interface {
	inventory.Reader
	inventory.Recorder
	inventory.Work
	inventory.Runs
	inventory.Documents
}

// Timing is the configured rhythm of the conductor (lifecycle.md §8, §10).
// All of it is validated by config; zero values mean the defaults.
type Timing struct {
	Lease   time.Duration // the store's lease of a tick, default 60 s
	Poll    time.Duration // look for due ticks, default 1 s
	Cut     time.Duration // a tick without Extend is cut here, default 45 s
	Renew   time.Duration // renew a long tick's claim, default 15 s
	Margin  time.Duration // a hardware write starts only with this much lease left, default 30 s
	Backoff time.Duration // first wait after an infrastructure error, default 2 s
	Longest time.Duration // longest such wait, default 60 s
	Settle  time.Duration // polling of remote work, default 10 s
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Lease, time.Minute)
	set(&t.Poll, time.Second)
	set(&t.Cut, 45*time.Second)
	set(&t.Renew, 15*time.Second)
	set(&t.Margin, 30*time.Second)
	set(&t.Backoff, 2*time.Second)
	set(&t.Longest, time.Minute)
	set(&t.Settle, 10*time.Second)
	return t
}

// Conductor turns due ticks into steps. A milestone without a step is a wiring
// fault that Check reports.
type Conductor struct {
	Store     Store
	NodeSteps map[inventory.Milestone]Step
	RackSteps map[inventory.RackMilestone]Step
	Holder    inventory.Holder
	Parallel  int // ticks at once, default 32
	Timing    Timing
	Log       *slog.Logger

	mu     sync.Mutex
	trials map[inventory.Subject]int // consecutive infrastructure errors
	wake   chan struct{}
	once   sync.Once
}

func (c *Conductor) setup() {
	c.once.Do(func() {
		c.trials = map[inventory.Subject]int{}
		c.wake = make(chan struct{}, 1)
		c.Timing = c.Timing.withDefaults()
		if c.Parallel <= 0 {
			c.Parallel = 32
		}
	})
}

// Wake makes the loop look for due ticks at once; it never blocks.
func (c *Conductor) Wake() {
	c.setup()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Tick claims what is due, runs it to the end and returns how many turns ran.
func (c *Conductor) Tick(ctx context.Context) (int, error) {
	c.setup()
	asked := time.Now()
	claims, err := c.Store.Claim(ctx, c.Holder, c.Parallel)
	if err != nil {
		return 0, fmt.Errorf("claim due ticks: %w", err)
	}
	var all sync.WaitGroup
	for _, claim := range claims {
		all.Go(func() { c.turn(ctx, claim, asked) })
	}
	all.Wait()
	return len(claims), nil
}

// Run works until the context ends, then waits for the turns under way; a turn
// whose write has left is never cut by a shutdown, only by its lease.
func (c *Conductor) Run(ctx context.Context) error {
	c.setup()
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, c.Parallel)
	for {
		n, err := c.start(ctx, slots, &all)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			c.Log.Error("cannot claim due ticks; retrying", "err", err)
		}
		if n > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-time.After(c.Timing.Poll):
		}
	}
}

// start claims as many ticks as there are free slots.
func (c *Conductor) start(ctx context.Context, slots chan struct{}, all *sync.WaitGroup) (int, error) {
	free := cap(slots) - len(slots)
	if free == 0 {
		return 0, nil
	}
	asked := time.Now()
	claims, err := c.Store.Claim(ctx, c.Holder, free)
	if err != nil {
		return 0, err
	}
	for _, claim := range claims {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots; c.Wake() }()
			c.turn(context.WithoutCancel(ctx), claim, asked)
		})
	}
	return len(claims), nil
}

// Check reports every milestone that has no step: such a subject would stand
// still silently.
func (c *Conductor) Check(nodes []inventory.Milestone, racks []inventory.RackMilestone) error {
	var faults []error
	for _, m := range nodes {
		if c.NodeSteps[m] == nil {
			faults = append(faults, fmt.Errorf("node milestone %s has no step", m))
		}
	}
	for _, m := range racks {
		if c.RackSteps[m] == nil {
			faults = append(faults, fmt.Errorf("rack milestone %s has no step", m))
		}
	}
	return errors.Join(faults...)
}
