package redfish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

func alarmKinds(t *testing.T, b bodies) []string {
	t.Helper()
	tr, err := walkBy(context.Background(), b, alarmLinks)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range alarmsOf(tr) {
		out = append(out, a.Kind+" "+lastSegment(strings.ReplaceAll(a.Sensor, "#", "/")))
	}
	return out
}

// cooled is a chassis with one leak detector in this state.
func cooled(detector string) bodies {
	const th = cha + "/ThermalSubsystem"
	return hostWith("", ref("ThermalSubsystem", th), bodies{
		th:                                     res(th, "ThermalSubsystem", ref("LeakDetection", th+"/LeakDetection")),
		th + "/LeakDetection":                  res(th+"/LeakDetection", "LeakDetection", ref("LeakDetectors", th+"/LeakDetection/LeakDetectors")),
		th + "/LeakDetection/LeakDetectors":    refList("LeakDetector", th+"/LeakDetection/LeakDetectors/L0"),
		th + "/LeakDetection/LeakDetectors/L0": detector,
	})
}

func TestAlarms(t *testing.T) {
	leak := func(more string) bodies {
		return cooled(res(cha+"/ThermalSubsystem/LeakDetection/LeakDetectors/L0", "LeakDetector", more))
	}
	sensor := func(more string) bodies {
		return hostWith("", ref("Sensors", cha+"/Sensors"), bodies{cha + "/Sensors": refList("Sensor", cha+"/Sensors/T0"), cha + "/Sensors/T0": res(cha+"/Sensors/T0", "Sensor", more)})
	}
	thermal := func(entry string) bodies {
		return hostWith("", ref("Thermal", cha+"/Thermal"), bodies{cha + "/Thermal": res(cha+"/Thermal", "Thermal", `"Temperatures":[`+entry+`]`)})
	}
	cray := func(state string) bodies {
		at := cha + "/Oem/Alarms"
		return hostWith("", `"Oem":{"Alarms":{"@odata.id":"`+at+`"}}`, bodies{at: refList("Alarm", at+"/CabinetLeakDetected", at+"/DoorOpen"),
			at + "/CabinetLeakDetected": res(at+"/CabinetLeakDetected", "Alarm", `"AlarmState":"`+state+`"`), at + "/DoorOpen": res(at+"/DoorOpen", "Alarm", `"AlarmState":"Triggered"`)})
	}
	policy := func(on bool) bodies {
		at := cha + "/Oem/Nvidia/Policies"
		return hostWith("", `"Oem":{"Nvidia":{"Policies":{"@odata.id":"`+at+`"}}}`, bodies{at: refList("NvidiaPolicy", at+"/LeakDetectionPolicy"),
			at + "/LeakDetectionPolicy": res(at+"/LeakDetectionPolicy", "NvidiaPolicy", fmt.Sprintf(`"PolicyEnabled":%t`, on))})
	}
	supply := func(health string) bodies {
		b := powers()
		b[cha+"/PowerSubsystem/PowerSupplies/P1"] = res(cha+"/PowerSubsystem/PowerSupplies/P1", "PowerSupply", `"Status":{"State":"Enabled","Health":"`+health+`"}`)
		return hostWith("", ref("PowerSubsystem", cha+"/PowerSubsystem"), b)
	}
	tests := map[string]struct {
		b    bodies
		want []string
	}{
		"dry":                           {leak(`"DetectorState":"OK"`), nil},
		"leak":                          {leak(`"DetectorState":"Critical"`), []string{"leak L0"}},
		"moisture":                      {leak(`"DetectorState":"Warning"`), []string{"leak L0"}},
		"no detector there":             {leak(`"Status":{"State":"Absent"}`), nil},
		"detector without a word":       {leak(`"DetectorState":null`), []string{"blind L0"}},
		"detector that does not answer": {cooled("!boom"), []string{"blind L0"}},
		"detector of another type":      {cooled(res("/x", "Sensor", "")), []string{"blind L0"}},
		"cray quiet":                    {cray("Armed"), nil},
		"cray disarmed":                 {cray("Disarmed"), []string{"blind CabinetLeakDetected"}},
		"cray leak":                     {cray("Triggered"), []string{"leak CabinetLeakDetected"}},
		"cut-off armed":                 {policy(true), nil},
		"cut-off off":                   {policy(false), []string{"leak-cut-off LeakDetectionPolicy"}},
		"cool":                          {sensor(`"ReadingType":"Temperature","Reading":40,"Thresholds":{"UpperCritical":{"Reading":90}}`), nil},
		"hot":                           {sensor(`"ReadingType":"Temperature","Reading":"91","Thresholds":{"UpperCritical":{"Reading":90}}`), []string{"over-temperature T0"}},
		"hot sensor without a reading":  {sensor(`"ReadingType":"Temperature","Reading":null,"Status":{"State":"Enabled"},"Thresholds":{"UpperCritical":{"Reading":90}}`), []string{"blind T0"}},
		"a fan is no temperature":       {sensor(`"ReadingType":"Rotational","Reading":9000,"Thresholds":{"UpperCritical":{"Reading":90}}`), nil},
		"old thermal, cool":             {thermal(`{"Name":"CPU","ReadingCelsius":40,"UpperThresholdCritical":90,"Status":{"State":"Enabled"}}`), nil},
		"old thermal, hot":              {thermal(`{"Name":"CPU","ReadingCelsius":95,"UpperThresholdCritical":90}`), []string{"over-temperature 0"}},
		"old thermal, empty place":      {thermal(`{"Name":"CPU2","ReadingCelsius":0,"Status":{"State":"Absent"}}`), nil},
		"supply fine":                   {supply("OK"), nil},
		"supply failed":                 {supply("Critical"), []string{"power P1"}},
		"chassis list does not answer":  {host().with(bodies{"/redfish/v1/Chassis": "!boom"}), []string{"blind Chassis", "blind Chassis", "blind Chassis"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			if got := alarmKinds(t, c.b); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestAlarmsSim polls a real tray over HTTPS: the second poll asks only the
// sensors, a leak shows at once, and so does a detector that stops answering.
func TestAlarmsSim(t *testing.T) {
	r := newRig(t, bmcsim.ProfileGB200, nil)
	b := r.dial(t)
	count := func(want ...string) []Alarm {
		t.Helper()
		read, err := b.Alarms(soon(t), 0)
		if err != nil {
			t.Fatal(err)
		}
		list := read.Alarms
		var got []string
		for _, a := range list {
			if a.Kind != AlarmPolicyOff { // off in this tray, as in the capture
				got = append(got, a.Kind)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("alarms %v, want %v", list, want)
		}
		return list
	}
	count()
	first := r.sim.Counters().Requests
	count()
	if second := r.sim.Counters().Requests; second-first >= first {
		t.Errorf("the second poll asked %d times, the first %d", second-first, first)
	}
	detector := r.spec.Leaks[1]
	if err := r.sim.SetLeak(detector, "Critical"); err != nil {
		t.Fatal(err)
	}
	if list := count(AlarmLeak); len(list) > 0 && !slices.ContainsFunc(list, func(a Alarm) bool { return strings.HasSuffix(a.Sensor, detector) }) {
		t.Errorf("the leak names %v, not %s", list, detector)
	}
	if err := r.fleet.AddFaults(bmcsim.Fault{Path: "*LeakDetectors/" + r.spec.Leaks[0], Method: "GET", Status: 404, Count: -1}); err != nil {
		t.Fatal(err)
	}
	count(AlarmBlind, AlarmLeak)
}

// TestLeaksSim: the watch's reading asks the detectors and little else, and says
// of heat nothing, not even that it is blind to it.
func TestLeaksSim(t *testing.T) {
	r := newRig(t, bmcsim.ProfileGB200, nil)
	b := r.dial(t)
	read := func(want ...string) {
		t.Helper()
		list, err := b.Leaks(soon(t), 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range list.Alarms {
			if a.Kind != AlarmPolicyOff {
				got = append(got, a.Kind)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("leaks %v, want %v", list, want)
		}
	}
	read()
	before := r.sim.Counters().Requests
	read()
	if n := r.sim.Counters().Requests - before; n > len(r.spec.Leaks)+2 { // the detectors, the cut-off policy
		t.Errorf("a second look asked %d times for %d detectors", n, len(r.spec.Leaks))
	}
	if err := r.fleet.AddFaults(bmcsim.Fault{Path: "*Sensors*", Method: "GET", Status: 404, Count: -1}, bmcsim.Fault{Path: "*PowerSubsystem*", Method: "GET", Status: 404, Count: -1}); err != nil {
		t.Fatal(err)
	}
	read()
	if err := r.sim.SetLeak(r.spec.Leaks[0], "Warning"); err != nil {
		t.Fatal(err)
	}
	read(AlarmLeak)
	if err := r.fleet.AddFaults(bmcsim.Fault{Path: "*LeakDetectors/" + r.spec.Leaks[1], Method: "GET", Status: 404, Count: -1}); err != nil {
		t.Fatal(err)
	}
	read(AlarmBlind, AlarmLeak)
}

// TestDetectorsAreCounted: a BMC whose tree fills slowly after a restart lists no
// detector, and no fault; what is known to list more is looked at again.
func TestDetectorsAreCounted(t *testing.T) {
	f := newFake(t)
	const list = cha + "/ThermalSubsystem/LeakDetection/LeakDetectors"
	for path, body := range cooled(res(list+"/L0", "LeakDetector", `"DetectorState":"OK"`)) {
		if strings.HasPrefix(path, "/redfish/v1/Chassis") {
			f.docs[path] = body
		}
	}
	full := f.docs[list]
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	read := func(body string, want int) {
		t.Helper()
		f.mu.Lock()
		f.docs[list] = body
		f.mu.Unlock()
		for _, ask := range []func(context.Context, int) (Sensed, error){b.Leaks, b.Alarms} {
			if got, err := ask(soon(t), 1); err != nil || got.Detectors != want || len(got.Alarms) != 0 {
				t.Errorf("%+v %v, want %d detectors", got, err, want)
			}
		}
	}
	read(refList("LeakDetector"), 0)
	read(full, 1)
}
