package conductor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/conductor"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// TestStaleClaim (L5, L7): a holder that froze past its lease is overtaken
// after lease and grace, and what it then wants to store is dropped.
func TestStaleClaim(t *testing.T) {
	inBubble(t, func(b *bubble) {
		var frozen, taken time.Time
		first := b.conductor("one", nil, func(_ context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() != b.on("C01") {
				return conductor.Result{}, nil
			}
			frozen = time.Now()
			run, err := b.store.StartRun(b.t.Context(), t.Claim, inventory.OpPower, "", "")
			if err != nil {
				b.t.Error(err)
			}
			if _, err := t.Begin(b.t.Context(), inventory.Intent{Step: "power", Target: "bmc", Effect: "switch it off", ReadBack: "power state", Attempt: 1}); err != nil {
				b.t.Error(run, err)
			}
			time.Sleep(5 * time.Minute) // SIGSTOP, in effect: not even the context is heard
			return conductor.Result{Reason: "the BMC took it", Change: inventory.Change{Blockers: []inventory.Blocker{{Subject: t.Subject(), Owner: inventory.OwnerSystem, Fix: "conductor.error", Args: []string{"from the grave"}}}}}, nil
		})
		second := b.conductor("two", nil, func(_ context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() == b.on("C01") && taken.IsZero() {
				taken = time.Now()
			}
			return conductor.Result{}, nil
		})
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := first.Tick(b.t.Context()); err != nil {
				b.t.Error(err)
			}
		})
		time.Sleep(time.Second)
		b.run(10*time.Minute, second)
		wait.Wait()
		if d := taken.Sub(frozen); d < 75*time.Second || d > 80*time.Second {
			t.Errorf("taken over after %s, want lease 60 s + grace 15 s", d)
		}
		if list := b.blockers(b.on("C01")); len(list) != 0 {
			t.Errorf("a stale claim wrote %+v", list)
		}
		if !strings.Contains(b.log.String(), "claim lost") {
			t.Error("nobody was told that a claim was lost")
		}
		late := 0
		for e, err := range b.store.Entries(b.t.Context(), inventory.RackSubject(b.nodes["C01"].Rack), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == "intent.late" && strings.Contains(string(e.Body), "the BMC took it") {
				late++
			}
		}
		if late != 1 {
			t.Errorf("what the frozen one learned is journalled %d times", late)
		}
	})
}

// TestTwoConductors: on one record no subject has two turns at once, both
// work, and when one dies the other does everything.
func TestTwoConductors(t *testing.T) {
	inBubble(t, func(b *bubble) {
		for _, name := range []string{"B13", "C14", "D15"} {
			if err := b.store.Expect(b.t.Context(), storetest.Manifest(b.t, b.store, name, "doc-"+name), "ann"); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		busy, turns := map[inventory.Subject]inventory.Holder{}, map[inventory.Holder]int{}
		step := func(ctx context.Context, turn conductor.Turn) (conductor.Result, error) {
			mu.Lock()
			if other, ok := busy[turn.Subject()]; ok {
				t.Errorf("%s and %s work on %s at once", other, turn.Claim.Holder, turn.Subject())
			}
			busy[turn.Subject()] = turn.Claim.Holder
			turns[turn.Claim.Holder]++
			mu.Unlock()
			time.Sleep(3 * time.Second)
			mu.Lock()
			delete(busy, turn.Subject())
			mu.Unlock()
			return conductor.Result{Wait: 10 * time.Second}, nil
		}
		one, two := b.conductor("one", nil, step), b.conductor("two", nil, step)
		b.run(3*time.Minute, one, two)
		if turns["one"] < 30 || turns["two"] < 30 {
			t.Errorf("the work was not shared: %v", turns)
		}
		before := turns["two"]
		begun := time.Now()
		b.run(4*time.Minute, two) // one is gone
		alone := map[inventory.Subject]bool{}
		for on, at := range b.turns {
			alone[on] = at[len(at)-1].After(begun.Add(2 * time.Minute))
		}
		for on, did := range alone {
			if !did {
				t.Errorf("%s was left behind with its holder", on)
			}
		}
		if len(alone) != 4*4 || turns["two"]-before < 80 {
			t.Errorf("%d subjects, %d turns alone", len(alone), turns["two"]-before)
		}
	})
}

// TestWake: who is asked for now is served now, not at the next look.
func TestWake(t *testing.T) {
	inBubble(t, func(b *bubble) {
		c := b.conductor("one", nil, func(context.Context, conductor.Turn) (conductor.Result, error) { return conductor.Result{}, nil })
		ctx, stop := context.WithCancel(b.t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(10*time.Second + 300*time.Millisecond) // between two looks
		asked := time.Now()
		if err := b.store.Wake(b.t.Context(), b.on("C01")); err != nil {
			t.Fatal(err)
		}
		c.Wake()
		time.Sleep(50 * time.Millisecond)
		b.mu.Lock()
		at := b.turns[b.on("C01")]
		b.mu.Unlock()
		if last := at[len(at)-1]; last.Before(asked) {
			t.Errorf("asked at %s, the last turn was at %s", asked, last)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// TestShutdownWaitsForTurns: a turn under way ends by itself; Run returns only
// then, and no goroutine is left (the bubble would not end).
func TestShutdownWaitsForTurns(t *testing.T) {
	inBubble(t, func(b *bubble) {
		finished := 0
		begun := time.Now()
		b.run(2*time.Second, b.conductor("one", nil, func(ctx context.Context, turn conductor.Turn) (conductor.Result, error) {
			select {
			case <-ctx.Done():
				t.Error("a turn was cut by the shutdown")
			case <-time.After(20 * time.Second):
			}
			b.mu.Lock()
			finished++
			b.mu.Unlock()
			return conductor.Result{Wait: time.Hour}, nil
		}))
		if finished != 4 || time.Since(begun) < 20*time.Second { // three nodes and the rack
			t.Fatalf("%d turns finished in %s", finished, time.Since(begun))
		}
	})
}

// TestLawHasTheLastWord: a step that believes a gate open moves nothing when
// the law says no; the blockers of the law are stored instead.
func TestLawHasTheLastWord(t *testing.T) {
	inBubble(t, func(b *bubble) {
		b.run(5*time.Second, b.conductor("one", nil, func(_ context.Context, t conductor.Turn) (conductor.Result, error) {
			if t.Subject() != b.on("C01") {
				return conductor.Result{}, nil
			}
			return conductor.Result{Change: inventory.Change{Event: &inventory.Event{Kind: inventory.EventReceived, Reason: "I believe so"}}}, nil
		}))
		n, err := b.store.Node(b.t.Context(), b.nodes["C01"].ID)
		if err != nil || n.Milestone != inventory.NodeExpected {
			t.Fatalf("moved to %s, %v", n.Milestone, err)
		}
		gates := map[inventory.Gate]bool{}
		for _, x := range b.blockers(b.on("C01")) {
			gates[x.Gate] = true
		}
		if !gates[lifecycle.GateIdentityLabel] || !gates[lifecycle.GateDisposition] {
			t.Fatalf("blockers: %v", gates)
		}
	})
}

// TestMilestoneWithoutStep: Check names each one, and a subject that comes to
// such a milestone ends as a blocker, not in silence.
func TestMilestoneWithoutStep(t *testing.T) {
	inBubble(t, func(b *bubble) {
		c := b.conductor("one", nil, func(context.Context, conductor.Turn) (conductor.Result, error) { return conductor.Result{}, nil })
		if err := c.Check(lifecycle.NodeMilestones(), lifecycle.RackMilestones()); err != nil {
			t.Fatal(err)
		}
		delete(c.NodeSteps, inventory.NodeExpected)
		delete(c.RackSteps, inventory.RackAccepted)
		err := c.Check(lifecycle.NodeMilestones(), lifecycle.RackMilestones())
		if err == nil || !strings.Contains(err.Error(), "node milestone expected") || !strings.Contains(err.Error(), "rack milestone accepted") {
			t.Fatalf("got %v", err)
		}
		b.run(3*time.Minute, c)
		if list := b.blockers(b.on("C01")); len(list) != 1 || !strings.Contains(fmt.Sprint(list[0].Args), "no step for") {
			t.Fatalf("blockers: %+v", list)
		}
	})
}

// TestEveryMilestoneHasAStep: the steps of the product leave none out.
func TestEveryMilestoneHasAStep(t *testing.T) {
	c := &conductor.Conductor{}
	(&conductor.Steps{}).Fill(c)
	if err := c.Check(lifecycle.NodeMilestones(), lifecycle.RackMilestones()); err != nil {
		t.Fatal(err)
	}
}

// broken is a record that cannot be written for a while.
type broken struct {
	*sqlstore.Store
	until time.Time
}

func (s *broken) Claim(ctx context.Context, h inventory.Holder, n int) ([]inventory.Claim, error) {
	if time.Now().Before(s.until) {
		return nil, fmt.Errorf("claim: %w", inventory.ErrReadOnly)
	}
	return s.Store.Claim(ctx, h, n)
}

func (s *broken) Apply(ctx context.Context, c inventory.Claim, x inventory.Change) error {
	if time.Now().Before(s.until) {
		return fmt.Errorf("apply: %w", inventory.ErrReadOnly)
	}
	return s.Store.Apply(ctx, c, x)
}

// TestRecordAway: a full disk stops nothing for good: the loop looks again each
// second, and goes on when there is room.
func TestRecordAway(t *testing.T) {
	inBubble(t, func(b *bubble) {
		away := &broken{b.store, time.Now().Add(5 * time.Minute)}
		b.run(10*time.Minute, b.conductor("one", away, func(context.Context, conductor.Turn) (conductor.Result, error) {
			return conductor.Result{Wait: 30 * time.Second}, nil
		}))
		if at := b.turns[b.on("C01")]; len(at) < 5 || at[0].Before(away.until) {
			t.Fatalf("turns: %v, the record was away until %s", at, away.until)
		}
		if !errors.Is(fmt.Errorf("%w", inventory.ErrReadOnly), inventory.ErrReadOnly) || !strings.Contains(b.log.String(), "cannot claim due ticks") {
			t.Error("the log does not say why nothing moves")
		}
	})
}
