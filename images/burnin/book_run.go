package burnin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// next is the first sample number the record does not have.
func (b *Book) next(ctx context.Context, run inventory.RunID) (uint64, error) {
	batches, err := b.Store.Batches(ctx, run)
	if err != nil {
		return 0, err
	}
	next := uint64(1)
	for _, x := range batches {
		if x.From != next {
			return 0, fmt.Errorf("record of run %s: batch from %d stands where %d belongs: %w", run, x.From, next, inventory.ErrConflict)
		}
		next = x.To + 1
	}
	return next, nil
}

// Append implements [Desk].
func (b *Book) Append(ctx context.Context, run inventory.RunID, batch Batch) (uint64, error) {
	_, n, err := b.open(ctx, run)
	if err != nil {
		return 0, err
	}
	next, err := b.next(ctx, run)
	if err != nil {
		return 0, err
	}
	fresh, err := batch.After(next)
	if err != nil || len(fresh.Samples) == 0 {
		return next, err
	}
	if err := b.started(ctx, run, fresh); err != nil {
		return next, err
	}
	raw, err := json.Marshal(fresh)
	if err != nil {
		return next, fmt.Errorf("batch of run %s: %w", run, err)
	}
	digest, err := b.Store.Put(ctx, inventory.DocSamples, raw)
	if err != nil {
		return next, fmt.Errorf("batch of run %s: %w", run, err)
	}
	err = b.Store.Append(ctx, inventory.Batch{Run: run, From: fresh.From, To: fresh.To, Document: digest})
	if errors.Is(err, inventory.ErrConflict) { // another server took a batch in between
		now, again := b.next(ctx, run)
		if again != nil {
			return 0, again
		}
		return now, &GapError{From: fresh.From, Want: now}
	}
	if err != nil {
		return next, fmt.Errorf("batch of run %s: %w", run, err)
	}
	return fresh.To + 1, b.wake(ctx, n, fresh)
}

// started refuses samples of another plan than the one that was assigned.
func (b *Book) started(ctx context.Context, run inventory.RunID, batch Batch) error {
	for _, s := range batch.Samples {
		if s.Start == nil {
			continue
		}
		ref, err := b.Store.Ref(ctx, inventory.DocSamples, assignmentName(run))
		if err != nil {
			return err
		}
		if s.Start.Plan != ref.Digest {
			return fmt.Errorf("run %s was assigned plan %s, the agent runs %s: %w", run, ref.Digest, s.Start.Plan, inventory.ErrInvalid)
		}
	}
	return nil
}

// wake makes the node due when there is something to look at.
func (b *Book) wake(ctx context.Context, n inventory.Node, batch Batch) error {
	for _, s := range batch.Samples {
		if s.Kind == SampleBegin || s.Kind == SampleEnd {
			return b.Store.Wake(ctx, inventory.NodeSubject(n.ID))
		}
	}
	return nil
}

// Samples reads all stored samples of a run in order.
func (b *Book) Samples(ctx context.Context, run inventory.RunID) ([]Sample, error) {
	batches, err := b.Store.Batches(ctx, run)
	if err != nil {
		return nil, err
	}
	var out []Sample
	for _, x := range batches {
		raw, err := b.Store.Document(ctx, x.Document)
		if err != nil {
			return nil, fmt.Errorf("samples %d to %d of run %s: %w", x.From, x.To, run, err)
		}
		var batch Batch
		if err := json.Unmarshal(raw, &batch); err != nil {
			return nil, fmt.Errorf("samples %d to %d of run %s: %w", x.From, x.To, run, err)
		}
		out = append(out, batch.Samples...)
	}
	return out, nil
}

// State is where a run stands.
type State struct {
	Assigned    bool   `json:"assigned"` // its agent said hello
	Ended       bool   `json:"ended"`    // the end is stored: it can be judged
	Step        string `json:"step,omitempty"`
	Done, Total int    // steps with a result, steps of the plan
	Next        uint64 `json:"next"`
}

// State reads where a run stands.
func (b *Book) State(ctx context.Context, run inventory.RunID) (State, error) {
	a, err := b.assigned(ctx, run)
	if errors.Is(err, inventory.ErrNotFound) {
		return State{Next: 1}, nil
	}
	if err != nil {
		return State{}, err
	}
	samples, err := b.Samples(ctx, run)
	if err != nil {
		return State{}, err
	}
	s := State{Assigned: true, Next: a.Next}
	for _, t := range a.Profile.Tests {
		if t.NotApplicable == "" {
			s.Total += len(targets(t))
		}
	}
	done := map[string]bool{} // a step that was begun again counts once
	for _, x := range samples {
		switch x.Kind {
		case SampleBegin:
			s.Step = x.Test
		case SampleResult:
			done[x.Test+" "+x.Target.String()] = true
			s.Done = len(done)
		case SampleEnd:
			s.Ended = true
		}
	}
	return s, nil
}

// Judge judges a run from the record and stores the verdict; the digest is the
// document to cite. A run whose agent never said hello is judged too: nothing
// of it was measured.
func (b *Book) Judge(ctx context.Context, run inventory.RunID) (Verdict, inventory.Digest, error) {
	a, err := b.assigned(ctx, run)
	if errors.Is(err, inventory.ErrNotFound) {
		a.Profile, err = b.plan(ctx, run)
	}
	if err != nil {
		return Verdict{}, "", err
	}
	samples, err := b.Samples(ctx, run)
	if err != nil {
		return Verdict{}, "", err
	}
	v := Judge(a.Profile, samples)
	raw, err := v.JSON()
	if err != nil {
		return Verdict{}, "", err
	}
	digest, err := b.Store.Put(ctx, inventory.DocVerdict, raw)
	if err != nil {
		return Verdict{}, "", fmt.Errorf("verdict of run %s: %w", run, err)
	}
	return v, digest, nil
}
