package conductor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// Sweep reads a node's BMC: it makes the evidence of discovered and verified,
// and answers requests to read again. It changes nothing on the hardware.
//
// A BMC that wants its factory password changed before it shows anything is
// secured first, and only where the UUID it shows to everybody was ordered.
type Sweep struct {
	Store  Store
	Access *Access
	Secure *Secure
	// Blobs keeps what the BMC said word by word, under Observation.Raw.
	Blobs interface {
		Put(context.Context, io.Reader) (inventory.Digest, error)
	}
	Again time.Duration // a reading that did not open the gates is repeated after this; default 60 s
	// Leak is told at once of a node that leaks, before anything else is done.
	Leak func(context.Context, inventory.Node, time.Time, redfish.Sensed)
}

// Kind implements Maker.
func (*Sweep) Kind() inventory.OpKind { return inventory.OpSweep }

func (m *Sweep) again() time.Duration {
	if m.Again > 0 {
		return m.Again
	}
	return time.Minute
}

// Make implements Maker.
func (m *Sweep) Make(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	next, _ := lifecycle.After(t.Node.Milestone)
	o, err := m.Store.Observation(ctx, t.Node.ID, inventory.SourceRedfish)
	if err != nil && !errors.Is(err, inventory.ErrNotFound) {
		return Result{}, false, err
	}
	var r reading
	if errors.Is(err, inventory.ErrNotFound) || m.due(t, f, o) || next == inventory.NodeDiscovered && !judged(f, lifecycle.GateIdentity) {
		if r, err = m.read(ctx, t); err != nil {
			if errors.Is(err, errRotate) {
				return m.rotate(ctx, t, f)
			}
			return m.failed(ctx, t, next, err)
		}
		o = r.o
		if f, err = facts.Node(ctx, m.Store, t.Node.ID, time.Now()); err != nil { // the reading may have moved it
			return Result{}, false, err
		}
		t.Node, t.Members = f.Node, f.Nodes
		next, _ = lifecycle.After(t.Node.Milestone)
	}
	if err := m.file(ctx, t, f, o, r, next); err != nil {
		return Result{}, false, err
	}
	line := inventory.RequestLine{Result: lineOK, Detail: fmt.Sprintf("%d parts, %d faults", len(o.Components), len(o.Faults))}
	if err := Answered(ctx, m.Store, t, inventory.OpSweep, line); err != nil {
		return Result{}, false, err
	}
	if f, err = facts.Node(ctx, m.Store, t.Node.ID, time.Now()); err != nil {
		return Result{}, false, err
	}
	if machineShut(next, f) && (next == inventory.NodeDiscovered || next == inventory.NodeVerified || leakShut(next, f)) {
		return Result{Change: inventory.Change{Blockers: lifecycle.Gate(next, f)}, Wait: m.again(), Reason: "the reading does not open " + string(next)}, false, nil
	}
	return Result{}, true, nil
}

// due: somebody asked after the last reading, or the gates stayed shut and the
// reading has grown old.
func (m *Sweep) due(t Turn, f lifecycle.Facts, o inventory.Observation) bool {
	for _, req := range t.Asked {
		if req.Op == inventory.OpSweep && o.At.Before(req.At) {
			return true
		}
	}
	next, _ := lifecycle.After(t.Node.Milestone)
	again := m.again()
	if leakShut(next, f) && watched(t.Node) {
		again *= leakAgain // the watch reads its detectors all the while
	}
	return time.Since(o.At) >= again && machineShut(next, f) && wanted(t, inventory.OpSweep)
}

// leakAgain is how much more seldom a whole BMC is read for its leak gate alone.
const leakAgain = 10

func judged(f lifecycle.Facts, g inventory.Gate) bool {
	_, ok := last(f.Evidence, g, inventory.NodeSubject(f.Node.ID))
	return ok
}

// reading is what one turn has read: leaks first, and when that began.
type reading struct {
	o     inventory.Observation
	leaks found
	at    time.Time
}

// read finds the BMC, reads all of it and stores what it said; the endpoint is
// bound as it was found, with the key it showed.
func (m *Sweep) read(ctx context.Context, t Turn) (reading, error) {
	var r reading
	long, stop := t.Extend(ctx)
	defer stop()
	e, ordered, err := m.Access.find(long, t)
	if err != nil {
		return r, err
	}
	bmc, err := m.Access.dial(long, e, nil)
	if err != nil {
		return r, err
	}
	defer bmc.Close()
	if bmc.PasswordChangeRequired() {
		if !ordered {
			return r, fmt.Errorf("%w: it wants its password changed first, and nobody ordered the UUID it shows", redfish.ErrAuth)
		}
		if err := m.Store.Bind(long, t.Node.ID, e); err != nil {
			return r, err
		}
		return r, errRotate
	}
	if err := m.sense(long, t, &e, bmc, &r); err != nil {
		return r, err
	}
	o, raw, err := bmc.ObserveRaw(long)
	if err != nil {
		return r, err
	}
	if o.Raw, err = m.Blobs.Put(long, bytes.NewReader(raw)); err != nil {
		return r, err
	}
	o.Node, o.Rack, o.Simulated = t.Node.ID, t.Rack.ID, o.Simulated || e.Simulated
	e.Simulated, r.o = o.Simulated, o
	if err := m.Store.Bind(long, t.Node.ID, e); err != nil {
		return r, err
	}
	_, err = m.Store.Observe(long, o)
	return r, err
}

// sense reads the alarms before the long rest: a leak is acted on at once, also
// when the BMC fell silent after it. What was handed over is never touched, and
// nothing read later is evidence about it.
func (m *Sweep) sense(ctx context.Context, t Turn, e *inventory.Endpoint, bmc *redfish.BMC, r *reading) error {
	r.at = time.Now()
	read, err := bmc.Alarms(ctx, e.Detectors)
	seen := judgeLeaks(read, e.Detectors)
	if t.Node.Milestone == inventory.NodeHandedOver {
		return err
	}
	if seen.result == inventory.ResultFail && m.Leak != nil {
		n := t.Node
		n.BMC = *e
		m.Leak(ctx, n, r.at, read)
	}
	if err == nil {
		e.Detectors = max(e.Detectors, read.Detectors)
	}
	r.leaks = seen
	return err
}

// errRotate: the BMC shows nothing until its password is changed.
var errRotate = errors.New("the BMC wants its password changed first")

// rotate secures a BMC before it can be read.
func (m *Sweep) rotate(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	if b, held := forbidden(t, inventory.OpSecure); held { // who asked for a reading is answered, or it would be asked again at once
		line := inventory.RequestLine{Result: lineRefused, Detail: inventory.Sentence(b.Fix, b.Args)}
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{b}}, Wait: m.again()}, false, Answered(ctx, m.Store, t, inventory.OpSweep, line)
	}
	n, err := m.Store.Node(ctx, t.Node.ID)
	if err != nil {
		return Result{}, false, err
	}
	t.Node = n
	r, done, err := m.Secure.start(ctx, t, f)
	if done && err == nil { // it cannot be secured now: come back later, not at once
		line := inventory.RequestLine{Result: lineFailed, Detail: "its password must be changed first, and cannot be now"}
		r.Wait, done, err = m.again(), false, Answered(ctx, m.Store, t, inventory.OpSweep, line)
	}
	return r, done, err
}

// file turns an observation into evidence of the next milestone, and what was
// read of leaks in this turn, if anything was, into that of the leak gate.
func (m *Sweep) file(ctx context.Context, t Turn, f lifecycle.Facts, o inventory.Observation, now reading, next inventory.Milestone) error {
	var results []found
	if now.leaks.gate != "" {
		results = append(results, now.leaks)
	}
	switch {
	case next == inventory.NodeDiscovered && now.leaks.gate != "":
		results = append(results, judgeDiscovered(t.Node, t.Members, o)...)
	case next == inventory.NodeVerified:
		want, _, err := m.Store.Components(ctx, t.Node.ID, inventory.At{})
		if err != nil {
			return err
		}
		results = append(results, judgeVerified(f, o, want)...)
	}
	if len(results) == 0 {
		return nil
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("reading of %s: %w", t.Node.Address, err)
	}
	doc, err := m.Store.Put(ctx, inventory.DocObservation, raw)
	if err != nil {
		return err
	}
	print := inventory.Fingerprint(o.Components)
	asked := lifecycle.GateResults(next, f)
	for _, r := range results {
		counts := slices.ContainsFunc(asked, func(g lifecycle.GateResult) bool { return g.Gate == r.gate && g.Producer == inventory.ByMachine })
		if r.gate == lifecycle.GateLeak {
			counts = lifecycle.LeakCounts(f) || r.result == inventory.ResultFail
		}
		if !counts {
			continue // the rack type gives this gate to a person, or declares it not applicable
		}
		e := inventory.Evidence{Subject: t.Subject(), Gate: r.gate, Result: r.result, Producer: inventory.ByMachine, Document: doc, Fingerprint: print,
			At: time.Now(), By: "rackwright/sweep", Detail: r.detail, Simulated: o.Simulated}
		if r.gate == lifecycle.GateLeak { // a latch is lifted on a reading that began after it
			e.At, e.Age = time.Time{}, time.Since(now.at)
		}
		if _, err := file(ctx, m.Store, f, e); err != nil {
			return err
		}
	}
	return nil
}

// failed says who must act when a BMC could not be read, and answers whoever
// asked for the reading.
func (m *Sweep) failed(ctx context.Context, t Turn, next inventory.Milestone, cause error) (Result, bool, error) {
	gate := lifecycle.GateIdentity
	if next != inventory.NodeDiscovered {
		gate = ""
	}
	b, err := trouble(t, gate, cause)
	if err != nil {
		return Result{}, false, err
	}
	if err := Answered(ctx, m.Store, t, inventory.OpSweep, inventory.RequestLine{Result: lineFailed, Detail: cause.Error()}); err != nil {
		return Result{}, false, err
	}
	return Result{Change: inventory.Change{Blockers: []inventory.Blocker{*b}}, Wait: m.again(), Reason: cause.Error()}, false, nil
}
