package conductor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/pxe"
	"github.com/rackwright/rackwright/redfish"
)

// wait waits for the agent's first word. A boot that brings none is repeated
// twice; then the run is judged as it stands, which is unjudged. A boot that
// began before this process did proves nothing about the machine: nobody may
// have answered it. It is repeated and not counted, once a process.
func (m *Burn) wait(ctx context.Context, t Turn, op inventory.Operation, s burnState) (Result, bool, error) {
	state, err := m.Book.State(ctx, op.Run)
	if err != nil {
		return Result{}, false, err
	}
	if state.Assigned {
		op.Step, op.Detail, s.Next, s.Moved = burnTest, "agent is there", state.Next, time.Now()
		return keep(op, s, 0)
	}
	why, err := m.stalled(ctx, t.Node, s.Begun)
	if err != nil {
		return Result{}, false, err
	}
	boot := op.Boot.Attempt - s.Spared
	switch afterBoot(time.Now(), op.Boot.Until, s.Begun, m.here(op.Run), boot) {
	case bootGoesOn:
		op.Detail = then(fmt.Sprintf("waiting for the agent, boot %d of %d", boot, bootTries), why)
		return keep(op, s, m.Poll)
	case bootGivenUp:
		return m.judge(ctx, t, op, then(fmt.Sprintf("no agent spoke in %d boots", boot), why))
	case bootSpared:
		s.Spared++
		op.Deadline = op.Deadline.Add(m.Boot)
		op.Detail = "the server was away during the boot; booting again"
	case bootFailed:
		op.Detail = "no agent spoke in time; booting again"
		if s.Target == redfish.BootUefiHTTP {
			s.Target = redfish.BootPxe
		}
	}
	op.Boot.Attempt, op.Boot.Until = op.Boot.Attempt+1, time.Now().Add(m.Boot)
	op.Attempt++
	op.Step = burnOverride
	return keep(op, s, 0)
}

// then puts one sentence behind another; either may be empty.
func then(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return strings.TrimSuffix(first, ".") + ". " + second
}

// What follows from a boot that has brought no agent so far.
const (
	bootGoesOn  = "goes on"
	bootFailed  = "failed"   // the next one may do
	bootSpared  = "spared"   // this process was not there for all of it
	bootGivenUp = "given up" // it was the last
)

// afterBoot decides: until is the end of the boot's time, begun when it was
// asked for, here since when this process looks, boot its number among those
// that count.
func afterBoot(now, until, begun, here time.Time, boot int) string {
	switch {
	case now.Before(until):
		return bootGoesOn
	case here.After(begun):
		return bootSpared
	case boot >= bootTries:
		return bootGivenUp
	}
	return bootFailed
}

// here is when this process first looked at a run.
func (m *Burn) here(run inventory.RunID) time.Time {
	first, _ := m.looked.LoadOrStore(run, time.Now())
	return first.(time.Time)
}

// stalled says where a boot that began then stopped, and what to look at; empty
// while it goes on.
func (m *Burn) stalled(ctx context.Context, n inventory.Node, since time.Time) (string, error) {
	w := pxe.Watched{Node: n, PowerOn: since, Now: time.Now()}
	for _, mac := range n.MACs {
		lines, err := m.Boots.Lines(ctx, inventory.Hint{MAC: mac}, since)
		if err != nil {
			return "", err
		}
		w.Lines = append(w.Lines, lines...)
	}
	slices.SortStableFunc(w.Lines, func(a, b inventory.BootLine) int { return a.At.Compare(b.At) })
	return pxe.Diagnose(w), nil
}

// test follows the run until its end is stored. Silence beyond the step's own
// time is unjudged, never a fail.
func (m *Burn) test(ctx context.Context, t Turn, op inventory.Operation, s burnState) (Result, bool, error) {
	state, err := m.Book.State(ctx, op.Run)
	if err != nil {
		return Result{}, false, err
	}
	if state.Ended {
		return m.judge(ctx, t, op, "")
	}
	if state.Next != s.Next {
		s.Next, s.Moved = state.Next, time.Now()
	}
	heard := s.Moved
	if here := m.here(op.Run); here.After(heard) {
		heard = here // nobody was here to hear it: the agent works on and sends again
	}
	if at, ok := m.Heard(op.Run); ok && at.After(heard) {
		heard = at
	}
	if silent := time.Since(heard); silent > m.Heartbeat {
		return m.judge(ctx, t, op, fmt.Sprintf("the agent has been silent for %s", silent.Round(time.Second)))
	}
	if state.Total > 0 {
		op.Percent = 100 * state.Done / state.Total
	}
	op.Detail = fmt.Sprintf("%s, %d of %d steps done", state.Step, state.Done, state.Total)
	return keep(op, s, m.Poll)
}

// judge judges from the record alone and ends the run.
func (m *Burn) judge(ctx context.Context, t Turn, op inventory.Operation, cut string) (Result, bool, error) {
	v, doc, err := m.Book.Judge(ctx, op.Run)
	if err != nil {
		return Result{}, false, err
	}
	m.looked.Delete(op.Run)
	if next, _ := lifecycle.After(t.Node.Milestone); next != inventory.NodeBurnedIn && v.Result != inventory.ResultFail {
		// It fell back while this ran: other parts or firmware than those it will be verified with. It is tested again later.
		why := "the node fell back to " + string(t.Node.Milestone) + " during the run; what it measured proves nothing"
		return Result{Change: inventory.Change{Outcome: inventory.OutcomeUnknown, Detail: why, Due: time.Now()}}, false, nil
	}
	_, seen, err := m.Store.Components(ctx, t.Node.ID, inventory.At{})
	if err != nil {
		return Result{}, false, err
	}
	about := burnin.Subject{Node: t.Node.ID, Run: op.Run, Attempt: op.Attempt, Document: doc, Fingerprint: inventory.Fingerprint(seen), At: time.Now()}
	for _, e := range v.Evidence(about) {
		if cut != "" && e.Result == inventory.ResultUnjudged {
			e.Detail = then(cut, e.Detail)
		}
		e.Simulated = e.Simulated || t.Node.Simulated
		if _, err := m.Store.File(ctx, e); err != nil {
			return Result{}, false, err
		}
	}
	r := Result{Change: inventory.Change{Outcome: inventory.OutcomeOK, Detail: "judged " + string(v.Result), Due: time.Now()}}
	line := inventory.RequestLine{Result: lineOK, Detail: "judged " + string(v.Result)}
	switch {
	case v.Result == inventory.ResultFail:
		why := failure(v)
		r.Outcome, r.Event, line.Result, line.Detail = inventory.OutcomeFailed, &inventory.Event{Kind: inventory.EventTriage, Reason: "burn-in: " + why}, lineFailed, why
	case v.Result == inventory.ResultUnjudged && cut == "": // the run is over, and nothing is proven
		line.Result = lineUnknown
	case cut != "":
		r.Outcome, r.Detail, line.Result, line.Detail = inventory.OutcomeUnknown, cut, lineFailed, cut
	}
	return r, false, Answered(ctx, m.Store, t, inventory.OpBurnIn, line)
}

// saidReasons is how many reasons a blocker names; the verdict has all.
const saidReasons = 3

// failure is why a verdict failed, in one line.
func failure(v burnin.Verdict) string {
	var parts []string
	for _, g := range v.Gates {
		if g.Result == inventory.ResultFail {
			parts = append(parts, g.Sentences(saidReasons))
		}
	}
	if len(parts) == 0 {
		return string(lifecycle.GateSuite)
	}
	return strings.Join(parts, " · ")
}
