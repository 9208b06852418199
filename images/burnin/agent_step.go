package burnin

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// maxAttempts is how often a step may be begun when the agent dies in it.
const maxAttempts = 2

// steps runs everything the plan wants that an earlier process of this boot
// has not finished.
func (r *run) steps(ctx context.Context, past []Sample) error {
	for _, t := range r.work.Profile.Tests {
		if t.NotApplicable != "" {
			continue
		}
		for _, target := range targets(t) {
			begun, done := before(past, t.ID, target)
			if done {
				continue
			}
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			if err := r.one(ctx, t, target, begun+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// before counts the attempts of a step in an earlier process.
func before(past []Sample, test string, target Entity) (begun int, done bool) {
	for _, s := range past {
		if s.Test != test || s.Target != target {
			continue
		}
		switch s.Kind {
		case SampleBegin:
			begun, done = s.Attempt, false
		case SampleResult:
			done = true
		}
	}
	return begun, done
}

// one runs a step once, with the sensors beside it.
func (r *run) one(ctx context.Context, t Test, target Entity, attempt int) error {
	r.mu.Lock()
	r.current = t.ID
	r.mu.Unlock()
	r.a.Log.Info("step begins", "step", t.ID, "target", target.String(), "attempt", attempt)
	if err := r.add(Sample{Kind: SampleBegin, Test: t.ID, Target: target, Attempt: attempt}); err != nil {
		return err
	}
	if attempt > maxAttempts {
		e := Exec{Exit: -1, Error: fmt.Sprintf("the agent ended %d times during this step", maxAttempts)}
		return r.add(Sample{Kind: SampleResult, Test: t.ID, Target: target, Attempt: attempt, Exec: &e})
	}
	watching, stop := context.WithCancel(ctx)
	worst := make(chan []Value, 1)
	go func() { worst <- r.sensors(watching) }()
	out := r.a.Runner.Run(ctx, t, target)
	stop()
	if values := <-worst; len(values) > 0 {
		if err := r.add(Sample{Kind: SampleSensors, Test: t.ID, Target: target, Attempt: attempt, Values: values}); err != nil {
			return err
		}
	}
	r.a.Log.Info("step ends", "step", t.ID, "target", target.String(), "exit", out.Exec.Exit, "fault", out.Fault, "error", out.Exec.Error)
	err := r.add(Sample{Kind: SampleResult, Test: t.ID, Target: target, Attempt: attempt, Exec: &out.Exec, Values: out.Values,
		Fault: out.Fault, Fingerprint: out.Fingerprint, Artifacts: out.Artifacts})
	if err == nil && out.Observation != nil {
		// The verdict stands on the fingerprint in the sample; the record gets the
		// reading too, and goes without it when the server is away.
		if e := r.c.observe(ctx, r.work.Run, r.a.stamp(*out.Observation)); e != nil {
			r.a.Log.Warn("in-band reading was not recorded", "step", t.ID, "error", e)
		}
	}
	return err
}

// sensors reads until the context ends, once at least and once at the end, and
// returns the worst value of each entity.
func (r *run) sensors(ctx context.Context) []Value {
	pause := r.a.Poll
	if pause == 0 {
		pause = 10 * time.Second
	}
	var worst []Value
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		now, err := r.a.Runner.Sensors(context.WithoutCancel(ctx))
		if err != nil {
			r.a.Log.Warn("sensors could not be read", "step", r.step(), "error", err)
			return nil // half a series would hide the hottest moment
		}
		worst = merge(worst, now)
		if ctx.Err() != nil {
			return worst
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// merge keeps the smallest margin and the largest of everything else.
func merge(worst, now []Value) []Value {
	for _, n := range now {
		found := false
		for i, w := range worst {
			if w.Metric != n.Metric || w.Entity != n.Entity {
				continue
			}
			found = true
			if strings.HasSuffix(n.Metric, "_margin") == (n.Value < w.Value) {
				worst[i] = n
			}
		}
		if !found {
			worst = append(worst, n)
		}
	}
	return worst
}
