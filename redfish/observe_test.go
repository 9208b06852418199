package redfish

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// TestObserveEmpty: an empty inventory is an error by the minimum of its kind;
// a class whose read failed is unproven, not empty.
func TestObserveEmpty(t *testing.T) {
	noParts := host().with(bodies{sys + "/Processors": refList("Processor"), sys + "/Memory": refList("Memory")})
	shelf := func(more string) bodies {
		return service("", nil, map[string]string{"shelf": `"ChassisType":"Shelf"` + comma(more)})
	}
	tests := map[string]struct {
		b     bodies
		empty bool
		text  string
	}{
		"host without parts":        {noParts, true, "power on, wait for BootProgress"},
		"host, parts not readable":  {noParts.with(bodies{sys + "/Memory": "!boom"}), false, ""},
		"host with one CPU":         {host().with(bodies{sys + "/Memory": refList("Memory")}), false, ""},
		"nothing at all":            {service("", nil, nil), true, "no System and no Chassis with an identity"},
		"shelf without a name":      {shelf(""), true, "identity"},
		"shelf with a serial":       {shelf(`"SerialNumber":"SH1"`), false, ""},
		"shelf with a placeholder":  {shelf(`"SerialNumber":"N/A"`), true, "identity"},
		"switch tray without chips": {service("", map[string]string{"System_0": withReset + `,"SerialNumber":"SN7"`}, map[string]string{"MGX_NVSwitch_0": ""}), true, "without an NVSwitch"},
		"dpu without parts":         {service(`"Product":"Nvidia-BMCMezz"`, map[string]string{"Bluefield": withReset + `,"SerialNumber":"SN7"`}, nil), false, ""},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := observed(t, c.b, "")
			if errors.Is(err, ErrEmpty) != c.empty || c.empty && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want empty %t and %q", err, c.empty, c.text)
			}
		})
	}
}

func TestObserveEarly(t *testing.T) {
	for state, want := range map[string]bool{"None": true, "MemoryInitializationStarted": true, "SystemHardwareInitializationComplete": false, "OSRunning": false, "": false} {
		b := host()
		b[sys] = strings.Replace(b[sys], `"Id":"1"`, `"Id":"1","PowerState":"On","BootProgress":{"LastState":"`+state+`"}`, 1)
		if o, _, _ := observed(t, b, ""); o.Early != want {
			t.Errorf("on, %q: early %t", state, o.Early)
		}
		b[sys] = strings.Replace(b[sys], `"On"`, `"Off"`, 1)
		if o, _, _ := observed(t, b, ""); o.Early {
			t.Errorf("off, %q: early", state)
		}
	}
}

// TestObserveSimulated: the mark comes from the peer's own declaration only.
func TestObserveSimulated(t *testing.T) {
	if o, _, _ := observed(t, host(), ""); o.Simulated {
		t.Error("a service that says nothing is marked as a simulator")
	}
	b := host()
	b["/redfish/v1"] = strings.TrimSuffix(b["/redfish/v1"], "}") + `,"Oem":{"Rackwright":{"Simulated":true}}}`
	if o, _, _ := observed(t, b, ""); !o.Simulated {
		t.Error("the declaration was not taken")
	}
}

// TestObserveStates: absent only by a good read, not_read without a link,
// read_failed where a body cannot be decoded.
func TestObserveStates(t *testing.T) {
	b := host().with(bodies{sys + "/Memory": refList("Memory", sys+"/Memory/D0", sys+"/Memory/D1"),
		sys + "/Memory/D1": res(sys+"/Memory/D1", "Memory", `"Status":{"State":"Absent"}`)})
	o, _, err := observed(t, b, "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[inventory.Key]inventory.ReadState{{Kind: inventory.KindDIMM, Slot: "D0"}: inventory.StatePresent, {Kind: inventory.KindDIMM, Slot: "D1"}: inventory.StateAbsent,
		{Kind: inventory.KindPSU}: inventory.StateNotRead, {Kind: inventory.KindFirmware}: inventory.StateNotRead}
	got := map[inventory.Key]inventory.ReadState{}
	for _, c := range o.Components {
		got[c.Key] = c.State
	}
	for k, s := range want {
		if got[k] != s {
			t.Errorf("%s is %q, want %q", k, got[k], s)
		}
	}
	if s, said := got[inventory.Key{Kind: inventory.KindCPU}]; said {
		t.Errorf("the class that was read has a mark %q", s)
	}
}

// TestObserveFirmware: the id is the slot, the version is the text as it is
// written, a staged version is a fact of the part that waits for it.
func TestObserveFirmware(t *testing.T) {
	fw := "/redfish/v1/UpdateService/FirmwareInventory"
	item := func(id, more string) string { return res(fw+"/"+id, "SoftwareInventory", more) }
	b := host().with(bodies{
		"/redfish/v1/UpdateService": res("/redfish/v1/UpdateService", "UpdateService", ref("FirmwareInventory", fw)),
		fw:                          refList("SoftwareInventory", fw+"/BMC", fw+"/GPU_0", fw+"/NIC", fw+"/NIC_Staged", fw+"/Previous-1__BIOS", fw+"/Gone"),
		fw + "/BMC":                 item("BMC", `"Version":"  1.0 "`),
		fw + "/GPU_0":               item("GPU_0", `"Version":"97.1","RelatedItem":[{"@odata.id":"`+sys+`"}],"Oem":{"Nvidia":{"InactiveFirmwareSlot":{"Version":"97.2","FirmwareState":"Staged"}}}`),
		fw + "/NIC":                 item("NIC", `"Version":"28.1"`),
		fw + "/NIC_Staged":          item("NIC_Staged", `"Version":"28.2","Staged":true`),
		fw + "/Previous-1__BIOS":    item("Previous-1__BIOS", `"Version":"0.9"`),
		fw + "/Gone":                item("Gone", `"Version":"5","Status":{"State":"Absent"}`)})
	b["/redfish/v1"] = strings.TrimSuffix(b["/redfish/v1"], "}") + "," + ref("UpdateService", "/redfish/v1/UpdateService") + "}"
	o, _, err := observed(t, b, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range o.Components {
		if c.Kind == inventory.KindFirmware {
			got = append(got, c.Slot+"|"+c.Firmware+"|"+c.Facts[inventory.FactStaged]+"|"+string(c.State))
		}
	}
	want := []string{"BMC|  1.0 ||present", "GPU_0|97.1|97.2|present", "Gone|5||absent", "NIC|28.1|28.2|present"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFirmwareHalfRead: an image that was read in part is one component, and
// its state says so.
func TestFirmwareHalfRead(t *testing.T) {
	f := newFake(t)
	inventoryURI := "/redfish/v1/UpdateService/FirmwareInventory"
	f.set("/redfish/v1/UpdateService", `{"@odata.id":"/redfish/v1/UpdateService","FirmwareInventory":{"@odata.id":"`+inventoryURI+`"}}`)
	f.set(inventoryURI, `{"Members":[{"@odata.id":"`+inventoryURI+`/A"},{"@odata.id":"`+inventoryURI+`/B"}]}`)
	f.set(inventoryURI+"/A", `{"@odata.id":"`+inventoryURI+`/A","@odata.type":"#SoftwareInventory.v1_2_0.SoftwareInventory","Id":"A","Version":"1.0","Status":{"State":{"a":1}}}`)
	f.set(inventoryURI+"/B", `{"@odata.id":"`+inventoryURI+`/B","@odata.type":"#SoftwareInventory.v1_2_0.SoftwareInventory","Id":"B","Version":"1.0"}`)
	d, _ := newDialer(t)
	all, err := dial(t, d, f.endpoint(), nil).Firmware(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, c.Slot+" "+string(c.State))
	}
	if want := []string{"A read_failed", "B present"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRawDocument: the same answers give the same digest, in any order, and no
// secret is in it.
func TestRawDocument(t *testing.T) {
	b := host().with(bodies{cha: res(cha, "Chassis", `"SerialNumber":12345678901234567890,"Oem":{"X":{"SNMP":{"CommunityString":"hush1"},"Password":"hush2","AuthToken":"hush3","Key":"-----BEGIN PRIVATE KEY-----hush4"}}`)})
	tr, err := walk(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	one, digest, err := rawDocument(slices.Clone(tr.raw))
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(tr.raw)
	two, again, err := rawDocument(tr.raw)
	if err != nil || digest != again || string(one) != string(two) {
		t.Errorf("the order of reading changes the document: %v", err)
	}
	if strings.Contains(string(one), "hush") {
		t.Errorf("a secret is in the raw document: %s", one)
	}
	if !strings.Contains(string(one), "12345678901234567890") {
		t.Error("a long number lost its digits")
	}
}

// TestSlotsAreStable: a part keeps its place when another appears beside it.
func TestSlotsAreStable(t *testing.T) {
	drives := func(ids ...string) bodies {
		b, refs := bodies{}, []string{}
		for _, id := range ids {
			st, d, _ := strings.Cut(id, ":")
			path := sys + "/Storage/" + st + "/Drives/" + d
			b[path] = res(path, "Drive", `"SerialNumber":"`+st+d+`"`)
			refs = append(refs, path)
		}
		b[sys+"/Storage"] = refList("Storage", sys+"/Storage/S")
		b[sys+"/Storage/S"] = res(sys+"/Storage/S", "Storage", `"Drives":[{"@odata.id":"`+strings.Join(refs, `"},{"@odata.id":"`)+`"}]`)
		return hostWith(ref("Storage", sys+"/Storage"), "", b)
	}
	for _, ids := range [][]string{{"A:2"}, {"A:2", "B:2"}, {"A:1", "A:2"}} {
		o, _, err := observed(t, drives(ids...), "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(partKeys(o), "drive/A:2") {
			t.Errorf("%v: drive A:2 is not in %v", ids, partKeys(o))
		}
	}
}
