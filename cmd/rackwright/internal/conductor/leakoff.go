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

// isOff: the host has no power; what a BMC does not tell is not known.
func isOff(ctx context.Context, bmc Watched) (off, known bool) {
	ctx, cancel := context.WithTimeout(ctx, watchSend)
	defer cancel()
	state, err := bmc.Power(ctx)
	return err == nil && state == redfish.PowerOff, err == nil
}

// unended: nobody saw the end of the power-off that a latch speaks of.
func unended(h inventory.Hold) bool {
	return strings.HasSuffix(h.Reason, underWay) || strings.HasSuffix(h.Reason, unsure)
}

// stayOff: a slow BMC may switch a host on minutes after it took the order, and
// whoever reads the latch believes that it is off. A power-off that was cut short
// with its server is brought to an end.
func (s *Safety) stayOff(ctx context.Context, bmc Watched, n inventory.Node) {
	var acted time.Time
	s.post(n.ID, func(p *post) { acted = p.acted })
	i := slices.IndexFunc(n.Holds, func(h inventory.Hold) bool {
		return leakLatch(h) && h.By == "" && (strings.HasSuffix(h.Reason, hostOff) || unended(h))
	})
	if i < 0 {
		return
	}
	h := n.Holds[i]
	if !unended(h) && min(time.Since(acted), time.Since(h.Since)) > watchSlow {
		return
	}
	how := hostOff
	switch off, known := isOff(ctx, bmc); {
	case !unended(h) && (off || !known):
		return
	case !off:
		how = powerOff(context.WithoutCancel(ctx), bmc)
	}
	s.Log.Error("a host that leaked had come on again, or nobody had seen it off", "node", n.Address, "power", how)
	told := h.Reason
	for _, end := range []string{hostOff, underWay, unsure} {
		told = strings.TrimSuffix(told, end)
	}
	if reason := told + how; reason != h.Reason {
		s.hold(context.WithoutCancel(ctx), inventory.NodeSubject(n.ID), reason)
	}
}
