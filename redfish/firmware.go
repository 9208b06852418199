package redfish

import (
	"context"
	"errors"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Firmware reads the firmware inventory alone: every image with its version,
// and in Facts what is staged. It is the small walk that an update asks again
// and again. An image that is listed and cannot be read is there with
// StateReadFailed: it is neither absent nor of any version. Which unit it is,
// the pin of the connection says, not this reading.
func (b *BMC) Firmware(ctx context.Context) ([]inventory.Component, error) {
	t, err := walkBy(ctx, b, firmwareLinks)
	if err != nil {
		return nil, err
	}
	o, _, err := observation(t, b.endpoint, b.profile)
	if err != nil && !errors.Is(err, ErrEmpty) { // nothing but firmware was read
		return nil, err
	}
	var out []inventory.Component
	for _, c := range o.Components {
		if c.Kind == inventory.KindFirmware && c.Slot != "" {
			out = append(out, c)
		}
	}
	for _, f := range o.Faults {
		if f.Kind != inventory.KindFirmware {
			continue
		}
		key := inventory.Key{Kind: inventory.KindFirmware, Slot: lastSegment(f.Path)}
		if i := slices.IndexFunc(out, func(c inventory.Component) bool { return c.Key == key }); i >= 0 {
			out[i].State = inventory.StateReadFailed // half of it was read
			continue
		}
		out = append(out, inventory.Component{Key: key, State: inventory.StateReadFailed})
	}
	return out, nil
}

// firmwareLinks leads to the Systems, which say whose service this is, and to
// the images.
func firmwareLinks(kind string) []link {
	var out []link
	for _, l := range linksOf(kind) {
		switch {
		case kind == "UpdateService", kind == "ServiceRoot" && (l.path == "Systems" || l.path == "UpdateService"):
			out = append(out, l)
		}
	}
	return out
}
