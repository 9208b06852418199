package redfish

import (
	"context"
	"fmt"
)

// SetLocator lights or clears the locate LED of the host, or of its chassis:
// LocationIndicatorActive, else the older IndicatorLED.
func (b *BMC) SetLocator(ctx context.Context, on bool) error {
	op := "set locator"
	root, err := b.broker.document(ctx)
	if err != nil {
		return err
	}
	var places []odata
	if root.Systems.ID != "" {
		s, err := b.host(ctx, op)
		if err != nil {
			return err
		}
		places = append([]odata{s.odata}, s.Links.Chassis...)
	} else {
		all, err := b.broker.members(ctx, call{op: op}, root.Chassis.ID)
		if err != nil {
			return err
		}
		for _, m := range all {
			places = append(places, odata{m.uri})
		}
	}
	for _, p := range places {
		var r struct {
			LocationIndicatorActive *bool
			IndicatorLED            string
		}
		if err := b.read(ctx, op, p.ID, &r); err != nil {
			return err
		}
		led := "Off"
		if on {
			led = "Blinking"
		}
		switch {
		case r.LocationIndicatorActive != nil && *r.LocationIndicatorActive == on:
			return nil
		case r.LocationIndicatorActive != nil:
			return b.patch(ctx, call{op: op}, p.ID, map[string]any{"LocationIndicatorActive": on})
		case r.IndicatorLED != "":
			return b.patch(ctx, call{op: op}, p.ID, map[string]any{"IndicatorLED": led})
		}
	}
	return b.broker.refuse(op, fmt.Errorf("%w: no locate LED on host or chassis", ErrUnsupported), "find it by its rack position")
}
