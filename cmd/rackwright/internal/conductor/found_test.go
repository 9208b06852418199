package conductor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

func finding(kind inventory.FindingKind, class inventory.Kind) inventory.Finding {
	return inventory.Finding{ID: inventory.FindingID(kind), Kind: kind, Node: "n1", Key: inventory.Key{Kind: class, Slot: "X"}, Fix: "x"}
}

func TestJudgeVerified(t *testing.T) {
	now := time.Now()
	accept := func(id inventory.FindingID) inventory.Waiver {
		return inventory.Waiver{Finding: id, Reason: "r", Requester: "a", Approver: "b", Until: now.Add(time.Hour)}
	}
	want := []inventory.Component{{Key: inventory.Key{Kind: inventory.KindGPU, Slot: "GPU0"}}, {Key: inventory.Key{Kind: inventory.KindDIMM}, Quantity: 2}, {Key: inventory.Key{Kind: inventory.KindPSU, Slot: "0"}}}
	all := func(r inventory.Result) map[inventory.Gate]inventory.Result {
		m := map[inventory.Gate]inventory.Result{}
		for _, a := range verifyGates {
			m[a.gate] = r
		}
		return m
	}
	but := func(m map[inventory.Gate]inventory.Result, r inventory.Result, gates ...inventory.Gate) map[inventory.Gate]inventory.Result {
		for _, g := range gates {
			m[g] = r
		}
		return m
	}
	closed := finding(inventory.FindMissing, inventory.KindGPU)
	closed.Closed = true
	elsewhere := finding(inventory.FindMissing, inventory.KindGPU)
	elsewhere.Node = "n2"
	swapped := finding(inventory.FindSwapped, inventory.KindChassis)
	swapped.Node, swapped.Others = "n2", []inventory.NodeID{"n1"}
	for _, c := range []struct {
		name     string
		findings []inventory.Finding
		waivers  []inventory.Waiver
		faults   []inventory.ReadFault
		want     map[inventory.Gate]inventory.Result
	}{
		{"nothing found", nil, nil, nil, all(inventory.ResultPass)},
		{"a closed finding counts no more", []inventory.Finding{closed}, nil, nil, all(inventory.ResultPass)},
		{"another node's finding", []inventory.Finding{elsewhere}, nil, nil, all(inventory.ResultPass)},
		{"a missing module", []inventory.Finding{finding(inventory.FindMissing, inventory.KindDIMM)}, nil, nil,
			but(all(inventory.ResultPass), inventory.ResultFail, lifecycle.GateBOM, lifecycle.GateMemory)},
		{"an exchange, named on the other node", []inventory.Finding{swapped}, nil, nil,
			but(all(inventory.ResultPass), inventory.ResultFail, lifecycle.GateSerials, lifecycle.GateSlot)},
		{"an exchange that two people accepted", []inventory.Finding{swapped}, []inventory.Waiver{accept(swapped.ID)}, nil, all(inventory.ResultPass)},
		{"wrong firmware is the next milestone's", []inventory.Finding{finding(inventory.FindWrongFirmware, inventory.KindGPU)}, nil, nil, all(inventory.ResultPass)},
		{"a class that could not be read is never a pass", []inventory.Finding{finding(inventory.FindUnreadable, inventory.KindPSU)}, nil, nil,
			but(all(inventory.ResultUnjudged), inventory.ResultPass, lifecycle.GateMemory)},
		{"an unread path of an ordered class may hide a part", nil, nil, []inventory.ReadFault{{Path: "/p", Reason: "500", Kind: inventory.KindGPU}},
			but(all(inventory.ResultPass), inventory.ResultUnjudged, lifecycle.GateBOM)},
		{"an unread path of a class nobody ordered", nil, nil, []inventory.ReadFault{{Path: "/p", Reason: "404", Kind: inventory.KindFan}}, all(inventory.ResultPass)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := lifecycle.Facts{Node: inventory.Node{ID: "n1"}, Findings: c.findings, Waivers: c.waivers, Now: now}
			got := map[inventory.Gate]inventory.Result{}
			for _, x := range judgeVerified(f, inventory.Observation{Faults: c.faults}, want) {
				got[x.gate] = x.result
				if x.result != inventory.ResultPass && x.detail == "" {
					t.Errorf("%s is %s without a reason", x.gate, x.result)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestNothingOrdered: an order without parts proves none.
func TestNothingOrdered(t *testing.T) {
	f := lifecycle.Facts{Node: inventory.Node{ID: "n1"}}
	for _, x := range judgeVerified(f, inventory.Observation{}, []inventory.Component{{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}}}) {
		want := inventory.ResultUnjudged
		if x.gate == lifecycle.GateSerials || x.gate == lifecycle.GateSlot {
			want = inventory.ResultPass
		}
		if x.result != want {
			t.Errorf("%s is %s, want %s", x.gate, x.result, want)
		}
	}
}

func TestIdentity(t *testing.T) {
	c4 := inventory.Node{ID: "4", Address: "A/C4", Serial: "S4", UUID: "aaaaaaaa-0000-4000-8000-000000000004", BMC: inventory.Endpoint{MAC: "02:00:00:00:00:04", Pin: "sha256:p4"}}
	c5 := inventory.Node{ID: "5", Address: "A/C5", Serial: "S5", UUID: "aaaaaaaa-0000-4000-8000-000000000005", BMC: inventory.Endpoint{MAC: "02:00:00:00:00:05"}}
	all := []inventory.Node{c4, c5}
	for _, x := range []struct {
		name string
		at   inventory.Node
		u    unit
		want inventory.NodeID
	}{
		{"nothing known", c4, unit{}, "4"},
		{"the key it proved before, in its own slot", c4, unit{pin: "sha256:p4", uuid: c5.UUID}, "4"},
		{"the key it proved before, in another slot", c5, unit{pin: "sha256:p4"}, "4"},
		{"the ordered UUID", c4, unit{pin: "sha256:new", uuid: "AAAAAAAA-0000-4000-8000-000000000005"}, "5"},
		{"the UUID of a unit that proved another key", c5, unit{pin: "sha256:new", uuid: c4.UUID}, "5"},
		{"an unknown UUID", c4, unit{uuid: "bbbbbbbb-0000-4000-8000-000000000009"}, "4"},
	} {
		if got := whose(x.at, all, x.u); got.ID != x.want {
			t.Errorf("%s: the unit of %s, want %s", x.name, got.ID, x.want)
		}
	}
	seen := func(serial, mac string) inventory.Observation {
		o := inventory.Observation{Components: []inventory.Component{{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}, Serial: serial}}}
		if mac != "" {
			o.Components = append(o.Components, inventory.Component{Key: inventory.Key{Kind: inventory.KindBMC, Slot: "BMC"}, IDs: []inventory.Identifier{{Kind: inventory.IDMACBMC, Norm: mac}}})
		}
		return o
	}
	both := seen("S4", "")
	both.Components[0].IDs = []inventory.Identifier{{Kind: inventory.IDUUID, Norm: c5.UUID}}
	for _, x := range []struct {
		name     string
		o        inventory.Observation
		id, port inventory.Result
	}{
		{"itself", seen("s4 ", "02:00:00:00:00:04"), inventory.ResultPass, inventory.ResultPass},
		{"another unit of the rack, with its own MAC", seen("S5", "02:00:00:00:00:05"), inventory.ResultPass, inventory.ResultPass},
		{"a unit nobody ordered is never bound by guess", seen("S9", "02:00:00:00:00:04"), inventory.ResultFail, inventory.ResultPass},
		{"a foreign MAC", seen("S4", "02:00:00:00:00:99"), inventory.ResultPass, inventory.ResultFail},
		{"no MAC shown", seen("S4", ""), inventory.ResultPass, inventory.ResultUnjudged},
		{"a placeholder serial", seen("To Be Filled By O.E.M.", "02:00:00:00:00:04"), inventory.ResultUnjudged, inventory.ResultPass},
		{"serial and UUID of two units", both, inventory.ResultFail, inventory.ResultUnjudged},
	} {
		got := judgeDiscovered(c4, all, x.o)
		if got[0].result != x.id || got[1].result != x.port {
			t.Errorf("%s: identity %+v, port %+v", x.name, got[0], got[1])
		}
	}
}

func TestJudgeLeaks(t *testing.T) {
	alarm := func(kind, sensor string) redfish.Alarm { return redfish.Alarm{Kind: kind, Sensor: sensor} }
	for _, x := range []struct {
		name   string
		alarms []redfish.Alarm
		want   inventory.Result
		said   bool
	}{
		{"dry", nil, inventory.ResultPass, false},
		{"a leak", []redfish.Alarm{alarm(redfish.AlarmLeak, "/LeakDetectors/0")}, inventory.ResultFail, true},
		{"a leak sensor that does not answer", []redfish.Alarm{{Kind: redfish.AlarmBlind, Sensor: "/LeakDetectors/0", Leak: true}}, inventory.ResultUnjudged, true},
		{"a leak, and a detector that does not answer", []redfish.Alarm{{Kind: redfish.AlarmBlind, Sensor: "/LeakDetectors/0", Leak: true}, alarm(redfish.AlarmLeak, "/LeakDetectors/1")}, inventory.ResultFail, true},
		{"the way to the leak sensors is cut", []redfish.Alarm{{Kind: redfish.AlarmBlind, Sensor: "/Chassis/1/ThermalSubsystem", Leak: true}}, inventory.ResultUnjudged, true},
		{"a temperature sensor that does not answer", []redfish.Alarm{alarm(redfish.AlarmBlind, "/Sensors/Inlet")}, inventory.ResultPass, true},
		{"a part that is too hot", []redfish.Alarm{alarm(redfish.AlarmHot, "/Sensors/GPU_0")}, inventory.ResultPass, true},
		{"a supply that failed", []redfish.Alarm{alarm(redfish.AlarmPower, "/PowerSupplies/0")}, inventory.ResultPass, true},
		{"the tray would not cut its power", []redfish.Alarm{alarm(redfish.AlarmPolicyOff, "/Policies/Leak")}, inventory.ResultPass, true},
	} {
		if got := judgeLeaks(redfish.Sensed{Alarms: x.alarms, Detectors: 4}, 4); got.result != x.want || (got.detail != "") != x.said {
			t.Errorf("%s: %+v", x.name, got)
		}
	}
}
