package redfish

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

const withReset = `"Actions":{"#ComputerSystem.Reset":{"target":"/x"}},"Bios":{"@odata.id":"/b"}`

// service is a root with these Systems and Chassis, by id.
func service(root string, systems, chassis map[string]string) bodies {
	b := bodies{"/redfish/v1": `{"@odata.type":"#ServiceRoot.v1_9_0.ServiceRoot","Systems":{"@odata.id":"/redfish/v1/Systems"},"Chassis":{"@odata.id":"/redfish/v1/Chassis"}` + comma(root) + `}`}
	for name, in := range map[string]map[string]string{"Systems": systems, "Chassis": chassis} {
		kind := map[string]string{"Systems": "ComputerSystem", "Chassis": "Chassis"}[name]
		var paths []string
		for id, more := range in {
			path := "/redfish/v1/" + name + "/" + id
			paths = append(paths, path)
			b[path] = res(path, kind, more)
		}
		slices.Sort(paths)
		b["/redfish/v1/"+name] = refList(kind, paths...)
	}
	return b
}

func TestRoles(t *testing.T) {
	tests := map[string]struct {
		b       bodies
		profile Profile
		want    string // id=role, sorted
	}{
		"one server": {service("", map[string]string{"1": withReset}, nil), Profile{}, "1=host"},
		"hgx tray": {service("", map[string]string{"DGX": withReset, "HGX_Baseboard_0": ""}, map[string]string{"c": ""}), Profile{},
			"DGX=host HGX_Baseboard_0=baseboard"},
		"baseboard by its processors": {service("", map[string]string{"DGX": withReset, "Accel": ref("Processors", "/redfish/v1/Systems/Accel/Processors")}, nil).with(bodies{
			"/redfish/v1/Systems/Accel/Processors":   refList("Processor", "/redfish/v1/Systems/Accel/Processors/A"),
			"/redfish/v1/Systems/Accel/Processors/A": res("/redfish/v1/Systems/Accel/Processors/A", "Processor", `"ProcessorType":"Accelerator"`)}), Profile{},
			"Accel=baseboard DGX=host"},
		"host without reset is a host": {service("", map[string]string{"1": `"Model":"old"`}, nil), Profile{}, "1=host"},
		"smart nic":                    {service("", map[string]string{"1": withReset, "Card1": withReset + `,"SystemType":"DPU"`}, nil), Profile{}, "1=host Card1=dpu"},
		"bluefield says physical":      {service(`"Product":"Nvidia-BMCMezz"`, map[string]string{"Bluefield": withReset + `,"SystemType":"Physical"`}, nil), Profile{}, "Bluefield=dpu"},
		"dpu by profile":               {service("", map[string]string{"1": withReset, "NIC": withReset}, nil), Profile{DPUs: []string{"NIC"}}, "1=host NIC=dpu"},
		"nvlink switch tray":           {service("", map[string]string{"System_0": withReset}, map[string]string{"MGX_NVSwitch_0": "", "MGX_NVSwitch_1": ""}), Profile{}, "System_0=switch"},
		"hgx host with switches":       {service("", map[string]string{"System_0": withReset, "HGX_Baseboard_0": ""}, map[string]string{"MGX_NVSwitch_0": ""}), Profile{}, "HGX_Baseboard_0=baseboard System_0=host"},
		"settings are no systems":      {service("", map[string]string{"1": withReset, "Settings": "", "Capabilities": ""}, nil), Profile{}, "1=host"},
		"shelf":                        {service("", nil, map[string]string{"shelf": `"ChassisType":"Shelf"`}), Profile{}, ""},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			tr, err := walkBy(context.Background(), c.b, roleLinks)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range systemsOf(tr) {
				s := systemOf(tr, r, c.profile)
				got = append(got, s.ID+"="+string(s.Role))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

// TestTarget: two hosts without a name are an error that lists every id; an
// unknown name is one too, never the only System.
func TestTarget(t *testing.T) {
	two := service("", map[string]string{"Node0": withReset + `,"SerialNumber":"SN7"`, "Node1": withReset + `,"SerialNumber":"SN7"`}, nil)
	for name, want := range map[string]string{"": "Node0 (host), Node1 (host)", "Node7": "no System \"Node7\"; the service has Node0 (host), Node1 (host)"} {
		_, _, err := observed(t, two, name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("system %q: %v, want %q in it", name, err, want)
		}
	}
	tr, err := walk(context.Background(), two)
	if err != nil {
		t.Fatal(err)
	}
	r, role, err := target(tr, inventory.Endpoint{System: "Node1"}, Profile{})
	if err != nil || idOf(r) != "Node1" || role != RoleHost {
		t.Errorf("%v %s %v", r, role, err)
	}
}

// TestScope: parts of the other host, its chassis and its faults stay out; what
// says nothing of its owner is shared.
func TestScope(t *testing.T) {
	node := func(id string) bodies {
		s := "/redfish/v1/Systems/" + id
		return bodies{
			s + "/Processors":                                      refList("Processor", s+"/Processors/CPU0"),
			s + "/Processors/CPU0":                                 res(s+"/Processors/CPU0", "Processor", `"ProcessorType":"CPU","SerialNumber":"`+id+`"`),
			"/redfish/v1/Chassis/" + id + "/NetworkAdapters":       refList("NetworkAdapter", "/redfish/v1/Chassis/"+id+"/NetworkAdapters/"+id),
			"/redfish/v1/Chassis/" + id + "/NetworkAdapters/" + id: res("/redfish/v1/Chassis/"+id+"/NetworkAdapters/"+id, "NetworkAdapter", `"Model":"CX7"`),
		}
	}
	more := func(id string) string {
		return withReset + "," + ref("Processors", "/redfish/v1/Systems/"+id+"/Processors") + "," + ref("Memory", "/redfish/v1/Systems/"+id+"/Memory")
	}
	nics := func(id string) string { return ref("NetworkAdapters", "/redfish/v1/Chassis/"+id+"/NetworkAdapters") }
	b := service("", map[string]string{"Node0": more("Node0"), "Node1": more("Node1")},
		map[string]string{"Node0": nics("Node0"), "Node1": nics("Node1"), "Enclosure": `"ChassisType":"Enclosure","SerialNumber":"E1"`}).with(node("Node0")).with(node("Node1"))
	o, _, err := observed(t, b, "Node1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"board/Enclosure", "chassis/self", "cpu/CPU0", "nic/Node1"}
	if got := partKeys(o); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if hasFault(o, inventory.KindDIMM, "Node0", "") || !hasFault(o, inventory.KindDIMM, "Node1", "404") {
		t.Errorf("faults of the wrong node: %v", o.Faults)
	}
}
