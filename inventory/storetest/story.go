package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// Story writes one of everything into a record, in a fixed order, and tells
// done after each step that is committed. It can be stopped anywhere (by an
// error, or by SIGKILL) and begun again: like the product it looks first, and
// does what is not there yet. Its end is always the same (see State).
func Story(ctx context.Context, s inventory.Store, done func(step string)) error {
	ctx = inventory.WithCause(ctx, inventory.Cause{By: "ann", Via: "cli"})
	for _, step := range []struct {
		name string
		do   func(context.Context, inventory.Store) error
	}{
		{"people", storyPeople}, {"expect", storyExpect}, {"papers", storyPapers}, {"received", storyReceived}, {"request", storyRequest},
		{"finding", storyFinding}, {"hold", storyHold}, {"waiver", storyWaiver}, {"flash", storyFlash}, {"network", storyNetwork},
	} {
		err := step.do(ctx, s)
		for again := 0; errors.Is(err, inventory.ErrStale) && again < 20; again++ { // a slow machine lost its claim: drop everything, look again
			err = step.do(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		done(step.name)
	}
	return nil
}

// Steps are the names that a whole Story tells.
func Steps() []string {
	return []string{"people", "expect", "papers", "received", "request", "finding", "hold", "waiver", "flash", "network"}
}

// State is what a record holds after a Story, without what differs by nature
// (ids, times): two stories that ended are equal.
func State(ctx context.Context, s inventory.Store) (string, error) {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	all := inventory.Selector{Racks: []inventory.RackID{"A12"}}
	name := map[string]string{}
	for n, err := range s.Select(ctx, all) {
		if err != nil {
			return "", err
		}
		name[string(n.ID)] = n.Address
		add("node %s %s holds %v operation %v", n.Address, n.Milestone, n.Holds, n.Operation != nil)
		rows, err := s.Evidence(ctx, inventory.NodeSubject(n.ID))
		if err != nil {
			return "", err
		}
		for _, e := range rows {
			add("evidence %s %s %s void %v", n.Address, e.Gate, e.Result, e.Void)
		}
		runs, err := s.ListRuns(ctx, inventory.NodeSubject(n.ID))
		if err != nil {
			return "", err
		}
		for _, r := range runs {
			batches, err := s.Batches(ctx, r.ID)
			if err != nil {
				return "", err
			}
			add("run %s %s %s batches %d", n.Address, r.Op, r.Outcome, len(batches))
		}
	}
	findings, err := s.Findings(ctx, all)
	for _, f := range findings {
		add("finding %s %s %s closed %v %s", name[string(f.Node)], f.Kind, f.Key, f.Closed, f.Disposition)
	}
	waivers, werr := s.Waivers(ctx, inventory.RackSubject("A12"))
	for _, w := range waivers {
		add("waiver %s %s asked %s approved %s", name[w.Subject.ID], w.Gate, w.Requester, w.Approver)
	}
	requests, rerr := s.Requests(ctx, inventory.RackSubject("A12"))
	for _, r := range requests {
		add("request %s %s %s lines %d", r.Key, r.Op, r.State, len(r.Lines))
	}
	locks, lerr := s.Locks(ctx)
	bound, berr := s.Bound(ctx, storySubnet)
	refs, ferr := s.Refs(ctx, inventory.DocBaseline)
	add("locks %d bindings %d refs %d", len(locks), len(bound), len(refs))
	slices.Sort(out)
	return strings.Join(out, "\n"), errors.Join(err, werr, rerr, lerr, berr, ferr)
}

func storyPeople(ctx context.Context, s inventory.Store) error {
	for _, id := range []inventory.PersonID{"ann", "bob"} {
		if err := s.SavePerson(ctx, inventory.Person{ID: id, Name: string(id), Grants: []inventory.Grant{{Role: inventory.RoleAdmin}}}); err != nil {
			return err
		}
	}
	return s.SaveToken(ctx, inventory.Token{Hash: inventory.DigestOf([]byte("token")), Person: "ann", Until: time.Now().Add(time.Hour)})
}

func storyExpect(ctx context.Context, s inventory.Store) error {
	m, err := manifest(ctx, s, "A12", "doc-1")
	if err != nil {
		return err
	}
	return s.Expect(ctx, m, "ann")
}

func storyPapers(ctx context.Context, s inventory.Store) error {
	d, err := s.Put(ctx, inventory.DocBaseline, []byte(`{"baseline":"x@1"}`))
	if err != nil {
		return err
	}
	if _, err := s.Ref(ctx, inventory.DocBaseline, "x@1"); errors.Is(err, inventory.ErrNotFound) {
		if _, err := s.SetRef(ctx, inventory.Ref{Kind: inventory.DocBaseline, Name: "x@1", Digest: d}); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if _, _, err := s.Sealed(ctx, "bmc/A12/C01"); errors.Is(err, inventory.ErrNotFound) {
		return s.Seal(ctx, "bmc/A12/C01", []byte("sealed"), 0)
	} else if err != nil {
		return err
	}
	return nil
}

func storyReceived(ctx context.Context, s inventory.Store) error {
	n, err := s.Node(ctx, "A12/C01")
	if err != nil || n.Milestone != inventory.NodeExpected {
		return err
	}
	for _, gate := range []inventory.Gate{lifecycle.GateIdentityLabel, lifecycle.GateDisposition} {
		rows, err := s.Evidence(ctx, inventory.NodeSubject(n.ID))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(rows, func(e inventory.Evidence) bool { return e.Gate == gate }) {
			continue
		}
		if _, err := s.File(ctx, inventory.Evidence{Subject: inventory.NodeSubject(n.ID), Gate: gate, Result: inventory.ResultPass, Producer: inventory.ByChecklist, By: "ann", At: time.Now()}); err != nil {
			return err
		}
	}
	c, err := storyClaim(ctx, s, inventory.NodeSubject(n.ID))
	if err != nil {
		return err
	}
	return s.Apply(ctx, c, inventory.Change{Event: &inventory.Event{Kind: inventory.EventReceived}})
}

func storyRequest(ctx context.Context, s inventory.Store) error {
	_, err := s.Ask(ctx, inventory.Request{Key: "once", Op: inventory.OpSweep, On: inventory.Selector{Racks: []inventory.RackID{"A12"}}, By: "ann", State: inventory.RequestAccepted})
	return err
}

// storyFinding reads a node short of a part, and then whole: the finding closes
// itself.
func storyFinding(ctx context.Context, s inventory.Store) error {
	n, err := s.Node(ctx, "A12/C02")
	if err != nil {
		return err
	}
	before, err := s.Findings(ctx, inventory.Selector{Nodes: []inventory.NodeID{n.ID}})
	if err != nil {
		return err
	}
	if len(before) == 0 {
		short, err := reading(ctx, s, n)
		if err != nil {
			return err
		}
		short.Components[0].State = inventory.StateAbsent
		if _, err := s.Observe(ctx, short); err != nil {
			return err
		}
	} else if before[0].Closed {
		return nil
	}
	good, err := reading(ctx, s, n)
	if err != nil {
		return err
	}
	_, err = s.Observe(ctx, good)
	return err
}

func storyHold(ctx context.Context, s inventory.Store) error {
	n, err := s.Node(ctx, "A12/C02")
	if err != nil || n.Held(inventory.HoldMaintenance) {
		return err
	}
	return s.Hold(ctx, inventory.NodeSubject(n.ID), inventory.Hold{Name: inventory.HoldMaintenance, Reason: "new fan", By: "ann", Since: time.UnixMilli(0)})
}

func storyWaiver(ctx context.Context, s inventory.Store) error {
	n, err := s.Node(ctx, "A12/C01")
	if err != nil {
		return err
	}
	w := inventory.Waiver{Gate: lifecycle.GateBOM, Subject: inventory.NodeSubject(n.ID), Reason: "agreed by mail", Requester: "ann", Until: time.Now().Add(time.Hour)}
	all, err := s.Waivers(ctx, inventory.RackSubject("A12"))
	if err != nil {
		return err
	}
	if len(all) > 0 {
		w = all[0]
	} else if w.ID, err = s.Waive(ctx, w); err != nil {
		return err
	}
	if w.Approver != "" {
		return nil
	}
	w.Approver = "bob"
	_, err = s.Waive(ctx, w)
	return err
}

var storySubnet = netip.MustParsePrefix("10.0.0.0/24")

func storyNetwork(ctx context.Context, s inventory.Store) error {
	h := inventory.Hint{MAC: "02:00:00:00:00:01"}
	if _, err := s.Confirm(ctx, inventory.Binding{Hint: h, Addr: netip.MustParseAddr("10.0.0.5"), Subnet: storySubnet, Until: time.Now().Add(time.Hour)}); err != nil {
		return err
	}
	if err := s.Redeem(ctx, inventory.DigestOf([]byte("boot")), h); err != nil && !errors.Is(err, inventory.ErrConflict) {
		return err
	}
	return s.Sight(ctx, inventory.Sighting{Hint: h, Class: "uefi"})
}
