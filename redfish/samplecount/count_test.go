package samplecount

import (
	"maps"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	in := `{"uri":"/redfish/v1/Systems/1/Processors/1","body":{"@odata.type":"#Processor.v1_0_0.Processor","ProcessorType":"CPU"}}
{"uri":"/redfish/v1/Systems/1/Processors/2","body":{"@odata.type":"#Processor.v1_0_0.Processor","ProcessorType":"GPU"}}
{"uri":"/redfish/v1/Systems/1/Processors/3","body":{"@odata.type":"#Processor.v1_0_0.Processor","ProcessorType":"FPGA"}}
{"uri":"/redfish/v1/Chassis/1/PSUs","body":{"@odata.type":"#PowerSupplyCollection.PowerSupplyCollection","Members":[{"@odata.id":"/p/0","@odata.type":"#PowerSupply.v1_0_0.PowerSupply"},{"@odata.id":"/p/1"}]}}
{"uri":"/redfish/v1/Chassis/1/Power","body":{"@odata.type":"#Power.v1_0_0.Power","PowerSupplies":[{},{}]}}
{"uri":"/redfish/v1/Systems/1/BootOptions/0","body":{"@odata.type":"#BootOption.v1_0_0.BootOption","UefiDevicePath":"Pci(0x0)/MAC(B8AABBCCDDEE,0x1)"}}
{"uri":"/redfish/v1/Systems/1/EthernetInterfaces/0","body":{"@odata.type":"#EthernetInterface.v1_0_0.EthernetInterface","MACAddress":"B8:AA:BB:CC:DD:EE"}}
{"uri":"/redfish/v1/Managers/1/EthernetInterfaces/0","body":{"@odata.type":"#EthernetInterface.v1_0_0.EthernetInterface","MACAddress":"B8:AA:BB:CC:DD:EF"}}
{"uri":"/redfish/v1/odd","body":"text"}
`
	got, err := Read(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(got, func(_ string, n int) bool { return n == 0 })
	if want := (Counts{"cpu": 1, "gpu": 1, "psu": 3, "mac": 1, "nic": 1}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := Read(strings.NewReader("{}\n{")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a damaged line: %v", err)
	}
}
