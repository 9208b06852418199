package bmcsim

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestTreesHoldTogether walks every profile: each link answers, each body names
// itself, ids are unique per collection, the root says that it is simulated.
func TestTreesHoldTogether(t *testing.T) {
	for profile := range builders() {
		t.Run(profile, func(t *testing.T) {
			_, p := rig(t, profile, nil)
			p.login()
			oem := p.get(root)["Oem"].(object)["Rackwright"].(object)
			equal(t, "Simulated", oem["Simulated"], true)
			seen := map[string]object{}
			walk(p, root, seen)
			t.Logf("%s: %d resources", profile, len(seen))
			for path, body := range seen {
				if str(body, "@odata.id") != path {
					t.Errorf("%s says it is %q", path, str(body, "@odata.id"))
				}
				if !strings.HasPrefix(str(body, "@odata.type"), "#") || str(body, "Name") == "" {
					t.Errorf("%s lacks @odata.type or Name", path)
				}
			}
		})
	}
}

func walk(p *peer, path string, seen map[string]object) {
	if seen[path] != nil {
		return
	}
	seen[path] = p.get(path)
	for _, link := range links(seen[path], path) {
		walk(p, link, seen)
	}
}

// links are the @odata.id of a body, without whole members of an expanded collection.
func links(v any, self string) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			out = append(out, links(one, self)...)
		}
	case object:
		id := str(v, "@odata.id")
		if id != "" && id != self {
			if len(v) > 1 { // an expanded member: its own URI is not served
				return nil
			}
			return []string{id}
		}
		for _, k := range sorted(v) {
			out = append(out, links(v[k], self)...)
		}
	}
	return out
}

func TestProfilesCount(t *testing.T) {
	for _, c := range []struct {
		profile, collection string
		members             int
	}{
		{ProfileX86, systems, 1}, {ProfileX86, systems + "/1/Memory", 16}, {ProfileX86, systems + "/1/Processors", 2},
		{ProfileHGX, systems, 2}, {ProfileHGX, systems + "/HGX_Baseboard_0/Processors", 8}, {ProfileHGX, systems + "/DGX/Processors", 2},
		{ProfileHGX, systems + "/DGX/Memory", 32}, {ProfileHGX, systems + "/DGX/EthernetInterfaces", 8},
		{ProfileHGX, root + "/Fabrics/HGX_NVLinkFabric_0/Switches", 4}, {ProfileHGX, managers, 3},
		{ProfileGB200, systems + "/System_0/Processors", 0}, {ProfileGB200, systems + "/HGX_Baseboard_0/Processors", 6},
		{ProfileGB200, systems + "/HGX_Baseboard_0/Processors/GPU_0/Ports", 18}, {ProfileGB200, systems + "/System_0/EthernetInterfaces", 0},
		{ProfileGB200, systems + "/System_0/BootOptions", 9}, {ProfileGB200, chassis + "/Chassis_0/ThermalSubsystem/LeakDetection/LeakDetectors", 4},
		{ProfileSwitch, systems + "/System_0/Processors", 0}, {ProfileSwitch, root + "/Fabrics/MGX_NVLinkFabric_0/Switches", 2},
		{ProfileSwitch, root + "/ComponentIntegrity", 5}, {ProfileShelf, chassis + "/powershelf/PowerSubsystem/PowerSupplies", 6},
	} {
		s := NewSpec(c.profile, "n")
		r := build(&s)[c.collection]
		if r == nil || len(r.members) != c.members {
			t.Errorf("%s %s: %v, want %d members", c.profile, c.collection, r, c.members)
		}
	}
}

func TestShelfIsExpandedWithTextNumbers(t *testing.T) {
	_, p := rig(t, ProfileShelf, nil)
	p.want(404, "GET", systems, nil)
	all := p.get(chassis + "/powershelf/PowerSubsystem/PowerSupplies")
	psu := all["Members"].([]any)[0].(object)
	equal(t, "CapacityWatts", psu["CapacityWatts"], "5500")
	if _, isText := psu["CapacityWatts"].(string); !isText {
		t.Error("CapacityWatts is not text")
	}
	p.want(404, "GET", str(psu, "@odata.id"), nil)
}

// TestSpecFaults shows the three faults of the demo: a missing DIMM, a swapped
// serial, a wrong GPU firmware; and that a spec survives JSON.
func TestSpecFaults(t *testing.T) {
	_, p := rig(t, ProfileHGX, func(s *Spec) {
		if !s.Remove("dimm", "DIMM_3") || !s.SetVersion("HGX_FW_GPU_SXM_2", "96.00.30.00.01") {
			t.Fatal("part or component not found")
		}
		s.Part("gpu", "GPU_SXM_1").Serial = "1653000000001"
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		*s = Spec{}
		if err := json.Unmarshal(raw, s); err != nil {
			t.Fatal(err)
		}
	})
	board := systems + "/HGX_Baseboard_0/Processors/"
	p.want(404, "GET", systems+"/DGX/Memory/DIMM_3", nil)
	equal(t, "serial", p.get(board + "GPU_SXM_1")["SerialNumber"], "1653000000001")
	equal(t, "inventory", p.get(inventory + "/HGX_FW_GPU_SXM_2")["Version"], "96.00.30.00.01")
	equal(t, "processor", p.get(board + "GPU_SXM_2")["FirmwareVersion"], "96.00.30.00.01")
}

func TestSameNameSameMachine(t *testing.T) {
	a, b, c := NewSpec(ProfileHGX, "r1-u1"), NewSpec(ProfileHGX, "r1-u1"), NewSpec(ProfileHGX, "r1-u2")
	if a.UUID != b.UUID || a.Parts[0].Serial != b.Parts[0].Serial {
		t.Error("the same name gave two machines")
	}
	var macs []string
	for _, s := range []Spec{a, c} {
		for _, n := range s.of("nic") {
			macs = append(macs, n.MACs...)
		}
	}
	slices.Sort(macs)
	if n := len(macs); n != 16 || len(slices.Compact(macs)) != n {
		t.Errorf("MACs repeat: %v", macs)
	}
}

func TestOData(t *testing.T) {
	_, p := rig(t, ProfileGB200, nil)
	p.token = "none" // both documents answer without a login
	a := p.want(200, "GET", root+"/$metadata", nil)
	equal(t, "type", a.Header.Get("Content-Type"), "application/xml;charset=utf-8")
	for _, want := range []string{`Uri="http://redfish.dmtf.org/schemas/v1/ComputerSystem_v1.xml"><edmx:Include Namespace="ComputerSystem"/><edmx:Include Namespace="ComputerSystem.v1_22_0"/>`, `Extends="ServiceRoot.`} {
		if !strings.Contains(string(a.raw), want) {
			t.Errorf("no %s in %s", want, a.raw)
		}
	}
	equal(t, "context", p.get(root + "/odata")["@odata.context"], root+"/$metadata")
	p.login()
	a = p.want(200, "GET", systems+"/System_0", nil)
	equal(t, "headers", []string{a.Header.Get("Allow"), a.Header.Get("Link")},
		[]string{"GET, HEAD, PATCH", "<http://redfish.dmtf.org/schemas/v1/ComputerSystem.v1_22_0.json>; rel=describedby"})
	p.want(412, "GET", root, nil, "OData-Version", "4.1")
	p.want(201, "POST", sessions+"/Members", object{"UserName": p.b.spec.User, "Password": p.b.spec.Password})
}
