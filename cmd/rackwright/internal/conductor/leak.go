package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// leakReason begins the reason of a latch that a leak set.
const leakReason = "leak: "

func leakLatch(h inventory.Hold) bool {
	return h.Name == inventory.HoldSafetyLatch && strings.HasPrefix(h.Reason, leakReason)
}

// look looks at one node, as the record has it now: others were looked at since
// the list was read, and its password may be another one.
func (s *Safety) look(ctx context.Context, n inventory.Node) {
	ctx, cancel := context.WithTimeout(ctx, watchAnswer)
	defer cancel()
	ask, done := context.WithTimeout(ctx, watchRecord)
	now, err := s.Store.Node(ask, n.ID)
	done()
	switch {
	case err != nil: // what n says of a power-off may be long past
		n.Holds = slices.DeleteFunc(slices.Clone(n.Holds), unended)
	case !watched(now):
		return
	default:
		n = now
	}
	s.Inspect(ctx, n)
}

// Inspect reads the leak detectors of a node and does what they ask for.
func (s *Safety) Inspect(ctx context.Context, n inventory.Node) {
	s.inspect(redfish.Urgent(ctx), n, time.Now(), redfish.Sensed{Detectors: n.BMC.Detectors})
}

// Leak is told of alarms that another reading has met, whether the node is
// watched or not. They count as the first reading: a BMC that falls silent after
// it takes nothing back.
func (s *Safety) Leak(ctx context.Context, n inventory.Node, at time.Time, read redfish.Sensed) {
	s.inspect(redfish.Urgent(ctx), n, at, read)
}

func (s *Safety) inspect(ctx context.Context, n inventory.Node, at time.Time, read redfish.Sensed) {
	seen := judgeLeaks(read, n.BMC.Detectors)
	leaks := seen.result == inventory.ResultFail
	bmc, err := s.Open(ctx, n.BMC)
	switch {
	case err != nil && leaks:
		s.act(context.WithoutCancel(ctx), nil, n, at, seen, read)
		return
	case err != nil:
		s.unseen(ctx, n, at, err)
		return
	}
	defer bmc.Close()
	if !leaks {
		read, err = bmc.Leaks(ctx, n.BMC.Detectors)
		if seen = judgeLeaks(read, n.BMC.Detectors); seen.result != inventory.ResultFail {
			s.stayOff(ctx, bmc, n)
			if err != nil { // an error after a leak takes nothing back
				s.unseen(ctx, n, at, err)
				return
			}
		}
	}
	switch seen.result {
	case inventory.ResultUnjudged:
		s.unseen(ctx, n, at, errors.New(seen.detail))
	case inventory.ResultPass:
		s.dry(ctx, bmc, n, at, seen, read)
	default:
		if s.believed(ctx, bmc, n, at, seen) {
			s.act(context.WithoutCancel(ctx), bmc, n, at, seen, read) // neither the time of the reading nor the end of this process stops what must be done now
		} else {
			s.file(ctx, n, at, seen, read) // what was read is on record, and shuts the gate until the next look
		}
	}
}

// dry files a dry reading and makes ready for the next one.
func (s *Safety) dry(ctx context.Context, bmc Watched, n inventory.Node, at time.Time, seen found, read redfish.Sensed) {
	var hostless time.Time
	s.post(n.ID, func(p *post) { p.state, p.blind, p.said, hostless = seen.result, time.Time{}, false, p.hostless })
	s.learn(ctx, n, read.Detectors)
	s.file(ctx, n, at, seen, read)
	if time.Since(hostless) < watchFlap { // a tree that still fills shows no host either
		return
	}
	switch err := bmc.ReadyOff(ctx); {
	case errors.Is(err, redfish.ErrUnsupported):
		s.post(n.ID, func(p *post) { p.hostless = time.Now() })
	case err != nil:
		s.Log.Warn("how this host is powered off could not be looked up; it is tried at the next look", "node", n.Address, "err", err)
	}
}

// learn remembers the most detectors that a BMC has listed.
func (s *Safety) learn(ctx context.Context, n inventory.Node, detectors int) {
	if detectors <= n.BMC.Detectors {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchRecord)
	defer cancel()
	now, err := s.Store.Node(ctx, n.ID)
	if err == nil && now.BMC.Pin == n.BMC.Pin && now.BMC.Detectors < detectors {
		now.BMC.Detectors = detectors
		err = s.Store.Bind(ctx, n.ID, now.BMC)
	}
	if err != nil {
		s.Log.Error("how many leak detectors a BMC lists could not be recorded; it is tried at the next look", "node", n.Address, "err", err)
	}
}

// believed: a single reading may be a glitch. One that is read again, that cannot
// be read again, or that came back within watchFlap is a leak.
func (s *Safety) believed(ctx context.Context, bmc Watched, n inventory.Node, at time.Time, seen found) bool {
	repeat, done := context.WithTimeout(ctx, watchRepeat)
	again, err := bmc.Leaks(repeat, n.BMC.Detectors)
	done()
	if err != nil || judgeLeaks(again, n.BMC.Detectors).result != inventory.ResultPass {
		return true
	}
	flaps := false
	s.post(n.ID, func(p *post) {
		flaps = !p.once.IsZero() && at.Sub(p.once) < watchFlap
		p.once = at
	})
	if !flaps {
		s.Log.Warn("a leak was read once and not again", "node", n.Address, "sensor", seen.detail)
	}
	return flaps
}

// Ends of a latch's reason, which say how the power stands.
const (
	hostOff  = "its host is off"
	underWay = "its power-off is under way"
)

// act: power off first. Latch and evidence do not wait for a BMC that is slow to
// answer: the latch ends what runs.
func (s *Safety) act(ctx context.Context, bmc Watched, n inventory.Node, at time.Time, seen found, read redfish.Sensed) {
	s.Log.Error("LEAK", "node", n.Address, "sensor", seen.detail)
	s.post(n.ID, func(p *post) { p.state, p.blind, p.said = inventory.ResultFail, time.Time{}, false })
	result := make(chan string, 1)
	go func() { result <- powerOff(ctx, bmc) }()
	first, reading := s.first(n, at, seen, read)
	s.promise(append(first, reading)...)
	how, over := underWay, false
	select {
	case how = <-result:
		over = true
	case <-time.After(watchConfirm):
	}
	said := s.latch(ctx, n, seen, how)
	s.escalate(ctx, n)
	s.pay(ctx, reading)
	for _, d := range first { // what has not been replaced is not called for
		s.drop(d)
	}
	was := how
	if !over {
		how = <-result
	}
	if how == hostOff {
		if off, known := isOff(ctx, bmc); known && !off { // a power-on was on its way when the latch fell
			how, was = powerOff(ctx, bmc), ""
		}
	}
	if how != was {
		n.Holds = []inventory.Hold{{Name: inventory.HoldSafetyLatch, Reason: said}}
		s.latch(ctx, n, seen, how)
	}
	s.post(n.ID, func(p *post) { p.acted = time.Now() })
	s.Log.Error("LEAK", "node", n.Address, "power", how)
}

// first is what is on disk before anything is asked of the record: a server that
// is killed at any moment after it read a leak leaves latches and reading behind.
func (s *Safety) first(n inventory.Node, at time.Time, seen found, read redfish.Sensed) (latches []*due, reading *due) {
	if !n.Held(inventory.HoldSafetyLatch) {
		latches = append(latches, latchDue(inventory.NodeSubject(n.ID), at, latchFor(seen, underWay)))
	}
	if alone(n) {
		latches = append(latches, latchDue(inventory.RackSubject(n.Rack), at, rackReason(n.Address)))
	}
	reading = leakDue(inventory.NodeSubject(n.ID), at, seen, read)
	for _, d := range append(latches, reading) {
		d.kept = true
	}
	return latches, reading
}

// latchFor is the reason of a latch: what was seen, and how the power stands.
func latchFor(seen found, how string) string {
	return leakReason + strings.TrimPrefix(seen.detail, "leak ") + "; " + how
}

// latch holds a node with what was seen and done; one that is latched already is
// only held anew when its power tells another story now.
func (s *Safety) latch(ctx context.Context, n inventory.Node, seen found, how string) (reason string) {
	reason = latchFor(seen, how)
	for _, h := range n.Holds {
		ours := leakLatch(h) && h.By == ""
		told := strings.HasSuffix(h.Reason, hostOff) == (how == hostOff) && !unended(h)
		if h.Name == inventory.HoldSafetyLatch && (!ours || told) {
			return h.Reason
		}
	}
	s.hold(ctx, inventory.NodeSubject(n.ID), reason)
	return reason
}

// unseen: a BMC, or a detector of it, cannot be read. After longer than a flash
// explains, and at once where it refuses us, that is said and shuts the gate:
// what nobody reads is not dry.
func (s *Safety) unseen(ctx context.Context, n inventory.Node, at time.Time, cause error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // we are ending, not the BMC
	}
	refused := errors.Is(cause, redfish.ErrAuth) || errors.Is(cause, redfish.ErrLocked)
	long, say := false, false
	var since time.Time
	s.post(n.ID, func(p *post) {
		if p.blind.IsZero() {
			p.blind = at
		}
		since = p.blind
		if p.state == inventory.ResultPass {
			p.state = "" // it was dry; nobody knows what it is
		}
		long = refused || time.Since(since) > watchBlind
		say = long && !p.said
		p.said = p.said || long
	})
	if say {
		s.Log.Warn("the leak detectors of this node are not watched", "node", n.Address, "since", since.UTC().Format(time.RFC3339), "err", cause)
	}
	if long {
		s.file(ctx, n, at, found{lifecycle.GateLeak, inventory.ResultUnjudged, blindness(cause)}, redfish.Sensed{})
	}
}

// blindness is why detectors cannot be read, without the address of the BMC: a
// certificate leaves that out.
func blindness(err error) string {
	var e *redfish.Error
	switch {
	case errors.Is(err, redfish.ErrAuth), errors.Is(err, redfish.ErrLocked):
		return "its BMC refuses the sealed password"
	case errors.Is(err, redfish.ErrPin):
		return "another key answers in place of its BMC"
	case errors.Is(err, redfish.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return "its BMC does not answer"
	case errors.As(err, &e):
		return "its BMC gives no reading of them"
	}
	return err.Error()
}

// file makes evidence of a look where it differs from what the record says.
func (s *Safety) file(ctx context.Context, n inventory.Node, at time.Time, seen found, read redfish.Sensed) {
	fresh := false
	s.post(n.ID, func(p *post) {
		fresh = p.filed == seen.result && p.checked.After(n.Since) && time.Since(p.checked) < watchRecheck
	})
	if fresh && !n.Held(inventory.HoldSafetyLatch) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchRecord) // a slow BMC leaves no time
	defer cancel()
	if err := s.evidence(ctx, n.ID, at, seen, read); err != nil {
		s.Log.Error("what the leak detectors say could not be recorded; it is tried at the next look", "node", n.Address, "err", err)
	}
}

// evidence files a result of the leak gate unless the newest is the same. After a
// latch a dry reading is filed in any case: lifting it asks for one.
func (s *Safety) evidence(ctx context.Context, id inventory.NodeID, at time.Time, seen found, read redfish.Sensed) error {
	f, err := facts.Node(ctx, s.Store, id, time.Now())
	if err != nil {
		return err
	}
	if !stale(f, seen) {
		s.post(id, func(p *post) { p.filed, p.checked = seen.result, time.Now() })
		return nil
	}
	raw, err := json.Marshal(map[string]any{"at": at.UTC(), "alarms": read.Alarms, "detectors": read.Detectors, "detail": seen.detail})
	if err != nil {
		return fmt.Errorf("leak reading of %s: %w", f.Node.Address, err)
	}
	doc, err := s.Store.Put(ctx, inventory.DocObservation, raw)
	if err != nil {
		return err
	}
	_, parts, err := s.Store.Components(ctx, id, inventory.At{})
	if err != nil {
		return err
	}
	if _, err := s.Store.File(ctx, inventory.Evidence{Subject: inventory.NodeSubject(id), Gate: seen.gate, Result: seen.result, Producer: inventory.ByMachine, Document: doc,
		Fingerprint: inventory.Fingerprint(parts), Age: time.Since(at), By: "rackwright/watch", Detail: seen.detail, Simulated: f.Node.Simulated || f.Node.BMC.Simulated}); err != nil {
		return err
	}
	s.post(id, func(p *post) { p.filed, p.checked = seen.result, time.Now() })
	return nil
}

// stale: the law asks a machine about leaks, and its newest evidence says
// something else, or says dry from before the latch. A leak is written down
// whatever the rack type says. The record orders what is filed by its own clock.
func stale(f lifecycle.Facts, seen found) bool {
	if !lifecycle.LeakCounts(f) && seen.result != inventory.ResultFail {
		return false
	}
	people := func(e inventory.Evidence) bool { return e.Producer != inventory.ByMachine }
	e, ok := last(slices.DeleteFunc(slices.Clone(f.Evidence), people), seen.gate, inventory.NodeSubject(f.Node.ID))
	if !ok || e.Result != seen.result {
		return true
	}
	return seen.result == inventory.ResultPass && slices.ContainsFunc(f.Node.Holds, func(h inventory.Hold) bool {
		return h.Name == inventory.HoldSafetyLatch && !e.At.After(h.Since)
	})
}
