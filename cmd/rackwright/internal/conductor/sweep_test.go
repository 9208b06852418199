package conductor

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// sweepBay is a tray that was cabled and never read.
func sweepBay(t *testing.T, again time.Duration, edit func(*bmcsim.Spec)) *bay {
	t.Helper()
	gates := []inventory.Gate{lifecycle.GateIdentity, lifecycle.GatePort, lifecycle.GateLeak}
	return newBay(t, inventory.NodeInstalled, gates, func(b *bay, s *Steps) {
		m := &Sweep{Store: b, Access: b.access, Blobs: blobs{}, Again: again}
		s.Makers[inventory.NodeDiscovered], s.Extra[inventory.OpSweep] = m, m
	}, edit)
}

// blobs takes what BMCs said word by word, and keeps none of it.
type blobs struct{}

func (blobs) Put(_ context.Context, r io.Reader) (inventory.Digest, error) {
	raw, err := io.ReadAll(r)
	return inventory.DigestOf(raw), err
}

// reading is when C01 was read last; zero: never.
func (b *bay) reading() time.Time {
	b.t.Helper()
	o, err := b.Observation(b.t.Context(), b.node("C01").ID, inventory.SourceRedfish)
	if err != nil {
		return time.Time{}
	}
	return o.At
}

// unit puts another unit behind the BMC.
func (b *bay) unit(serial, uuid string) {
	b.bmc.Set("/redfish/v1/Chassis/1", map[string]any{"SerialNumber": serial})
	b.bmc.Set("/redfish/v1/Systems/1", map[string]any{"SerialNumber": serial, "UUID": uuid})
}

// TestSweepReads: a BMC that shows the expected unit makes it discovered, and
// whoever asked learns how much was read.
func TestSweepReads(t *testing.T) {
	b := sweepBay(t, time.Hour, nil)
	got := b.answered(b.ask(inventory.OpSweep, ""))
	b.work("it is discovered", func() bool { return b.node("C01").Milestone == inventory.NodeDiscovered })
	if got.Result != lineOK || !strings.Contains(got.Detail, " parts, 0 faults") || !b.node("C01").Simulated {
		t.Errorf("%+v, simulated %t", got, b.node("C01").Simulated)
	}
	first := b.reading()
	b.turns(3)
	if !b.reading().Equal(first) {
		t.Error("it was read again and nobody asked")
	}
	if got = b.answered(b.ask(inventory.OpSweep, "")); got.Result != lineOK || !b.reading().After(first) {
		t.Errorf("asked again: %+v, read %s and before %s", got, b.reading(), first)
	}
}

// TestSweepFails: a BMC that cannot be read opens nothing; whoever asked is told
// why, whoever can act is named, and it is read again in its time.
func TestSweepFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*bay)
		fix   string
		says  string
	}{
		{"no login", func(b *bay) { b.faults(loginsFail) }, "conductor.unreachable", "unreachable"},
		{"a wrong password", func(b *bay) { b.bmc.SetPassword(b.bmc.Spec().User, "somebody-else-9", false) }, "conductor.login", "not authorised"},
		{"no secret", func(b *bay) {
			e := b.node("C01").BMC
			e.Credential = "factory/none"
			b.must(b.Bind(b.t.Context(), "A12/C01", e))
		}, "conductor.login", "credential"},
		{"no address", func(b *bay) {
			b.must(b.Bind(b.t.Context(), "A12/C01", inventory.Endpoint{}))
		}, "conductor.no_address", "no BMC address"},
		{"an empty inventory", nil, "conductor.empty", "empty inventory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := sweepBay(t, time.Hour, func(s *bmcsim.Spec) {
				if c.spoil == nil { // a host that has not counted its parts yet
					s.Parts = nil
				}
			})
			was := b.node("C01").BMC
			if c.spoil != nil {
				c.spoil(b)
			}
			got := b.answered(b.ask(inventory.OpSweep, ""))
			if got.Result != lineFailed || !strings.Contains(got.Detail, c.says) || !b.blocked(c.fix) || !strings.Contains(b.said(), string(lifecycle.GateIdentity)) {
				t.Errorf("%+v, blockers %s", got, b.said())
			}
			if r, _ := b.gate(lifecycle.GateIdentity); r != "" || b.node("C01").Milestone != inventory.NodeInstalled || b.op() != "" || !b.reading().IsZero() {
				t.Errorf("identity is %q at %s, runs %q", r, b.node("C01").Milestone, b.op())
			}
			b.fleet.ClearFaults()
			b.must(b.Bind(t.Context(), "A12/C01", was))
			if c.spoil == nil || c.says == "not authorised" {
				return // nobody may log in for a minute: that guard is package redfish's
			}
			if got := b.answered(b.ask(inventory.OpSweep, "")); got.Result != lineOK {
				t.Errorf("it answers again: %+v", got)
			}
			b.work("it is discovered", func() bool { return b.node("C01").Milestone == inventory.NodeDiscovered })
		})
	}
}

// TestSweepForeign: a unit that nobody ordered is never bound by guess, however
// well it answers. It is not read again before its time, and once the right one
// sits there the next reading opens the gate.
func TestSweepForeign(t *testing.T) {
	b := sweepBay(t, time.Hour, nil)
	b.unit("FOREIGN9", "bbbbbbbb-0000-4000-8000-000000000009")
	got := b.answered(b.ask(inventory.OpSweep, ""))
	r, why := b.gate(lifecycle.GateIdentity)
	if got.Result != lineOK || r != inventory.ResultFail || !strings.Contains(why, "nobody ordered the unit FOREIGN9") || !strings.Contains(why, b.node("C01").Serial) {
		t.Errorf("%+v, identity is %q: %s", got, r, why)
	}
	first := b.reading()
	b.ask(inventory.OpBringUp, "") // wants it discovered, and is in no hurry
	b.turns(3)
	if b.node("C01").Milestone != inventory.NodeInstalled || !b.reading().Equal(first) || !strings.Contains(b.said(), "FOREIGN9") {
		t.Errorf("it stands at %s, read again %t, blockers %s", b.node("C01").Milestone, !b.reading().Equal(first), b.said())
	}
	b.unit(b.node("C01").Serial, b.node("C01").UUID)
	b.ask(inventory.OpSweep, "")
	b.work("it is discovered", func() bool { return b.node("C01").Milestone == inventory.NodeDiscovered })
}

// TestSweepAgain: where a bring-up asks, a reading that opened nothing is
// repeated in its time without anybody asking again.
func TestSweepAgain(t *testing.T) {
	b := sweepBay(t, 50*time.Millisecond, nil)
	b.unit("FOREIGN9", "bbbbbbbb-0000-4000-8000-000000000009")
	run := b.ask(inventory.OpBringUp, "")
	b.work("a foreign unit was read", func() bool {
		r, _ := b.gate(lifecycle.GateIdentity)
		return r == inventory.ResultFail
	})
	first := b.reading()
	b.work("it is read again", func() bool { return b.reading().After(first) })
	b.unit(b.node("C01").Serial, b.node("C01").UUID)
	b.work("it is discovered", func() bool { return b.node("C01").Milestone == inventory.NodeDiscovered })
	if got := b.line(run); got.Result != lineRunning {
		t.Errorf("a bring-up that has only begun: %+v", got)
	}
}

// TestSweepUnjudged: a reading whose server died before it judged is made again
// at once: evidence is filed in the turn that has read.
func TestSweepUnjudged(t *testing.T) {
	b := sweepBay(t, time.Hour, nil)
	first := time.Now()
	_, err := b.Observe(t.Context(), inventory.Observation{Node: b.node("C01").ID, Source: inventory.SourceRedfish, At: first})
	b.must(err)
	b.ask(inventory.OpBringUp, "")
	b.work("it is discovered", func() bool { return b.node("C01").Milestone == inventory.NodeDiscovered })
	if !b.reading().After(first) {
		t.Error("it was judged by a reading of another turn")
	}
}
