package redfish

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// res is a body of a type with an Id and further fields.
func res(path, kind, more string) string {
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`{"@odata.id":%q,"@odata.type":"#%s.v1_9_0.%s","Id":%q%s}`, path, kind, kind, lastSegment(path), more)
}

const sys, cha = "/redfish/v1/Systems/1", "/redfish/v1/Chassis/1"

// hostWith is the small host whose System and Chassis carry further links.
func hostWith(system, chassis string, more bodies) bodies {
	b := host()
	b[sys] = strings.TrimSuffix(b[sys], "}") + comma(system) + "}"
	b[cha] = strings.TrimSuffix(b[cha], "}") + comma(chassis) + "}"
	return b.with(more)
}

func comma(s string) string {
	if s == "" {
		return ""
	}
	return "," + s
}

func ref(name, path string) string { return fmt.Sprintf(`%q:{"@odata.id":%q}`, name, path) }

// TestMergeRules: each rule of redfish.md §4.3 by its number, on a service that
// shows the one thing it is about.
func TestMergeRules(t *testing.T) {
	drive := func(path, more string) string { return res(path, "Drive", more) }
	twoStorages := `"Storage":{"@odata.id":"/redfish/v1/Systems/1/Storage"}`
	storage := bodies{
		sys + "/Storage":   refList("Storage", sys+"/Storage/1"),
		sys + "/Storage/1": res(sys+"/Storage/1", "Storage", `"Drives":[{"@odata.id":"`+sys+`/Storage/1/Drives/A"},{"@odata.id":"`+sys+`/Storage/1/Drives/B"}]`),
		cha + "/Drives":    refList("Drive", cha+"/Drives/C"),
	}
	tests := []struct {
		rule string // the note that must be there; empty: the rule keeps things apart, or prefers one
		name string
		b    bodies
		want []string // components besides those of the small host
		not  []string
	}{
		{ruleOnePart, "1: same serial in two collections", hostWith(twoStorages, ref("Drives", cha+"/Drives"), storage.with(bodies{
			sys + "/Storage/1/Drives/A": drive(sys+"/Storage/1/Drives/A", `"SerialNumber":"S1","Model":"Z"`),
			sys + "/Storage/1/Drives/B": drive(sys+"/Storage/1/Drives/B", `"SerialNumber":"S2","Model":"Z"`),
			cha + "/Drives/C":           drive(cha+"/Drives/C", `"SerialNumber":"S1 ","Model":"Z"`)})),
			[]string{"drive/A", "drive/B"}, []string{"drive/C"}},
		{"", "12: placeholders are no serials", hostWith(twoStorages, ref("Drives", cha+"/Drives"), storage.with(bodies{
			sys + "/Storage/1/Drives/A": drive(sys+"/Storage/1/Drives/A", `"SerialNumber":"N/A","Model":"Z"`),
			sys + "/Storage/1/Drives/B": drive(sys+"/Storage/1/Drives/B", `"SerialNumber":"S2","Model":"Z"`),
			cha + "/Drives/C":           drive(cha+"/Drives/C", `"SerialNumber":"N/A","Model":"Z"`)})),
			[]string{"drive/A", "drive/B", "drive/C"}, nil},
		{"", "2: members of one collection with one serial", hostWith(twoStorages, "", storage.with(bodies{
			sys + "/Storage/1/Drives/A": drive(sys+"/Storage/1/Drives/A", `"SerialNumber":"S1","Model":"Z"`),
			sys + "/Storage/1/Drives/B": drive(sys+"/Storage/1/Drives/B", `"SerialNumber":"S1","Model":"Z"`)})),
			[]string{"drive/A", "drive/B"}, nil},
		{ruleOneNode, "3: host and baseboard list one CPU", boardTwins(), []string{"gpu/G0", "baseboard/HGX_Baseboard_0"}, []string{"cpu/Systems:C0"}},
		{ruleConflict, "4: enabled here, absent there", hostWith(twoStorages, ref("Drives", cha+"/Drives"), storage.with(bodies{
			sys + "/Storage/1/Drives/A": drive(sys+"/Storage/1/Drives/A", `"Status":{"State":"Absent"}`),
			sys + "/Storage/1/Drives/B": drive(sys+"/Storage/1/Drives/B", `"SerialNumber":"S2"`),
			cha + "/Drives":             refList("Drive", cha+"/Drives/A"),
			cha + "/Drives/A":           drive(cha+"/Drives/A", `"Status":{"State":"Enabled"}`)})),
			[]string{"drive/A", "drive/1:A=read_failed"}, nil},
		{ruleNoDIMM, "5: HBM is no DIMM, whatever its size", host().with(bodies{
			sys + "/Memory/D0": res(sys+"/Memory/D0", "Memory", `"MemoryDeviceType":"HBM3","CapacityMiB":0`)}), nil, []string{"dimm/D0", "dimm/D0=absent"}},
		{ruleEmptySlot, "5: a DIMM of 0 MiB is an empty slot", host().with(bodies{
			sys + "/Memory/D0": res(sys+"/Memory/D0", "Memory", `"MemoryDeviceType":"DDR5","CapacityMiB":0`)}), []string{"dimm/D0=absent"}, nil},
		{ruleEmptySlot, "5: Absent is an empty slot", host().with(bodies{
			sys + "/Memory/D0": res(sys+"/Memory/D0", "Memory", `"CapacityMiB":16384,"Status":{"State":"Absent"}`)}), []string{"dimm/D0=absent"}, nil},
		{ruleModel, "6: a baseboard and a switch that say GPU", hostWith("", `"Oem":{"Hpe":{"Links":{"Devices":{"@odata.id":"`+cha+`/Devices"}}}}`, hpeDevices()),
			[]string{"gpu/9", "baseboard/17", "nvswitch/18"}, []string{"gpu/17", "gpu/18"}},
		{ruleBodyID, "7: one body under two paths", host().with(bodies{
			sys + "/Memory":                       refList("Memory", sys+"/Memory/D0", "/redfish/v1/Systems/Other/Memory/D0"),
			"/redfish/v1/Systems/Other/Memory/D0": host()[sys+"/Memory/D0"]}), []string{"dimm/D0"}, []string{"dimm/Other:D0"}},
		{ruleBodyID, "7: one resource linked in two cases", hostWith(ref("Storage", sys+"/Storage"), ref("Drives", cha+"/Drives"), bodies{
			sys + "/Storage":                           refList("Storage", sys+"/Storage/1"),
			sys + "/Storage/1":                         res(sys+"/Storage/1", "Storage", `"Drives":[{"@odata.id":"`+sys+`/Storage/1/Drives/A"}]`),
			cha + "/Drives":                            refList("Drive", "/redfish/v1/systems/1/storage/1/drives/A"),
			sys + "/Storage/1/Drives/A":                drive(sys+"/Storage/1/Drives/A", `"Model":"Z9"`),
			"/redfish/v1/systems/1/storage/1/drives/A": drive("/redfish/v1/systems/1/storage/1/drives/A", `"Model":"Z9"`)}),
			[]string{"drive/A"}, []string{"drive/1:A", "drive/A#2"}},
		{"", "7: a copied @odata.id is no second path", host().with(bodies{
			sys + "/Memory":    refList("Memory", sys+"/Memory/D0", sys+"/Memory/D1"),
			sys + "/Memory/D1": strings.Replace(res(sys+"/Memory/D1", "Memory", `"CapacityMiB":1024`), "D1", "D0", 1)}), []string{"dimm/D0", "dimm/D1"}, nil},
		{"", "8: the subsystem counts, not its older twin", hostWith("", ref("PowerSubsystem", cha+"/PowerSubsystem")+","+ref("Power", cha+"/Power"), powers()),
			[]string{"psu/P1"}, []string{"psu/0"}},
		{"", "8: without supplies in the subsystem, Power", hostWith("", ref("PowerSubsystem", cha+"/PowerSubsystem")+","+ref("Power", cha+"/Power"),
			powers().with(bodies{cha + "/PowerSubsystem": res(cha+"/PowerSubsystem", "PowerSubsystem", "")})), []string{"psu/0"}, []string{"psu/P1"}},
		{ruleDrives, "8: SimpleStorage repeats the drives", hostWith(twoStorages+","+ref("SimpleStorage", sys+"/SimpleStorage"), "", storage.with(bodies{
			sys + "/Storage/1/Drives/A": drive(sys+"/Storage/1/Drives/A", `"SerialNumber":"S1"`),
			sys + "/Storage/1/Drives/B": drive(sys+"/Storage/1/Drives/B", `"SerialNumber":"S2"`),
			sys + "/SimpleStorage":      refList("SimpleStorage", sys+"/SimpleStorage/1"),
			sys + "/SimpleStorage/1":    res(sys+"/SimpleStorage/1", "SimpleStorage", `"Devices":[{"Name":"Bay 1","Model":"Z","Status":{"State":"Enabled"}}]`)})),
			[]string{"drive/A", "drive/B"}, []string{"drive/1:Bay 1", "drive/Bay 1"}},
		{"", "9: Standby is there", host().with(bodies{
			sys + "/Memory/D0": res(sys+"/Memory/D0", "Memory", `"CapacityMiB":"16384","Status":{"State":"Standby"}`)}), []string{"dimm/D0"}, nil},
		{ruleShelfTwice, "9: two entries, one chassis", host().with(bodies{
			"/redfish/v1/Chassis":       refList("Chassis", cha, "/redfish/v1/Chassis/alias"),
			"/redfish/v1/Chassis/alias": res("/redfish/v1/Chassis/alias", "Chassis", `"ChassisType":"RackMount","SerialNumber":"CH1"`)}), nil, []string{"board/alias"}},
		{ruleTwice, "11: a member listed twice", host().with(bodies{sys + "/Memory": refList("Memory", sys+"/Memory/D0", sys+"/Memory/D0/")}), []string{"dimm/D0"}, nil},
		{ruleOEM, "13: OEM bodies repeat standard ones", hostWith("", `"Oem":{"Hpe":{"Links":{"Devices":{"@odata.id":"`+cha+`/Devices"}}}}`, hpeDevices().with(bodies{
			sys + "/Processors":    refList("Processor", sys+"/Processors/C0", sys+"/Processors/G1"),
			sys + "/Processors/G1": res(sys+"/Processors/G1", "Processor", `"ProcessorType":"GPU","Model":"A100","SerialNumber":"G1"`)})),
			[]string{"gpu/G1"}, []string{"gpu/9"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			o, tr, err := observed(t, c.b, "")
			if err != nil {
				t.Fatal(err)
			}
			got := partKeys(o)
			for _, w := range c.want {
				if !slices.Contains(got, w) {
					t.Errorf("no %s in %v", w, got)
				}
			}
			for _, w := range c.not {
				if slices.Contains(got, w) {
					t.Errorf("%s should not be in %v", w, got)
				}
			}
			if c.rule != "" && !slices.ContainsFunc(tr.notes, func(n note) bool { return n.Rule == c.rule }) {
				t.Errorf("rule %q is not noted: %v", c.rule, tr.notes)
			}
			if c.rule == ruleConflict && !hasFault(o, inventory.KindDrive, "Drives/A", "look at the slot") {
				t.Errorf("the conflict is no fault: %v", o.Faults)
			}
		})
	}
}

// TestMergeKeepsRawSize is rule 10: 15625 stays 15625, a part number judges it.
func TestMergeKeepsRawSize(t *testing.T) {
	o, _, err := observed(t, host().with(bodies{sys + "/Memory/D0": res(sys+"/Memory/D0", "Memory", `"CapacityMiB":15625,"PartNumber":"M393A2K43CB2"`)}), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range o.Components {
		if c.Kind == inventory.KindDIMM && (c.SizeMiB != 15625 || c.Model != "M393A2K43CB2") {
			t.Errorf("got %d MiB, model %q", c.SizeMiB, c.Model)
		}
	}
}

// TestMergeSerials is rule 12: a serial of blanks is none, blanks around one
// are dropped, the raw reading stays; a UUID of zeros and a MAC is not trusted.
func TestMergeSerials(t *testing.T) {
	b := host()
	b[sys] = strings.Replace(b[sys], `"SerialNumber":"SN1"`, `"SerialNumber":"          ","UUID":"00000000-0000-0000-0000-AC1F6B18A45A"`, 1)
	b[cha] = strings.Replace(b[cha], `"CH1"`, `"CH1   "`, 1)
	o, _, err := observed(t, b, "")
	if err != nil {
		t.Fatal(err)
	}
	self := o.Components[0]
	if self.Serial != "CH1" {
		t.Errorf("serial %q, want the chassis' own", self.Serial)
	}
	for _, id := range self.IDs {
		switch id.Kind {
		case inventory.IDUUID:
			if id.Trusted {
				t.Error("a UUID made of a MAC is trusted")
			}
		case inventory.IDFRUChassis:
			if id.Raw != "CH1   " || id.Norm != "CH1" {
				t.Errorf("raw %q, norm %q", id.Raw, id.Norm)
			}
		case inventory.IDRedfish:
			t.Errorf("blanks are an identifier: %q", id.Raw)
		}
	}
}

func hpeDevices() bodies {
	d := func(id, name, serial string) string {
		return res(cha+"/Devices/"+id, "HpeServerDevice", fmt.Sprintf(`"DeviceType":"GPU","Name":%q,"SerialNumber":%q,"Manufacturer":"NVIDIA","Status":{"State":"Enabled"}`, name, serial))
	}
	return bodies{cha + "/Devices": refList("HpeServerDevice", cha+"/Devices/9", cha+"/Devices/17", cha+"/Devices/18"),
		cha + "/Devices/9": d("9", "NVIDIA A100-SXM4-40GB", "G9"), cha + "/Devices/17": d("17", "NVIDIA HGX A100 8 GPU 40", "B1"), cha + "/Devices/18": d("18", "NVIDIA NV Switch", "")}
}

func powers() bodies {
	return bodies{
		cha + "/PowerSubsystem":                  res(cha+"/PowerSubsystem", "PowerSubsystem", ref("PowerSupplies", cha+"/PowerSubsystem/PowerSupplies")),
		cha + "/PowerSubsystem/PowerSupplies":    refList("PowerSupply", cha+"/PowerSubsystem/PowerSupplies/P1"),
		cha + "/PowerSubsystem/PowerSupplies/P1": res(cha+"/PowerSubsystem/PowerSupplies/P1", "PowerSupply", `"SerialNumber":"PS1"`),
		cha + "/Power":                           res(cha+"/Power", "Power", `"PowerSupplies":[{"@odata.id":"`+cha+`/Power#/PowerSupplies/0","MemberId":"0","SerialNumber":"PS9"}]`),
	}
}

// boardTwins is a tray whose host and baseboard both list CPU C0.
func boardTwins() bodies {
	const hgx = "/redfish/v1/Systems/HGX_Baseboard_0"
	return host().with(bodies{
		"/redfish/v1/Systems":  refList("ComputerSystem", sys, hgx),
		hgx:                    res(hgx, "ComputerSystem", ref("Processors", hgx+"/Processors")),
		hgx + "/Processors":    refList("Processor", hgx+"/Processors/C0", hgx+"/Processors/G0"),
		hgx + "/Processors/C0": res(hgx+"/Processors/C0", "Processor", `"ProcessorType":"CPU","Model":"X","SerialNumber":"CPU1"`),
		hgx + "/Processors/G0": res(hgx+"/Processors/G0", "Processor", `"ProcessorType":"GPU","Model":"GB300","UUID":"u-1"`),
	})
}
