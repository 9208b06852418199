package conductor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/conductor"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// bubble is a real record and real conductors on simulated time.
type bubble struct {
	t     *testing.T
	store *sqlstore.Store
	nodes map[string]inventory.Node // of rack A12, by slot

	mu    sync.Mutex
	turns map[inventory.Subject][]time.Time // when each subject's step began
	log   bytes.Buffer
}

// inBubble runs a test on simulated time: an hour costs milliseconds, and a
// goroutine that is left over fails the test.
func inBubble(t *testing.T, do func(*bubble)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "record.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: path, Site: "ams1"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if faults, err := s.Check(context.Background()); err != nil || len(faults) > 0 {
				t.Errorf("the record is not sound: %v %v", faults, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		do(&bubble{t: t, store: s, nodes: storetest.Rack(t, s), turns: map[inventory.Subject][]time.Time{}})
	})
}

// conductor has one step for everything; rest is what it does beside node C01.
func (b *bubble) conductor(holder inventory.Holder, store conductor.Store, step conductor.Step) *conductor.Conductor {
	if store == nil {
		store = b.store
	}
	c := &conductor.Conductor{Store: store, Holder: holder, Parallel: 8, Log: slog.New(slog.NewTextHandler(b, nil)),
		NodeSteps: map[inventory.Milestone]conductor.Step{}, RackSteps: map[inventory.RackMilestone]conductor.Step{}}
	noted := func(ctx context.Context, t conductor.Turn) (conductor.Result, error) {
		b.mu.Lock()
		b.turns[t.Subject()] = append(b.turns[t.Subject()], time.Now())
		b.mu.Unlock()
		return step(ctx, t)
	}
	for _, m := range lifecycle.NodeMilestones() {
		c.NodeSteps[m] = noted
	}
	for _, m := range lifecycle.RackMilestones() {
		c.RackSteps[m] = noted
	}
	return c
}

// Write keeps the log; turns run in parallel.
func (b *bubble) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

// run lets conductors work for a while and ends them.
func (b *bubble) run(d time.Duration, all ...*conductor.Conductor) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.t.Context(), d)
	defer stop()
	var wait sync.WaitGroup
	for _, c := range all {
		wait.Go(func() {
			if err := c.Run(ctx); err != nil {
				b.t.Error(err)
			}
		})
	}
	wait.Wait()
}

func (b *bubble) on(slot string) inventory.Subject { return inventory.NodeSubject(b.nodes[slot].ID) }

// gaps are the waits between the turns of a subject.
func (b *bubble) gaps(on inventory.Subject) []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []time.Duration
	for i, at := range b.turns[on] {
		if i > 0 {
			out = append(out, at.Sub(b.turns[on][i-1]))
		}
	}
	return out
}

func (b *bubble) blockers(on inventory.Subject) []inventory.Blocker {
	b.t.Helper()
	all, err := b.store.Blockers(b.t.Context(), inventory.Selector{Nodes: []inventory.NodeID{inventory.NodeID(on.ID)}})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

var errWire = errors.New("the network is away")

// TestBackOff: an error changes nothing and comes back after 2, 4, 8 … 60 s
// (± 10 %); the fifth in a row is a blocker for the system's owner; success
// forgets it. The neighbours go on.
func TestBackOff(t *testing.T) {
	inBubble(t, func(b *bubble) {
		bad := true
		b.run(5*time.Minute, b.conductor("one", nil, func(_ context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() == b.on("C01") && bad {
				return conductor.Result{}, errWire
			}
			return conductor.Result{Wait: 10 * time.Second}, nil
		}))
		want := []time.Duration{2, 4, 8, 16, 32, 60, 60}
		got := b.gaps(b.on("C01"))
		if len(got) < len(want) {
			t.Fatalf("only %v", got)
		}
		for i, w := range want {
			w *= time.Second
			if got[i] < w*9/10 || got[i] > w*11/10+1100*time.Millisecond { // the loop looks each second
				t.Errorf("wait %d is %s, want %s", i+1, got[i], w)
			}
		}
		if n := len(b.gaps(b.on("C02"))); n < 25 {
			t.Errorf("the neighbour had %d turns in 5 minutes", n)
		}
		list := b.blockers(b.on("C01"))
		if len(list) != 1 || list[0].Owner != inventory.OwnerSystem || !strings.Contains(inventory.Sentence(list[0].Fix, list[0].Args), errWire.Error()) {
			t.Fatalf("blockers: %+v", list)
		}
		bad = false
		b.run(2*time.Minute, b.conductor("one", nil, func(context.Context, conductor.Turn) (conductor.Result, error) {
			return conductor.Result{Wait: 10 * time.Second}, nil
		}))
		if list := b.blockers(b.on("C01")); len(list) != 0 {
			t.Fatalf("the blocker stays after success: %+v", list)
		}
	})
}

// TestPanicBecomesBlocker (L12): a step that panics takes nobody with it.
func TestPanicBecomesBlocker(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.run(2*time.Minute, b.conductor("one", nil, func(_ context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() == b.on("C01") {
				panic("index out of range")
			}
			return conductor.Result{Wait: 10 * time.Second}, nil
		}))
		list := b.blockers(b.on("C01"))
		if len(list) != 1 || list[0].Owner != inventory.OwnerSystem || !strings.Contains(strings.Join(list[0].Args, " "), "index out of range") {
			t.Fatalf("blockers: %+v", list)
		}
		if strings.Contains(inventory.Sentence(list[0].Fix, list[0].Args), "goroutine") {
			t.Error("a person is shown a stack; it belongs into the log")
		}
		if !strings.Contains(b.log.String(), "goroutine") {
			t.Error("the log has no stack")
		}
		if n := len(b.gaps(b.on("C02"))); n < 10 {
			t.Errorf("the neighbour had %d turns", n)
		}
	})
}

// TestCut: a turn that does not end is cut at 45 s, within its lease of 60 s,
// and counts as an error.
func TestCut(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var lasted time.Duration
		b.run(time.Minute, b.conductor("one", nil, func(ctx context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() != b.on("C01") || lasted > 0 {
				return conductor.Result{}, nil
			}
			begun := time.Now()
			<-ctx.Done()
			lasted = time.Since(begun)
			return conductor.Result{}, ctx.Err()
		}))
		if lasted != 45*time.Second {
			t.Fatalf("cut after %s", lasted)
		}
		if n := len(b.turns[b.on("C01")]); n < 2 {
			t.Fatal("it did not come back")
		}
	})
}

// TestExtend: an upload of ten minutes keeps its claim, nobody else gets the
// subject meanwhile, and it is not cut.
func TestExtend(t *testing.T) {
	inBubble(t, func(b *bubble) {
		uploads := 0
		step := func(ctx context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() != b.on("C01") {
				return conductor.Result{Wait: time.Minute}, nil
			}
			uploads++
			long, done := t.Extend(ctx)
			defer done()
			select {
			case <-long.Done():
				return conductor.Result{}, long.Err()
			case <-time.After(10 * time.Minute):
			}
			return conductor.Result{Wait: time.Hour}, t.Guard(ctx)
		}
		b.run(15*time.Minute, b.conductor("one", nil, step), b.conductor("two", nil, step))
		if uploads != 1 || len(b.blockers(b.on("C01"))) != 0 {
			t.Fatalf("%d uploads began, blockers %v", uploads, b.blockers(b.on("C01")))
		}
	})
}

// upload holds one long turn of C01 until its context ends; after is what the
// turn does then. It gives how long the turn had and why it ended.
func (b *bubble) upload(s conductor.Store, after func(context.Context, conductor.Turn)) (lasted time.Duration, cause error) {
	b.run(50*time.Second, b.conductor("one", s, func(ctx context.Context, t conductor.Turn) (conductor.Result, error) {
		if t.Subject() != b.on("C01") || lasted > 0 {
			return conductor.Result{}, nil
		}
		begun := time.Now()
		long, done := t.Extend(ctx)
		defer done()
		<-long.Done()
		cause, lasted = context.Cause(long), time.Since(begun)
		if after != nil {
			after(ctx, t)
		}
		return conductor.Result{}, cause
	}))
	return lasted, cause
}

// losing is a record whose answer to Renew is that somebody else has the claim.
type losing struct{ *sqlstore.Store }

func (losing) Renew(context.Context, inventory.Claim) (inventory.Claim, error) {
	return inventory.Claim{}, inventory.ErrStale
}

// TestLostClaimEndsTheUpload: work must not go on under somebody else, and no
// write leaves when the lease is short.
func TestLostClaimEndsTheUpload(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var guarded error
		lasted, cause := b.upload(losing{b.store}, func(ctx context.Context, t conductor.Turn) {
			time.Sleep(20 * time.Second) // 25 s of 60 are left: too little
			guarded = t.Guard(ctx)
		})
		if !errors.Is(cause, inventory.ErrStale) || lasted != 15*time.Second {
			t.Fatalf("ended after %s by %v", lasted, cause)
		}
		if !errors.Is(guarded, inventory.ErrStale) {
			t.Fatalf("the guard said %v", guarded)
		}
	})
}

// mute is a record that does not answer Renew at all: a dead network path.
type mute struct{ *sqlstore.Store }

func (mute) Renew(ctx context.Context, _ inventory.Claim) (inventory.Claim, error) {
	<-ctx.Done()
	return inventory.Claim{}, ctx.Err()
}

// TestSilentRecordEndsTheUpload: 20 s before the lease ends, whether the record
// answers or not.
func TestSilentRecordEndsTheUpload(t *testing.T) {
	inBubble(t, func(b *bubble) {
		lasted, cause := b.upload(mute{b.store}, nil)
		if !errors.Is(cause, inventory.ErrStale) || lasted != 40*time.Second {
			t.Fatalf("ended after %s by %v", lasted, cause)
		}
	})
}
