package burnin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Ledger is the part of inventory.Store that burn-in reads and writes. It moves
// no milestone.
type Ledger interface {
	inventory.Reader
	inventory.Recorder
	inventory.Runs
	inventory.Documents
	inventory.Boots
}

// Book keeps runs in the record: it implements [Desk] for the agent's side and
// gives the conductor state and verdict. It holds nothing in memory, so every
// server of a site can answer any agent.
type Book struct {
	Store Ledger
	// Token is the boot token of a machine, a run and a boot attempt (pxe.BootToken).
	Token func(inventory.Hint, inventory.RunID, int) inventory.Secret
}

// Redeem implements [Desk]. The token is marked as used last: whatever fails
// before leaves it good for another try.
func (b *Book) Redeem(ctx context.Context, token inventory.Secret, h Hello) (Assignment, error) {
	n, hint, err := b.who(ctx, token, h)
	if err != nil {
		return Assignment{}, err
	}
	run := n.Operation.Boot.Run
	if run == "" {
		run = n.Operation.Run
	}
	o := h.Observation
	o.Simulated = o.Simulated || h.Simulated
	if err := b.record(ctx, n, o); err != nil {
		return Assignment{}, err
	}
	a, err := b.assign(ctx, n, run, o.Components)
	if err != nil {
		return Assignment{}, err
	}
	hint.Boot = h.BootID // an answer may be lost; the same boot may ask again
	err = b.Store.Redeem(ctx, inventory.DigestOf([]byte(token.Reveal())), hint)
	if errors.Is(err, inventory.ErrConflict) {
		return Assignment{}, fmt.Errorf("node %s: %w", n.Address, ErrRedeemed)
	}
	return a, err
}

// who finds the node whose boot this token belongs to.
func (b *Book) who(ctx context.Context, token inventory.Secret, h Hello) (inventory.Node, inventory.Hint, error) {
	var hints []inventory.Hint
	for _, mac := range h.MACs {
		hints = append(hints, inventory.Hint{MAC: mac, UUID: h.UUID}, inventory.Hint{MAC: mac})
	}
	hints = append(hints, inventory.Hint{UUID: h.UUID})
	known := false
	for _, hint := range hints {
		n, err := b.Store.Find(ctx, hint)
		if errors.Is(err, inventory.ErrNotFound) {
			continue
		}
		if err != nil {
			return inventory.Node{}, hint, err
		}
		known = true
		if n.Operation == nil || n.Operation.Boot == nil {
			continue
		}
		run := n.Operation.Boot.Run
		if run == "" {
			run = n.Operation.Run
		}
		want := b.Token(hint, run, n.Operation.Boot.Attempt).Reveal()
		if want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(token.Reveal())) == 1 {
			return n, hint, nil
		}
	}
	if !known {
		return inventory.Node{}, inventory.Hint{}, fmt.Errorf("agent on a machine that no node has (%v): %w", h.MACs, inventory.ErrNotFound)
	}
	return inventory.Node{}, inventory.Hint{}, fmt.Errorf("boot token fits no running operation of this machine: %w", inventory.ErrDenied)
}

// record stores the reading as it came and observes it in the record's words.
func (b *Book) record(ctx context.Context, n inventory.Node, o inventory.Observation) error {
	o.Node, o.Rack, o.Source = n.ID, n.Rack, inventory.SourceInband
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("in-band reading of %s: %w", n.Address, err)
	}
	if o.Raw, err = b.Store.Put(ctx, inventory.DocObservation, raw); err != nil {
		return fmt.Errorf("in-band reading of %s: %w", n.Address, err)
	}
	expected, observed, err := b.Store.Components(ctx, n.ID, inventory.At{})
	if err != nil {
		return err
	}
	if _, err := b.Store.Observe(ctx, Align(o, append(observed, expected...))); err != nil {
		return fmt.Errorf("in-band reading of %s: %w", n.Address, err)
	}
	return nil
}

// Observe implements [Desk].
func (b *Book) Observe(ctx context.Context, run inventory.RunID, o inventory.Observation) error {
	_, n, err := b.open(ctx, run)
	if err != nil {
		return err
	}
	return b.record(ctx, n, o)
}

// open reads a run that has not ended, and its node.
func (b *Book) open(ctx context.Context, run inventory.RunID) (inventory.Run, inventory.Node, error) {
	r, err := b.Store.Run(ctx, run)
	if err != nil {
		return r, inventory.Node{}, err
	}
	if !r.Ended.IsZero() || r.Subject.Scope != inventory.ScopeNode {
		return r, inventory.Node{}, fmt.Errorf("run %s of %s is over or no node's: %w", run, r.Subject, inventory.ErrNotFound)
	}
	n, err := b.Store.Node(ctx, inventory.NodeID(r.Subject.ID))
	return r, n, err
}

// assignmentName is the name under which the resolved plan of a run stands.
func assignmentName(run inventory.RunID) string { return "assignment/" + string(run) }

// Assignment implements [Desk].
func (b *Book) Assignment(ctx context.Context, run inventory.RunID) (Assignment, error) {
	if _, _, err := b.open(ctx, run); err != nil {
		return Assignment{}, err
	}
	return b.assigned(ctx, run)
}

// assigned reads what was assigned at the first hello.
func (b *Book) assigned(ctx context.Context, run inventory.RunID) (Assignment, error) {
	ref, err := b.Store.Ref(ctx, inventory.DocSamples, assignmentName(run))
	if err != nil {
		return Assignment{}, err
	}
	a := Assignment{Run: run, Digest: ref.Digest, Heartbeat: Span(Heartbeat)}
	raw, err := b.Store.Document(ctx, ref.Digest)
	if err != nil {
		return Assignment{}, fmt.Errorf("assignment of run %s: %w", run, err)
	}
	if err := json.Unmarshal(raw, &a.Profile); err != nil {
		return Assignment{}, fmt.Errorf("assignment of run %s: %w", run, err)
	}
	a.Next, err = b.next(ctx, run)
	return a, err
}

// assign resolves the plan once per run. A node that boots again within a run
// gets what it got before.
func (b *Book) assign(ctx context.Context, n inventory.Node, run inventory.RunID, inband []inventory.Component) (Assignment, error) {
	a, err := b.assigned(ctx, run)
	if err == nil || !errors.Is(err, inventory.ErrNotFound) {
		return a, err
	}
	p, err := b.plan(ctx, run)
	if err != nil {
		return Assignment{}, err
	}
	m, err := b.machine(ctx, n)
	if err != nil {
		return Assignment{}, err
	}
	m.Inband = inband
	resolved, err := Resolve(p, m)
	if err != nil {
		return Assignment{}, err
	}
	raw, err := resolved.JSON()
	if err != nil {
		return Assignment{}, err
	}
	digest, err := b.Store.Put(ctx, inventory.DocSamples, raw)
	if err != nil {
		return Assignment{}, fmt.Errorf("assignment of run %s: %w", run, err)
	}
	_, err = b.Store.SetRef(ctx, inventory.Ref{Kind: inventory.DocSamples, Name: assignmentName(run), Digest: digest})
	if err != nil && !errors.Is(err, inventory.ErrConflict) { // another server was first: its resolution counts
		return Assignment{}, fmt.Errorf("assignment of run %s: %w", run, err)
	}
	return b.assigned(ctx, run)
}

// plan reads the plan as written that the run was started with.
func (b *Book) plan(ctx context.Context, run inventory.RunID) (Profile, error) {
	r, err := b.Store.Run(ctx, run)
	if err != nil {
		return Profile{}, err
	}
	raw, err := b.Store.Document(ctx, r.Plan)
	if err != nil {
		return Profile{}, fmt.Errorf("burn-in plan of run %s: %w", run, err)
	}
	var p Profile
	if err := json.Unmarshal(raw, &p); err != nil {
		return Profile{}, fmt.Errorf("burn-in plan of run %s: %w", run, err)
	}
	return p, nil
}

func (b *Book) machine(ctx context.Context, n inventory.Node) (Machine, error) {
	var m Machine
	var err error
	if m.Expected, m.Observed, err = b.Store.Components(ctx, n.ID, inventory.At{}); err != nil {
		return m, err
	}
	if m.Expected, err = b.ordered(ctx, n, m); err != nil {
		return m, err
	}
	if n.Kind != inventory.KindCompute {
		return m, nil // the rack type's accelerator is its compute nodes'
	}
	rack, err := b.Store.Rack(ctx, n.Rack)
	if err != nil {
		return m, err
	}
	raw, err := b.Store.Document(ctx, rack.Type.Digest)
	if err != nil {
		return m, fmt.Errorf("rack type of %s: %w", n.Address, err)
	}
	var t inventory.RackType
	if err := json.Unmarshal(raw, &t); err != nil {
		return m, fmt.Errorf("rack type of %s: %w", n.Address, err)
	}
	m.Accelerator = t.Accelerator
	return m, nil
}

// ordered is what was ordered for the unit that stands in the slot. Two people
// may have accepted that it is another one's: then its own order counts.
func (b *Book) ordered(ctx context.Context, n inventory.Node, m Machine) ([]inventory.Component, error) {
	i := slices.IndexFunc(m.Observed, func(c inventory.Component) bool {
		return c.Kind == inventory.KindChassis && inventory.Usable(c.Serial) != ""
	})
	if i < 0 || inventory.Usable(n.Serial) == inventory.Usable(m.Observed[i].Serial) {
		return m.Expected, nil
	}
	for other, err := range b.Store.Select(ctx, inventory.Selector{Racks: []inventory.RackID{n.Rack}}) {
		if err != nil {
			return nil, err
		}
		if inventory.Usable(other.Serial) == inventory.Usable(m.Observed[i].Serial) {
			expected, _, err := b.Store.Components(ctx, other.ID, inventory.At{})
			return expected, err
		}
	}
	return m.Expected, nil
}
