package redfish

import (
	"fmt"
	"slices"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// macsOf lists the boot ports by component, and the BMC's own.
func macsOf(o inventory.Observation) []string {
	var out []string
	for _, c := range o.Components {
		for _, id := range c.IDs {
			if id.Kind == inventory.IDMAC || id.Kind == inventory.IDMACBMC {
				out = append(out, fmt.Sprintf("%s %s %s", c.Key, id.Kind, id.Norm))
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestMACs: every source of redfish.md §4.3, and what is no boot port.
func TestMACs(t *testing.T) {
	iface := func(id, more string) string { return res(sys+"/EthernetInterfaces/"+id, "EthernetInterface", more) }
	ifaces := func(more map[string]string) bodies {
		out, paths := bodies{}, []string{}
		for id, m := range more {
			paths = append(paths, sys+"/EthernetInterfaces/"+id)
			out[sys+"/EthernetInterfaces/"+id] = iface(id, m)
		}
		out[sys+"/EthernetInterfaces"] = refList("EthernetInterface", paths...)
		return hostWith(ref("EthernetInterfaces", sys+"/EthernetInterfaces"), "", out)
	}
	adapter := func(kind, link, more string) bodies {
		at := cha + "/NetworkAdapters/N1"
		return hostWith("", ref("NetworkAdapters", cha+"/NetworkAdapters"), bodies{
			cha + "/NetworkAdapters": refList("NetworkAdapter", at), at: res(at, "NetworkAdapter", `"Model":"X",`+ref(link, at+"/"+link)),
			at + "/" + link: refList(kind, at+"/"+link+"/P0"), at + "/" + link + "/P0": res(at+"/"+link+"/P0", kind, more)})
	}
	boot := func(path string) bodies {
		return hostWith(`"Boot":{"BootOptions":{"@odata.id":"`+sys+`/BootOptions"}}`, "", bodies{
			sys + "/BootOptions": refList("BootOption", sys+"/BootOptions/0"), sys + "/BootOptions/0": res(sys+"/BootOptions/0", "BootOption", fmt.Sprintf(`"UefiDevicePath":%q`, path))})
	}
	const a, b = "B8:00:00:00:00:0A", "B8:00:00:00:00:0B"
	tests := map[string]struct {
		b    bodies
		want []string
	}{
		"EthernetInterface":               {ifaces(map[string]string{"1": `"MACAddress":"` + a + `"`}), []string{"nic/1 mac " + a}},
		"the permanent address wins":      {ifaces(map[string]string{"1": `"MACAddress":"` + b + `","PermanentMACAddress":"` + a + `"`}), []string{"nic/1 mac " + a}},
		"two interfaces with one address": {ifaces(map[string]string{"1": `"MACAddress":"` + a + `"`, "2": `"MACAddress":"` + a + `"`}), []string{"nic/1 mac " + a, "nic/2 mac " + a}},
		"hostusb0 is a link to the BMC":   {ifaces(map[string]string{"hostusb0": `"MACAddress":"` + a + `"`}), nil},
		"ToHost is one too":               {ifaces(map[string]string{"x": `"Name":"ToHost","MACAddress":"` + a + `"`}), nil},
		"a VLAN is no port":               {ifaces(map[string]string{"v": `"EthernetInterfaceType":"Virtual","VLAN":{"VLANEnable":true,"VLANId":4},"MACAddress":"` + a + `"`}), nil},
		"a port that tags is a port":      {ifaces(map[string]string{"1": `"EthernetInterfaceType":"Physical","VLAN":{"VLANEnable":true,"VLANId":4},"MACAddress":"` + a + `"`}), []string{"nic/1 mac " + a}},
		"locally administered":            {ifaces(map[string]string{"1": `"MACAddress":"02:00:00:00:00:0A"`}), nil},
		"zeros":                           {ifaces(map[string]string{"1": `"MACAddress":"00:00:00:00:00:00"`}), nil},
		"no MAC at all":                   {ifaces(map[string]string{"1": `"MACAddress":null`}), nil},
		"NetworkDeviceFunction":           {adapter("NetworkDeviceFunction", "NetworkDeviceFunctions", `"Ethernet":{"MACAddress":"`+b+`","PermanentMACAddress":"`+a+`"}`), []string{"nic/N1 mac " + a}},
		"Port":                            {adapter("Port", "Ports", `"Ethernet":{"AssociatedMACAddresses":["`+a+`","`+b+`"]}`), []string{"nic/N1 mac " + a, "nic/N1 mac " + b}},
		"NetworkPort":                     {adapter("NetworkPort", "NetworkPorts", `"AssociatedNetworkAddresses":["`+a+`"]`), []string{"nic/N1 mac " + a}},
		"BootOption only: the unit's":     {boot("PciRoot(0x0)/Pci(0x0,0x0)/MAC(B8000000000A,0x1)/IPv4(0.0.0.0)"), []string{"chassis/self mac " + a}},
		"BootOption behind USB":           {boot("PciRoot(0x5)/USB(0x1,0x0)/MAC(B8000000000A,0x1)/IPv4(0.0.0.0)"), nil},
		"BootOption of a disk":            {boot("PciRoot(0x5)/NVMe(0x1,00-00)"), nil},
		"the gadget of every BlueField":   {boot("MAC(001ACAFFFF01,0x1)/IPv4(0.0.0.0)"), nil},
		"the BMC's own, apart from the rest": {host().with(bodies{
			"/redfish/v1/Managers/BMC":                            res("/redfish/v1/Managers/BMC", "Manager", ref("EthernetInterfaces", "/redfish/v1/Managers/BMC/EthernetInterfaces")),
			"/redfish/v1/Managers/BMC/EthernetInterfaces":         refList("EthernetInterface", "/redfish/v1/Managers/BMC/EthernetInterfaces/eth0", "/redfish/v1/Managers/BMC/EthernetInterfaces/hmcusb0"),
			"/redfish/v1/Managers/BMC/EthernetInterfaces/eth0":    res("/redfish/v1/Managers/BMC/EthernetInterfaces/eth0", "EthernetInterface", `"MACAddress":"`+a+`"`),
			"/redfish/v1/Managers/BMC/EthernetInterfaces/hmcusb0": res("/redfish/v1/Managers/BMC/EthernetInterfaces/hmcusb0", "EthernetInterface", `"MACAddress":"`+b+`"`)}),
			[]string{"bmc/BMC mac_bmc " + a}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			o, _, err := observed(t, c.b, "")
			if err != nil {
				t.Fatal(err)
			}
			if got := macsOf(o); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
