package conductor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// burnBay is a tray at the baseline, whose machine boots nothing: a test plays
// its agent. boot is the time of one boot, silence the longest of an agent.
func burnBay(t *testing.T, boot, silence time.Duration) *bay {
	t.Helper()
	gates := []inventory.Gate{lifecycle.GateSuite, lifecycle.GateSamples, lifecycle.GateThermal, lifecycle.GateErrors, lifecycle.GateFingerprint, lifecycle.GateAccelerator}
	return newBay(t, inventory.NodeBaselined, gates, func(b *bay, s *Steps) {
		s.Makers[inventory.NodeBurnedIn] = &Burn{Store: b, Access: b.access, Book: b.book(), Boots: b.pond.Store, Plan: plan.Embedded, Default: "smoke", Image: "burnin",
			Heard: func(inventory.RunID) (time.Time, bool) { return time.Time{}, false }, Boot: boot, Heartbeat: silence, Poll: 20 * time.Millisecond, Quiet: 300 * time.Millisecond}
	}, func(s *bmcsim.Spec) { s.PowerOn = true })
}

func (b *bay) book() *burnin.Book {
	return &burnin.Book{Store: b.pond.Store, Token: func(_ inventory.Hint, run inventory.RunID, boot int) inventory.Secret {
		return inventory.NewSecret(fmt.Sprint(run, "/", boot))
	}}
}

// speaks is the first word of the agent: C01 has booted.
func (b *bay) speaks() burnin.Assignment {
	b.t.Helper()
	n := b.node("C01")
	at := n.Operation.Boot
	a, err := b.book().Redeem(b.t.Context(), b.book().Token(inventory.Hint{}, at.Run, at.Attempt), burnin.Hello{Protocol: burnin.Protocol, Agent: "test", BootID: "boot-1", MACs: n.MACs,
		Observation: inventory.Observation{At: time.Now()}})
	b.must(err)
	b.work("the agent is heard", func() bool { return b.op() == "burn_in "+burnTest })
	return a
}

// ends is the last word of an agent that has measured nothing.
func (b *bay) ends(run inventory.RunID) {
	b.t.Helper()
	s := burnin.Sample{Seq: 1, At: time.Now(), Kind: burnin.SampleEnd, End: &burnin.End{Status: burnin.EndComplete}}
	_, err := b.book().Append(b.t.Context(), run, burnin.Batch{Run: run, From: 1, To: 1, Samples: []burnin.Sample{s}})
	b.must(err)
}

// unjudged: nothing was proven and nothing refuted. The gate is shut, the node
// stays where it was, and nothing is begun again until somebody asks.
func (b *bay) unjudged(because string) {
	b.t.Helper()
	b.work("it is judged", func() bool { r, _ := b.gate(lifecycle.GateSuite); return r != "" && b.op() == "" })
	runs, err := b.ListRuns(b.t.Context(), inventory.NodeSubject(b.node("C01").ID))
	b.must(err)
	b.ask(inventory.OpBringUp, "") // wants it burned in; a run is not repeated until its verdict is clean
	b.turns(5)
	again, err := b.ListRuns(b.t.Context(), inventory.NodeSubject(b.node("C01").ID))
	b.must(err)
	r, why := b.gate(lifecycle.GateSuite)
	if r != inventory.ResultUnjudged || !strings.Contains(why, because) || b.node("C01").Milestone != inventory.NodeBaselined || len(again) != len(runs) {
		b.t.Errorf("gate %q: %s; it stands at %s, %d runs and later %d", r, why, b.node("C01").Milestone, len(runs), len(again))
	}
}

func (b *bay) booted() {
	b.t.Helper()
	b.work("it boots", func() bool { return b.op() == "burn_in "+burnWait })
}

// TestBurnRunEndedWhileAway: an agent whose end is in the record is judged by
// it, however long the server was away since; it was not silent.
func TestBurnRunEndedWhileAway(t *testing.T) {
	b := burnBay(t, time.Hour, time.Hour)
	run := b.ask(inventory.OpBurnIn, "")
	b.booted()
	a := b.speaks()
	b.edit(func(op *inventory.Operation) { op.State = []byte(`{"moved":"2020-01-01T00:00:00Z","next":1}`) })
	b.ends(a.Run)
	b.start()
	b.unjudged("")
	if got := b.line(run); got.Result != lineUnknown || !strings.Contains(got.Detail, "unjudged") {
		t.Errorf("%+v", got)
	}
	if _, why := b.gate(lifecycle.GateSuite); strings.Contains(why, "silent") {
		t.Errorf("an agent that has ended is called silent: %s", why)
	}
}

// TestBurnSilentAgent: silence is unjudged, never a fail; only silence that this
// process could have heard counts.
func TestBurnSilentAgent(t *testing.T) {
	b := burnBay(t, time.Hour, time.Hour)
	b.ask(inventory.OpBurnIn, "")
	b.booted()
	b.speaks()
	b.edit(func(op *inventory.Operation) { op.State = []byte(`{"moved":"2020-01-01T00:00:00Z","next":1}`) })
	b.start()
	b.turns(3)
	if r, _ := b.gate(lifecycle.GateSuite); b.op() != "burn_in "+burnTest || r != "" {
		t.Fatalf("runs %q, gate %q: the server was away, not the agent", b.op(), r)
	}

	b = burnBay(t, time.Hour, 200*time.Millisecond)
	run := b.ask(inventory.OpBurnIn, "")
	b.booted()
	b.speaks()
	b.unjudged("the agent has been silent for")
	if got := b.line(run); got.Result != lineFailed || !strings.Contains(got.Detail, "silent") {
		t.Errorf("%+v", got)
	}
}

// TestBurnNoAgent: three boots without a word are enough; the run is unjudged.
func TestBurnNoAgent(t *testing.T) {
	b := burnBay(t, 100*time.Millisecond, time.Hour)
	run := b.ask(inventory.OpBurnIn, "")
	b.unjudged("no agent spoke in 3 boots")
	if got := b.line(run); got.Result != lineFailed || !strings.Contains(got.Detail, "no agent spoke") || b.resets()["1 ForceRestart"] != bootTries {
		t.Errorf("%+v after %v", got, b.resets())
	}
}

// TestBurnResetUnknown: a reset whose answer is lost is read back. One that
// happened is not sent again; one that never began is, once.
func TestBurnResetUnknown(t *testing.T) {
	for _, c := range []struct {
		name, lost string
		dies       bool
		intents    string
	}{
		{"done, its answer lost", "after", false, "ok"},
		{"lost on its way", "before", false, "failed ok"},
		{"done, and the server died", "", true, "ok"},
		{"lost on its way, and the server died", "before", true, "failed ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := burnBay(t, time.Hour, time.Hour)
			if c.lost != "" {
				b.faults(bmcsim.Fault{Method: "POST", Path: "*" + hostReset, Reset: c.lost})
			}
			b.begun = func(inventory.Intent) { b.dead = c.dies }
			b.ask(inventory.OpBurnIn, "")
			if c.dies {
				b.work("the server dies", func() bool { return b.dead })
				b.start()
			}
			b.booted()
			b.turns(3)
			if b.outcomes() != c.intents || b.resets()["1 ForceRestart"] != 1 {
				t.Errorf("intents %q, the host was told %v", b.outcomes(), b.resets())
			}
		})
	}
}

// TestBurnBMCAway: a BMC that is away before the boot is waited for, at the step
// where it stands, and people are told.
func TestBurnBMCAway(t *testing.T) {
	b := burnBay(t, time.Hour, time.Hour)
	b.faults(loginsFail)
	b.ask(inventory.OpBurnIn, "")
	b.work("somebody is sent", func() bool { return b.blocked("conductor.unreachable") })
	b.turns(3)
	if b.op() != "burn_in "+burnOverride || b.outcomes() != "" || !strings.Contains(b.said(), string(lifecycle.GateSuite)) {
		t.Errorf("runs %q, intents %q, blockers %s", b.op(), b.outcomes(), b.said())
	}
	b.fleet.ClearFaults()
	b.booted()
	if b.blocked("conductor.unreachable") || b.resets()["1 ForceRestart"] != 1 {
		t.Errorf("blockers %s, told %v", b.said(), b.resets())
	}
}

// TestBurnBrokenOff: the unknown reset of a run that was broken off is read back
// without an operation to go on with, and nothing is sent.
func TestBurnBrokenOff(t *testing.T) {
	b := burnBay(t, time.Hour, time.Hour)
	b.faults(bmcsim.Fault{Method: "POST", Path: "*" + hostReset, Reset: "after"})
	b.begun = func(inventory.Intent) { b.silence() }
	b.ask(inventory.OpBurnIn, "")
	b.work("nobody knows", func() bool { return b.outcomes() == "open" && b.blocked("conductor.unreachable") })
	if b.op() != "burn_in "+burnReset {
		t.Fatalf("runs %q", b.op())
	}
	b.breakOff()
	b.turns(3)
	if b.outcomes() != "open" || b.op() != "" || !b.blocked("conductor.unreachable") {
		t.Fatalf("intents %q, runs %q, blockers %s", b.outcomes(), b.op(), b.said())
	}
	b.fleet.ClearFaults()
	b.work("it is read back", func() bool { return b.outcomes() == "ok" })
	b.turns(3)
	if b.resets()["1 ForceRestart"] != 1 || b.sent("POST", hostReset) != 1 || b.op() != "" {
		t.Errorf("told %v, %d were sent, runs %q", b.resets(), b.sent("POST", hostReset), b.op())
	}
	b.breakOff() // the confirmation
}
