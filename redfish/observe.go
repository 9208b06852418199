package redfish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// collectorName is written into every observation: program and version of the rules.
const collectorName = "rackwright/redfish 1"

// Observe reads everything the BMC says of the node that the endpoint stands
// for. What could not be read is a fault of the observation, with the component
// class that stays unproven. An inventory that a service without any fault
// reports as empty is ErrEmpty, and the observation still says what was read.
// Other errors end the reading: ErrUnreachable, ErrAuth, ErrBusy, ErrPin, a
// cancelled context, or several Systems of which the endpoint names none.
func (b *BMC) Observe(ctx context.Context) (inventory.Observation, error) {
	o, _, err := b.ObserveRaw(ctx)
	return o, err
}

// ObserveRaw is Observe with the raw document that Observation.Raw is the
// digest of: one JSON line per resource, secrets blanked. The caller stores it
// or drops it.
func (b *BMC) ObserveRaw(ctx context.Context) (inventory.Observation, []byte, error) {
	started := time.Now().UTC()
	t, err := walk(ctx, b)
	if err != nil {
		return inventory.Observation{}, nil, err
	}
	o, _, err := observation(t, b.endpoint, b.profile)
	o.At = started
	raw, digest, rawErr := rawDocument(t.raw)
	if rawErr != nil {
		return o, nil, fmt.Errorf("raw document of %s: %w", b.endpoint.URL, rawErr)
	}
	o.Raw = digest
	return o, raw, err
}

// observation turns what a walk read into the record's noun. It is pure.
func observation(t *tree, endpoint inventory.Endpoint, p Profile) (inventory.Observation, *scope, error) {
	o := inventory.Observation{Node: endpoint.Node, Source: inventory.SourceRedfish, Collector: collectorName,
		Simulated: t.root.at("Oem/Rackwright/Simulated") == "true"}
	system, role, err := target(t, endpoint, p)
	if err != nil {
		return o, nil, err
	}
	s := newScope(t, system, role, p)
	c := &collector{scope: s, parts: partsOf(s)}
	c.settleStaged()
	macs := c.nics()
	parts := mergeParts(t, c.parts)
	o.Components = append(s.unit(parts, macs), s.components(parts)...)
	o.Components = append(o.Components, unreadClasses(t, o.Components)...)
	o.Faults = s.ownFaults(t.faults)
	o.Early = early(system)
	return o, s, s.checkEmpty(o, endpoint)
}

// early: the host has not finished counting its own parts since power-on.
func early(system *resource) bool {
	if system == nil || strings.EqualFold(system.at("PowerState"), "Off") {
		return false
	}
	switch system.at("BootProgress/LastState") {
	case "None", "PrimaryProcessorInitializationStarted", "BusInitializationStarted", "MemoryInitializationStarted",
		"SecondaryProcessorInitializationStarted", "PCIResourceConfigStarted":
		return true
	}
	return false
}

// unreadClasses says of each class that no link of the service promised that it
// was not read: the service has no such list, which proves nothing.
func unreadClasses(t *tree, have []inventory.Component) []inventory.Component {
	var out []inventory.Component
	for _, k := range []inventory.Kind{inventory.KindCPU, inventory.KindDIMM, inventory.KindGPU, inventory.KindNIC, inventory.KindDrive, inventory.KindPSU,
		inventory.KindFan, inventory.KindNVSwitch, inventory.KindBMC, inventory.KindFirmware} {
		seen := slices.ContainsFunc(have, func(c inventory.Component) bool { return c.Kind == k })
		if !seen && t.linked[string(k)] == 0 {
			out = append(out, inventory.Component{Key: inventory.Key{Kind: k}, State: inventory.StateNotRead})
		}
	}
	return out
}

// ownFaults keeps the faults that concern this node, each once: what fails
// below another host says nothing about this one.
func (s *scope) ownFaults(list []inventory.ReadFault) []inventory.ReadFault {
	seen := map[inventory.ReadFault]bool{}
	var out []inventory.ReadFault
	for _, f := range list {
		if !seen[f] && !s.underForeign(f.Path) {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}

// checkEmpty (redfish.md §4.4): an empty inventory is an error. Each kind of
// unit has its own minimum; a class whose read failed is not empty but unproven.
func (s *scope) checkEmpty(o inventory.Observation, endpoint inventory.Endpoint) error {
	empty := func(why, hint string) error {
		return &Error{Op: "observe", Endpoint: endpoint.URL, Err: fmt.Errorf("%w: %s", ErrEmpty, why), Hint: hint}
	}
	failed := func(kinds ...inventory.Kind) bool {
		return slices.ContainsFunc(o.Faults, func(f inventory.ReadFault) bool { return slices.Contains(kinds, f.Kind) })
	}
	has := func(kinds ...inventory.Kind) bool {
		return slices.ContainsFunc(o.Components, func(c inventory.Component) bool {
			return c.State == inventory.StatePresent && slices.Contains(kinds, c.Kind)
		})
	}
	if !s.identified() && !failed(inventory.KindChassis) {
		return empty("no System and no Chassis with an identity", "the BMC is not ready or serves no unit: read again once it has started")
	}
	switch {
	case s.role == RoleSwitch:
		if !has(inventory.KindNVSwitch) && !failed(inventory.KindNVSwitch) {
			return empty("a switch tray without an NVSwitch", "power the tray on and read again")
		}
	case s.system != nil:
		minimum := []inventory.Kind{inventory.KindCPU, inventory.KindDIMM, inventory.KindGPU, inventory.KindTrainium}
		if !has(minimum...) && !failed(minimum...) && s.role != RoleDPU {
			return empty("a host without a CPU, a DIMM or an accelerator",
				"host is off, or not inventoried since power-on: power on, wait for BootProgress, read again")
		}
	}
	return nil
}

// identified: a serial, or a product that names itself.
func (s *scope) identified() bool {
	for _, r := range s.tree.order {
		unit := r == s.system || r.kind == "Chassis" && s.mine(r)
		if unit && (inventory.Usable(r.at("SerialNumber")) != "" || inventory.Usable(r.at("UUID")) != "" || clean(r.at("Model")) != "") {
			return true
		}
	}
	return false
}
