package virtualrack

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Counters says what the BMCs of the rack saw, a line each where something
// happened. The record is compared with it, never made from it.
func (r *Rack) Counters() []string {
	var out []string
	total := 0
	for _, u := range r.layout.Units {
		c := r.fleet.BMC(u.Spec.Name).Counters()
		var parts []string
		for _, f := range c.Flashes {
			parts = append(parts, fmt.Sprintf("%d components", len(f.Components)))
		}
		total += len(c.Flashes)
		for what, n := range c.Resets {
			if strings.HasSuffix(what, " ForceOff") {
				out = append(out, fmt.Sprintf("BMC %s (unit of %s): %d × %s", u.Spec.Name, u.Slot, n, what))
			}
		}
		if len(parts) > 0 {
			out = append(out, fmt.Sprintf("BMC %s (unit of %s): %d flash (%s), %d cut uploads, %d resets", u.Spec.Name, u.Slot, len(c.Flashes), strings.Join(parts, ", "), c.CutUploads, c.ResetCount()))
		}
	}
	return append(out, fmt.Sprintf("simulated BMCs: %d flashes in all", total))
}

// Check compares what the BMCs saw with what a faultless client does: one flash
// for each unit delivered with old firmware, one session, two requests, one
// writer, no wrong login (redfish.md §9).
func (r *Rack) Check() error {
	var faults []error
	bad := func(u Unit, format string, args ...any) {
		faults = append(faults, fmt.Errorf("BMC of %s: %s: %w", u.Slot, fmt.Sprintf(format, args...), inventory.ErrConflict))
	}
	for _, u := range r.layout.Units {
		c := r.fleet.BMC(u.Spec.Name).Counters()
		if want := r.old[u.Slot]; len(c.Flashes) != want {
			bad(u, "%d flashes, %d were planned", len(c.Flashes), want)
		}
		if c.CutUploads > 0 || c.RefusedPayloads > 0 || c.BankInterrupt > 0 {
			bad(u, "%d cut uploads, %d refused packages, %d interrupted writes", c.CutUploads, c.RefusedPayloads, c.BankInterrupt)
		}
		if c.WrongLogins > 0 || c.Lockouts > 0 {
			bad(u, "%d wrong logins, %d lock-outs", c.WrongLogins, c.Lockouts)
		}
		if c.SessionsMax > 2 || c.InFlightMax > 2 || c.WritersMax > 1 { // a second session lives during the rotation
			bad(u, "%d sessions, %d requests at once, %d writers at once", c.SessionsMax, c.InFlightMax, c.WritersMax)
		}
	}
	return errors.Join(faults...)
}
