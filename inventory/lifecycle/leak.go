package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Standing are the gates that stay asked for after the milestone they opened:
// water does not care how far a node has come. They guard every milestone after
// discovered up to accepted; later the BMC is the customer's, and its password
// may be another one.
func Standing(m inventory.Milestone, f Facts) []GateResult {
	if Rank(m) <= Rank(inventory.NodeDiscovered) || Rank(m) > Rank(inventory.NodeAccepted) {
		return nil
	}
	return []GateResult{judge(leakSpec(), inventory.NodeSubject(f.Node.ID), f)}
}

func leakSpec() Spec {
	s, _ := Find(GateLeak, false) // the table has it: TestLeakStands
	return s
}

// Clear says why a safety latch may not be lifted yet (lifecycle.md §5: the
// sensor must read clear), or nil. A node's detectors must have read dry after
// it was latched; a rack's members must be unlatched and read dry last. Where
// nothing was ever read the person who lifts it answers for it.
func Clear(on inventory.Subject, since time.Time, f Facts) error {
	for _, n := range f.Nodes {
		if n.Milestone == inventory.NodeHandedOver || n.Milestone == inventory.NodeRetired {
			continue
		}
		var err error
		switch f.Node = n; {
		case on == inventory.NodeSubject(n.ID):
			err = dry(since, f)
		case n.Milestone == inventory.NodeRepair && on.Scope == inventory.ScopeRack: // it has left the rack, and holds up nobody in it
		case on.Scope == inventory.ScopeRack && n.Held(inventory.HoldSafetyLatch):
			err = fmt.Errorf("%s is latched itself; lift that first: %w", n.Address, inventory.ErrConflict)
		case on.Scope == inventory.ScopeRack:
			err = dry(time.Time{}, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dry: the newest leak reading of a node passes, and was made after since.
func dry(since time.Time, f Facts) error {
	on := inventory.NodeSubject(f.Node.ID)
	if !slices.ContainsFunc(f.Evidence, func(e inventory.Evidence) bool { return leakRow(e, on) }) {
		return nil
	}
	const again = "look at the tray, read it again (rackwright start sweep %s), then lift"
	e, ok := newest(GateLeak, inventory.ByMachine, on, f)
	switch {
	case ok && e.Result != inventory.ResultPass:
		return fmt.Errorf("the leak detectors of %s do not read dry (%s: %s); "+again+": %w", f.Node.Address, e.Result, e.Detail, f.Node.Address, inventory.ErrConflict)
	case !ok || !e.At.After(since):
		return fmt.Errorf("the leak detectors of %s have not been read since it was latched; "+again+": %w", f.Node.Address, f.Node.Address, inventory.ErrConflict)
	}
	return nil
}

func leakRow(e inventory.Evidence, on inventory.Subject) bool {
	return e.Gate == GateLeak && e.Subject == on && e.Producer == inventory.ByMachine
}

// leakKnown: a machine has read a leak on this node.
func leakKnown(on inventory.Subject, f Facts) bool {
	return slices.ContainsFunc(f.Evidence, func(e inventory.Evidence) bool {
		return leakRow(e, on) && !e.Void && e.Result == inventory.ResultFail
	})
}

// LeakCounts reports whether the law asks a machine about leaks of f.Node: its
// rack type says so, or a machine has read a leak there whatever that says, or it
// or its rack carries a latch that only a dry reading lifts.
func LeakCounts(f Facts) bool {
	on := inventory.NodeSubject(f.Node.ID)
	by, _ := ProducerOf(leakSpec(), f.Type, f.Node.Kind)
	return by == inventory.ByMachine || leakKnown(on, f) ||
		(f.Node.Held(inventory.HoldSafetyLatch) || f.Rack.Held(inventory.HoldSafetyLatch)) && slices.ContainsFunc(f.Evidence, func(e inventory.Evidence) bool { return leakRow(e, on) })
}

// Leaky is the blocker of a node that leaks by the newest reading, or whose
// detectors cannot be read: nothing is begun on it, and nobody powers it on.
func Leaky(f Facts) []inventory.Blocker {
	on := inventory.NodeSubject(f.Node.ID)
	if e, ok := newest(GateLeak, inventory.ByMachine, on, f); !ok || e.Result == inventory.ResultPass || !LeakCounts(f) {
		return nil
	}
	return blockers([]GateResult{judge(leakSpec(), on, f)}, f.Node.Address)
}

// Leaked are the readings of a leak among evidence, void ones included, oldest
// first: a certificate prints them.
func Leaked(rows []inventory.Evidence) []inventory.Evidence {
	var out []inventory.Evidence
	for _, e := range rows {
		if e.Gate == GateLeak && e.Result == inventory.ResultFail && e.Producer == inventory.ByMachine {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b inventory.Evidence) int { return a.At.Compare(b.At) })
	return out
}
