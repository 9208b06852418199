package conductor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// found is one gate's result as a reading says it, before it becomes evidence.
type found struct {
	gate   inventory.Gate
	result inventory.Result
	detail string
}

// about names the findings that shut a gate of verified: by their kind, and by
// the class of the part where the gate is about one class.
type about struct {
	gate  inventory.Gate
	kinds []inventory.FindingKind // empty: every kind
	class inventory.Kind          // empty: every class
}

var verifyGates = []about{
	{lifecycle.GateBOM, []inventory.FindingKind{inventory.FindMissing, inventory.FindExtra, inventory.FindCountShort, inventory.FindWrongType, inventory.FindDamaged}, ""},
	{lifecycle.GateSerials, []inventory.FindingKind{inventory.FindReplaced, inventory.FindSwapped, inventory.FindDuplicateID, inventory.FindIDConflict, inventory.FindPlaceholderID}, ""},
	{lifecycle.GateSlot, []inventory.FindingKind{inventory.FindWrongSlot, inventory.FindSwapped, inventory.FindReplaced}, ""},
	{lifecycle.GateMemory, nil, inventory.KindDIMM},
	{lifecycle.GatePSU, nil, inventory.KindPSU},
}

// judgeVerified says what a reading means for the machine-made gates of
// verified. It is pure. A class that was expected and could not be read is
// unjudged, never a pass; a finding that two people accepted as found does not
// shut a gate, and the detail says so. want is what was ordered.
func judgeVerified(f lifecycle.Facts, o inventory.Observation, want []inventory.Component) []found {
	var out []found
	for _, a := range verifyGates {
		out = append(out, a.judge(f, o, want))
	}
	return out
}

func (a about) judge(f lifecycle.Facts, o inventory.Observation, want []inventory.Component) found {
	var bad, blind, accepted []string
	for _, x := range f.Findings {
		if x.Closed || x.Node != f.Node.ID && !slices.Contains(x.Others, f.Node.ID) || a.class != "" && x.Key.Kind != a.class {
			continue
		}
		text := inventory.Sentence(x.Fix, x.Args)
		switch {
		case x.Kind == inventory.FindWrongFirmware: // the next milestone's
		case lifecycle.Accepted(x.ID, f):
			accepted = append(accepted, text)
		case x.Kind == inventory.FindUnreadable:
			blind = append(blind, text)
		case len(a.kinds) == 0 || slices.Contains(a.kinds, x.Kind):
			bad = append(bad, text)
		}
	}
	if !a.ordered(want) {
		blind = append(blind, "the order lists no "+a.parts()+", so nothing says what must be there")
	}
	if a.gate == lifecycle.GateBOM { // what was not read may hide a part that nobody ordered
		blind = append(blind, unread(o, want)...)
	}
	switch {
	case len(bad) > 0:
		return found{a.gate, inventory.ResultFail, strings.Join(bad, " · ")}
	case len(blind) > 0:
		return found{a.gate, inventory.ResultUnjudged, strings.Join(blind, " · ")}
	case len(accepted) > 0:
		return found{a.gate, inventory.ResultPass, "accepted as found: " + strings.Join(accepted, " · ")}
	}
	return found{a.gate, inventory.ResultPass, ""}
}

// ordered: a gate about parts is not passed by an order without any.
func (a about) ordered(want []inventory.Component) bool {
	return a.gate != lifecycle.GateBOM && a.class == "" || slices.ContainsFunc(want, func(c inventory.Component) bool {
		return c.Kind == a.class || a.class == "" && c.Kind != inventory.KindChassis
	})
}

func (a about) parts() string {
	if a.class == "" {
		return "parts"
	}
	return string(a.class)
}

// unread lists the read faults of classes that were ordered.
func unread(o inventory.Observation, want []inventory.Component) []string {
	var out []string
	for _, r := range o.Faults {
		if slices.ContainsFunc(want, func(c inventory.Component) bool { return c.Kind == r.Kind }) {
			out = append(out, fmt.Sprintf("%s could not be read: %s", r.Path, r.Reason))
		}
	}
	return out
}

// judgeLeaks: a leak fails, and a leak detector that does not answer leaves it
// open; both keep a tray off. A cut-off policy that is switched off is no leak;
// it is said, because the tray's own reaction is what comes first (lifecycle.md
// §11), and so is every other alarm: no gate is about it, and nobody may overlook
// it. Known is how many detectors the BMC has listed before.
func judgeLeaks(read redfish.Sensed, known int) found {
	var wet, blind, said []string
	for _, a := range read.Alarms {
		switch {
		case a.Kind == redfish.AlarmLeak && a.Latched:
			wet = append(wet, "leak "+a.Sensor+" "+a.State+" (stays until it is re-armed)")
		case a.Kind == redfish.AlarmLeak:
			wet = append(wet, "leak "+a.Sensor+" "+a.State)
		case a.Kind == redfish.AlarmBlind && a.Leak:
			blind = append(blind, "blind "+a.Sensor)
		case a.Kind == redfish.AlarmPolicyOff:
			said = append(said, "the tray's own power-off on a leak is switched off: "+a.Sensor)
		default:
			said = append(said, a.Kind+" "+a.Sensor+": "+a.State)
		}
	}
	if read.Detectors < known {
		blind = append(blind, fmt.Sprintf("lists %d of %d leak detectors (if it has no more now: rackwright bmc NODE --confirm-key)", read.Detectors, known))
	}
	all := strings.Join(slices.Concat(wet, blind, said), " · ")
	switch {
	case len(wet) > 0:
		return found{lifecycle.GateLeak, inventory.ResultFail, all}
	case len(blind) > 0:
		return found{lifecycle.GateLeak, inventory.ResultUnjudged, all}
	}
	return found{lifecycle.GateLeak, inventory.ResultPass, all}
}
