package conductor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// powerOff cuts the host's power and says how that went. What did not get through
// is sent again: off twice is off. A nil BMC could not be opened.
func powerOff(ctx context.Context, bmc Watched) string {
	const cut = "cut its supply at the shelf or outlet"
	if bmc == nil {
		return "its host is NOT off (its BMC does not answer): " + cut
	}
	ctx, over := context.WithTimeout(ctx, watchSend+watchConfirm)
	defer over()
	send := func() error {
		brief, cancel := context.WithTimeout(ctx, watchSend)
		defer cancel()
		return bmc.SetPower(brief, redfish.ActionForceOff)
	}
	err := send()
	for end := time.Now().Add(watchConfirm); ; time.Sleep(watchConfirm / 20) {
		state, perr := bmc.Power(ctx)
		switch {
		case perr == nil && state == redfish.PowerOff:
			return hostOff
		case errors.Is(err, redfish.ErrUnsupported) && errors.Is(perr, redfish.ErrUnsupported):
			return "no host here can be powered off: " + cut
		case time.Now().After(end) || ctx.Err() != nil:
			return fmt.Sprintf("its host is NOT off (%s): %s", errors.Join(err, perr, fmt.Errorf("power state %q", state)), cut)
		case err != nil && !errors.Is(err, redfish.ErrUnsupported):
			err = send()
		}
	}
}

// onAgain: the host has power that was off a moment ago.
func onAgain(ctx context.Context, bmc Watched) bool {
	ctx, cancel := context.WithTimeout(ctx, watchSend)
	defer cancel()
	state, err := bmc.Power(ctx)
	return err == nil && state != redfish.PowerOff
}

// stayOff: a slow BMC may switch a host on minutes after it took the order, and
// whoever reads the latch believes that it is off.
func (s *Safety) stayOff(ctx context.Context, bmc Watched, n inventory.Node) {
	var acted time.Time
	s.post(n.ID, func(p *post) { acted = p.acted })
	i := slices.IndexFunc(n.Holds, func(h inventory.Hold) bool { return leakLatch(h) && strings.HasSuffix(h.Reason, hostOff) })
	if i < 0 || min(time.Since(acted), time.Since(n.Holds[i].Since)) > watchSlow || !onAgain(ctx, bmc) {
		return
	}
	how := powerOff(context.WithoutCancel(ctx), bmc)
	s.Log.Error("a host that was powered off for a leak came on again", "node", n.Address, "power", how)
	if how != hostOff {
		s.hold(context.WithoutCancel(ctx), inventory.NodeSubject(n.ID), strings.TrimSuffix(n.Holds[i].Reason, hostOff)+how)
	}
}
