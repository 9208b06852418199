package redfish

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// AlarmKind is the class of an alarm.
type AlarmKind = string

// Alarm kinds. Blind stands for a sensor that could not be read: it is never OK.
const (
	AlarmLeak      AlarmKind = "leak"
	AlarmHot       AlarmKind = "over-temperature"
	AlarmPower     AlarmKind = "power"        // a power supply reports Critical
	AlarmBlind     AlarmKind = "blind"        // a leak, temperature or supply sensor that does not answer
	AlarmPolicyOff AlarmKind = "leak-cut-off" // the tray's own leak power-off is switched off
)

// Alarm is one thing that is wrong now (redfish.md §7).
type Alarm struct {
	Kind    AlarmKind
	Sensor  string // path of the resource, with the entry after # where it has no own
	State   string // as the BMC words it: "Critical", "48 C, limit 45"
	Latched bool   // the BMC keeps it until a person re-arms it
	// Leak: what is blind may hide a leak. A path above the detectors that cannot
	// be read hides all of them, and does not say so in its name.
	Leak bool
}

// Alarms reads what a safety watch must know: leaks, over-temperature, failed
// power supplies, and whether the tray would cut its own power on a leak. No
// alarm means that every such sensor the service has was read and is fine; one
// that does not answer is an alarm of kind blind (an entry of the older Thermal
// list without a reading is an empty place, and none). The parts of the tree that do
// not change are remembered for ten minutes per BMC, so that a poll asks the
// sensors only. The error says that the BMC as a whole cannot be asked; what was
// read before it is returned beside it. Known is how many leak detectors it has
// listed before: after a reading of fewer the next one looks at all of it.
func (b *BMC) Alarms(ctx context.Context, known int) (Sensed, error) {
	return b.sense(ctx, known, &b.broker.alarms, cachedGetter{&b.broker.alarms, b, structural}, alarmLinks)
}

// Sensed is one reading of alarm sensors.
type Sensed struct {
	Alarms    []Alarm
	Detectors int // leak detectors that were read: a tree that fills slowly after a restart lists fewer, and no fault
}

// Leaks is Alarms without heat and power: what a leak watch polls often. It
// tells AlarmLeak, AlarmPolicyOff, and AlarmBlind where a leak may hide.
func (b *BMC) Leaks(ctx context.Context, known int) (Sensed, error) {
	out, err := b.sense(ctx, known, &b.broker.leaks, cachedGetter{&b.broker.leaks, b, func(body json.RawMessage) bool {
		r, err := parseResource(body, "/")
		return err == nil && r.kind == "ThermalSubsystem" || structural(body) // its health is about heat
	}}, leakLinks)
	out.Alarms = slices.DeleteFunc(out.Alarms, func(a Alarm) bool {
		return a.Kind == AlarmHot || a.Kind == AlarmPower || a.Kind == AlarmBlind && !a.Leak
	})
	return out, err
}

func (b *BMC) sense(ctx context.Context, known int, cache *alarmCache, g getter, links func(string) []link) (Sensed, error) {
	t, err := walkBy(ctx, g, links)
	if t == nil {
		return Sensed{}, err
	}
	out := Sensed{Alarms: alarmsOf(t)}
	for _, r := range t.order {
		if r.kind == "LeakDetector" || r.kind == "Alarm" && strings.Contains(r.id, "Leak") {
			out.Detectors++
		}
	}
	if out.Detectors < known || slices.ContainsFunc(out.Alarms, func(a Alarm) bool { return a.Kind == AlarmBlind }) {
		cache.forget() // the tree may have changed: look at all of it next time
	}
	return out, err
}

// Classes of alarm sensors; here they stand where component classes do in the
// inventory walk: what stays unproven when a link fails.
const (
	senseLeak = inventory.Kind("leak sensors")
	senseHeat = inventory.Kind("temperature sensors")
	sensePSU  = inventory.Kind("power supplies")
)

// alarmLinks is the way from the root to every alarm sensor.
func alarmLinks(kind string) []link {
	leak, heat, psu := []inventory.Kind{senseLeak}, []inventory.Kind{senseHeat}, []inventory.Kind{sensePSU}
	switch kind {
	case "ServiceRoot":
		return []link{{"Chassis", "Chassis", []inventory.Kind{senseLeak, senseHeat, sensePSU}, ""}, {"ThermalEquipment", "ThermalEquipment", leak, ""},
			{"PowerEquipment", "PowerEquipment", psu, ""}}
	case "Chassis":
		return []link{{"ThermalSubsystem", "ThermalSubsystem", []inventory.Kind{senseHeat, senseLeak}, ""}, {"Thermal", "Thermal", heat, "ThermalSubsystem"},
			{"PowerSubsystem", "PowerSubsystem", psu, ""}, {"Power", "Power", psu, "PowerSubsystem"},
			{"Sensors", "Sensor", heat, ""}, {"Oem/Alarms", "Alarm", leak, ""}, {"Oem/Nvidia/Policies", "NvidiaPolicy", leak, ""}}
	case "ThermalSubsystem", "CoolingUnit":
		return []link{{"LeakDetection", "LeakDetection", leak, ""}}
	case "LeakDetection":
		return []link{{"LeakDetectors", "LeakDetector", leak, ""}}
	case "ThermalEquipment":
		return []link{{"CDUs", "CoolingUnit", leak, ""}, {"LeakDetection", "LeakDetection", leak, ""}}
	case "PowerSubsystem", "PowerDistribution":
		return []link{{"PowerSupplies", "PowerSupply", psu, ""}}
	case "PowerEquipment":
		return []link{{"PowerShelves", "PowerDistribution", psu, ""}}
	}
	return nil
}

// leakLinks are those of alarmLinks that lead to leak detectors.
func leakLinks(kind string) []link {
	var out []link
	for _, l := range alarmLinks(kind) {
		if slices.Contains(l.proves, senseLeak) {
			l.proves = []inventory.Kind{senseLeak}
			out = append(out, l)
		}
	}
	return out
}

// alarmsOf judges what was read. It is pure.
func alarmsOf(t *tree) []Alarm {
	var out []Alarm
	for _, f := range t.faults {
		out = append(out, Alarm{Kind: AlarmBlind, Sensor: f.Path, State: fmt.Sprintf("%s: %s", f.Kind, f.Reason), Leak: f.Kind == senseLeak || f.Kind == ""})
	}
	for _, r := range t.order {
		out = append(out, judgeSensor(r)...)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Kind+out[i].Sensor < out[j].Kind+out[j].Sensor })
	return out
}

func judgeSensor(r *resource) []Alarm {
	one := func(kind AlarmKind, state string) []Alarm { return []Alarm{{Kind: kind, Sensor: r.id, State: state}} }
	absent := strings.EqualFold(r.at("Status/State"), "Absent")
	switch r.kind {
	case "LeakDetector":
		switch state := r.at("DetectorState"); {
		case absent:
		case state == "Warning" || state == "Critical":
			return one(AlarmLeak, state)
		case state != "OK":
			return []Alarm{{Kind: AlarmBlind, Sensor: r.id, State: "DetectorState " + strconv.Quote(state), Leak: true}}
		}
	case "Alarm": // Cray EX: Armed is quiet, Triggered stays until it is re-armed
		state := r.at("AlarmState")
		if !strings.Contains(r.id, "Leak") || state == "Armed" {
			return nil
		}
		if state != "Triggered" { // "Disarmed" and the like: a leak is not said, and dry neither
			return []Alarm{{Kind: AlarmBlind, Sensor: r.id, State: "AlarmState " + strconv.Quote(state), Leak: true}}
		}
		return []Alarm{{Kind: AlarmLeak, Sensor: r.id, State: state, Latched: r.at("AutomaticReArm") != "true"}}
	case "NvidiaPolicy":
		if strings.Contains(r.id, "Leak") && r.at("PolicyEnabled") != "true" {
			return one(AlarmPolicyOff, "PolicyEnabled "+strconv.Quote(r.at("PolicyEnabled")))
		}
	case "ThermalSubsystem":
		if r.at("Status/Health") == "Critical" {
			return one(AlarmHot, "Critical")
		}
	case "Sensor":
		return judgeHeat(r)
	case "Thermal":
		return entries(r, "Temperatures", judgeTemperature)
	case "PowerSupply":
		if !absent && r.at("Status/Health") == "Critical" {
			return one(AlarmPower, "Critical")
		}
	case "Power":
		return entries(r, "PowerSupplies", func(e *resource) (AlarmKind, string) {
			if e.at("Status/Health") == "Critical" && e.at("Status/State") != "Absent" {
				return AlarmPower, "Critical"
			}
			return "", ""
		})
	}
	return nil
}

// judgeHeat: a temperature sensor against its own critical limit.
func judgeHeat(r *resource) []Alarm {
	if !limitedHeat(r) || r.at("Status/State") != "" && r.at("Status/State") != "Enabled" {
		return nil
	}
	reading, err := strconv.ParseFloat(r.at("Reading"), 64)
	if err != nil {
		return []Alarm{{Kind: AlarmBlind, Sensor: r.id, State: "an enabled sensor without a reading"}}
	}
	for _, name := range []string{"UpperCritical", "UpperFatal"} {
		limit, err := strconv.ParseFloat(r.at("Thresholds/"+name+"/Reading"), 64)
		if err == nil && reading >= limit {
			return []Alarm{{Kind: AlarmHot, Sensor: r.id, State: fmt.Sprintf("%g C, limit %g", reading, limit)}}
		}
	}
	return nil
}

// limitedHeat: only a temperature with a critical limit of its own can alarm.
func limitedHeat(r *resource) bool {
	return r.at("ReadingType") == "Temperature" && (r.at("Thresholds/UpperCritical/Reading") != "" || r.at("Thresholds/UpperFatal/Reading") != "")
}

// entries judges the elements of a list inside a body.
func entries(r *resource, path string, judge func(*resource) (AlarmKind, string)) []Alarm {
	var out []Alarm
	for i, raw := range extract(r.fields, path) {
		e, err := parseResource(raw, r.id)
		if err != nil {
			out = append(out, Alarm{Kind: AlarmBlind, Sensor: fmt.Sprintf("%s#/%s/%d", r.id, path, i), State: err.Error()})
			continue
		}
		if kind, state := judge(e); kind != "" {
			out = append(out, Alarm{Kind: kind, Sensor: fmt.Sprintf("%s#/%s/%d", r.id, path, i), State: firstText(e.at("Name"), strconv.Itoa(i)) + ": " + state})
		}
	}
	return out
}

// judgeTemperature: the BMC's own word first, else its reading against its own
// critical limit. A sensor without a reading on an idle or empty place is none.
func judgeTemperature(e *resource) (AlarmKind, string) {
	if s := e.at("Status/State"); s != "" && s != "Enabled" {
		return "", ""
	}
	reading, err := strconv.ParseFloat(e.at("ReadingCelsius"), 64)
	if e.at("Status/Health") == "Critical" {
		return AlarmHot, "Critical"
	}
	for _, name := range []string{"UpperThresholdCritical", "UpperThresholdFatal"} {
		limit, lerr := strconv.ParseFloat(e.at(name), 64)
		if err == nil && lerr == nil && limit > 0 && reading >= limit {
			return AlarmHot, fmt.Sprintf("%g C, limit %g", reading, limit)
		}
	}
	return "", ""
}
