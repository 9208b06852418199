package conductor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// slowHost is asked for its host, its reset types and a free place before the
// first byte of a reset leaves; then the wire asks the guard.
type slowHost struct {
	host
	meanwhile func()
	guard     redfish.Guard
}

func (h *slowHost) SetPower(ctx context.Context, a redfish.PowerAction) error {
	h.meanwhile()
	if err := h.guard(ctx); err != nil {
		return err
	}
	return h.host.SetPower(ctx, a)
}

// TestLatchStopsAPowerOnUnderWay: the tray is latched between the turn's look at
// the holds and the first byte. A power-on does not leave; a power-off does.
func TestLatchStopsAPowerOnUnderWay(t *testing.T) {
	for action, want := range map[redfish.PowerAction]int{"": 0, redfish.ActionOn: 0, redfish.ActionForceRestart: 0, redfish.ActionForceOff: 1, redfish.ActionGracefulShutdown: 1} {
		for _, scope := range []string{"tray", "rack"} {
			p, _ := newPond(t, t.TempDir())
			n := p.node("C01")
			on := inventory.NodeSubject(n.ID)
			c := &Conductor{Store: p.Store, Timing: Timing{Lease: time.Minute, Margin: 30 * time.Second}}
			l := newLease(c, inventory.Claim{Subject: on}, time.Now())
			h := &slowHost{host: host{power: redfish.PowerOff}, guard: l.guard, meanwhile: func() {
				at := on
				if scope == "rack" {
					at = inventory.RackSubject(n.Rack)
				}
				p.must(p.Store.Hold(t.Context(), at, inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak"}))
			}}
			if action == redfish.ActionGracefulShutdown {
				h.power = redfish.PowerOn
			}
			turn := Turn{Node: n, Guard: l.guard, Begin: func(context.Context, inventory.Intent) (inventory.IntentID, error) { return "i1", nil }}
			r, err := sendReset(t.Context(), turn, h, resetIntent{Step: "power", Effect: "switch", Attempt: 1, Action: action})
			if err != nil || len(h.sent) != want || (r.outcome == inventory.OutcomeUnknown) != (want == 1) {
				t.Errorf("%q with the %s latched meanwhile: sent %v, %+v, %v", action, scope, h.sent, r, err)
			}
		}
	}
}

// TestLatchStopsAnActivation: an activation resets a host, or switches on one that
// the watch has switched off. It does not leave a latch behind either.
func TestLatchStopsAnActivation(t *testing.T) {
	for _, latched := range []bool{false, true} {
		b := errandBay(t, false)
		n := b.node("C01")
		l := newLease(&Conductor{Store: b, Timing: Timing{Lease: time.Minute, Margin: 30 * time.Second}}, inventory.Claim{Subject: inventory.NodeSubject(n.ID)}, time.Now())
		u, done, err := b.access.Updater(t.Context(), Turn{Node: n, Guard: l.guard})
		b.must(err)
		if latched {
			b.must(b.Hold(t.Context(), inventory.NodeSubject(n.ID), inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak"}))
		}
		err = u.Activate(t.Context(), firmware.Step{Verb: firmware.VerbActivate, Activation: firmware.ActivateHostReset})
		if sent := b.resets()["1 On"]; errors.Is(err, firmware.ErrBusy) != latched || (sent == 0) != latched {
			t.Errorf("latched %t: %v, told %v", latched, err, b.resets())
		}
		done()
	}
}
