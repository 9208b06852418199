package bmcsim

import (
	"fmt"
	"strings"
)

// common is what every part resource says.
func common(p Part) object {
	body := object{"Manufacturer": p.Vendor, "Model": p.Model, "SerialNumber": p.Serial, "Status": state(p), "Location": label(p.Slot)}
	if p.Number != "" {
		body["PartNumber"] = p.Number
	}
	if p.UUID != "" {
		body["UUID"] = p.UUID
	}
	return body
}

// processors adds CPUs and GPUs below one System; the collection must exist.
func (b *builder) processors(system string, kinds ...string) {
	for _, kind := range kinds {
		for _, p := range b.s.of(kind) {
			body := common(p)
			body["Socket"], body["ProcessorType"] = p.Slot, "CPU"
			if kind == "cpu" {
				body["TotalCores"] = p.Size
			} else {
				body["ProcessorType"], body["ProcessorArchitecture"] = "GPU", "OEM"
				body["FirmwareVersion"], body["SystemInterface"] = p.Firmware, object{"InterfaceType": "PCIe"}
				body["MemorySummary"] = object{"TotalMemorySizeMiB": p.Size, "ECCModeEnabled": true}
			}
			b.t.add(system+"/Processors/"+p.Slot, "Processor.v1_20_0", name("Processor", p.Slot), body)
		}
	}
}

// memory adds the DIMMs of one System and, for GPUs, their stacked memory.
func (b *builder) memory(system string, hbm bool) {
	for _, p := range b.s.of("dimm") {
		body := common(p)
		body["MemoryType"], body["MemoryDeviceType"], body["CapacityMiB"], body["DeviceLocator"] = "DRAM", "DDR5", p.Size, p.Slot
		if b.s.Profile == ProfileGB200 {
			body["MemoryDeviceType"] = "LPDDR5_SDRAM"
		}
		b.t.add(system+"/Memory/"+p.Slot, "Memory.v1_20_0", name("DIMM", p.Slot), body)
	}
	if !hbm {
		return
	}
	for _, g := range b.s.of("gpu") {
		b.t.add(system+"/Memory/"+g.Slot+"_DRAM_0", "Memory.v1_20_0", "GPU Memory", object{
			"MemoryType": "DRAM", "MemoryDeviceType": "HBM3", "CapacityMiB": g.Size, "Status": enabled()})
	}
}

// interfaces adds the host's EthernetInterfaces, one per NIC port.
func (b *builder) interfaces(system string) {
	for _, p := range b.s.of("nic") {
		for i, mac := range p.MACs {
			id := p.Slot
			if len(p.MACs) > 1 {
				id = fmt.Sprintf("%s-%d", p.Slot, i+1)
			}
			b.t.add(system+"/EthernetInterfaces/"+id, "EthernetInterface.v1_9_0", name("Ethernet", id), object{
				"MACAddress": mac, "PermanentMACAddress": mac, "InterfaceEnabled": true, "LinkStatus": "LinkUp", "SpeedMbps": 400000, "Status": enabled()})
		}
	}
}

// adapters adds NetworkAdapters with their ports below one Chassis. Without MACs
// in ports, BootOptions are their only source (gb200).
func (b *builder) adapters(in string, macs bool) {
	b.t.collect(in+"/NetworkAdapters", "NetworkAdapterCollection")
	b.t.set(in, object{"NetworkAdapters": ref(in + "/NetworkAdapters")})
	for _, p := range b.s.of("nic") {
		at := in + "/NetworkAdapters/" + p.Slot
		body := common(p)
		body["Controllers"] = []object{{"FirmwarePackageVersion": p.Firmware, "Location": label(p.Slot)}}
		body["Ports"] = ref(at + "/Ports")
		b.t.add(at, "NetworkAdapter.v1_10_0", name("Network Adapter", p.Slot), body)
		b.t.collect(at+"/Ports", "PortCollection")
		for i, mac := range p.MACs {
			port := object{"PortId": fmt.Sprint(i + 1), "PortProtocol": "Ethernet", "LinkStatus": "LinkUp", "CurrentSpeedGbps": 400, "Status": enabled()}
			if macs {
				port["Ethernet"] = object{"AssociatedMACAddresses": []string{mac}}
			}
			b.t.add(fmt.Sprintf("%s/Ports/%d", at, i+1), "Port.v1_10_0", fmt.Sprintf("Port %d", i+1), port)
		}
	}
}

// bootOptions adds a PXE and an HTTP entry per NIC port and one for the first drive.
func (b *builder) bootOptions(system string) {
	b.t.collect(system+"/BootOptions", "BootOptionCollection")
	var order []string
	option := func(display, alias, devicePath string) {
		id := fmt.Sprintf("Boot%04X", len(order))
		order = append(order, id)
		b.t.add(system+"/BootOptions/"+id, "BootOption.v1_0_6", "Boot Option", object{
			"BootOptionReference": id, "BootOptionEnabled": true, "DisplayName": display, "Alias": alias, "UefiDevicePath": devicePath})
	}
	for i, d := range b.s.of("drive") {
		if i == 0 {
			option("UEFI "+d.Model+" "+d.Serial, "Hdd", "PciRoot(0x5)/Pci(0x0,0x0)/NVMe(0x1,00-00-00-00-00-00-00-01)")
		}
	}
	for n, p := range b.s.of("nic") {
		for i, mac := range p.MACs {
			plain := strings.ToUpper(strings.ReplaceAll(mac, ":", ""))
			at := fmt.Sprintf("PciRoot(0x%X)/Pci(0x0,0x0)/Pci(0x0,0x%X)/MAC(%s,0x1)", n, i, plain)
			option("UEFI PXEv4 "+p.Slot, "Pxe", at+"/IPv4(0.0.0.0,0x0,DHCP,0.0.0.0,0.0.0.0,0.0.0.0)")
			option("UEFI HTTPv4 "+p.Slot, "UefiHttp", at+"/IPv4(0.0.0.0,0x0,DHCP,0.0.0.0,0.0.0.0,0.0.0.0)/Uri()")
		}
	}
	b.t.set(system, object{"Boot": object{"BootOptions": ref(system + "/BootOptions"), "BootOrder": order}})
}

// drives adds one Storage with its drives.
func (b *builder) drives(system string) {
	at := system + "/Storage/NVMe"
	b.t.collect(system+"/Storage", "StorageCollection")
	b.t.set(system, object{"Storage": ref(system + "/Storage")})
	var links []object
	for _, p := range b.s.of("drive") {
		links = append(links, ref(at+"/Drives/"+p.Slot))
		body := common(p)
		body["MediaType"], body["Protocol"], body["CapacityBytes"], body["Revision"] = "SSD", "NVMe", p.Size, p.Firmware
		body["PhysicalLocation"] = body["Location"]
		delete(body, "Location")
		b.t.add(at+"/Drives/"+p.Slot, "Drive.v1_17_0", name("Drive", p.Slot), body)
	}
	b.t.add(at, "Storage.v1_15_0", "NVMe Storage", object{"Drives": links, "Drives@odata.count": len(links), "Status": enabled()})
}

// supplies adds the PowerSubsystem of one Chassis.
func (b *builder) supplies(in string, expanded bool) {
	at := in + "/PowerSubsystem"
	b.t.set(in, object{"PowerSubsystem": ref(at)})
	b.t.add(at, "PowerSubsystem.v1_1_0", "Power Subsystem", object{"PowerSupplies": ref(at + "/PowerSupplies"), "Status": enabled()})
	b.t.collect(at+"/PowerSupplies", "PowerSupplyCollection")
	b.t[at+"/PowerSupplies"].expanded = expanded
	for _, p := range b.s.of("psu") {
		body := common(p)
		body["FirmwareVersion"], body["HotPluggable"], body["PowerCapacityWatts"] = p.Firmware, true, p.Size
		if expanded { // as the captured shelf: text where a number belongs, state Standby
			delete(body, "PowerCapacityWatts")
			body["CapacityWatts"], body["Status"] = fmt.Sprint(p.Size), object{"Health": "OK", "State": "Standby"}
		}
		b.t.add(at+"/PowerSupplies/"+p.Slot, "PowerSupply.v1_5_0", name("Power Supply", p.Slot), body)
	}
}

// leaks adds LeakDetection below one Chassis.
func (b *builder) leaks(in string) {
	at := in + "/ThermalSubsystem"
	b.t.set(in, object{"ThermalSubsystem": ref(at)})
	body := object{"Status": enabled()}
	if len(b.s.Leaks) > 0 {
		body["LeakDetection"] = ref(at + "/LeakDetection")
		b.t.add(at+"/LeakDetection", "LeakDetection.v1_0_1", "Leak Detection", object{"LeakDetectors": ref(at + "/LeakDetection/LeakDetectors"), "Status": enabled()})
		b.t.collect(at+"/LeakDetection/LeakDetectors", "LeakDetectorCollection")
	}
	b.t.add(at, "ThermalSubsystem.v1_3_0", "Thermal Subsystem", body)
	for _, id := range b.s.Leaks {
		b.t.add(at+"/LeakDetection/LeakDetectors/"+id, "LeakDetector.v1_1_0", name("Leak Detector", id), object{
			"DetectorState": "OK", "LeakDetectorType": "Moisture", "Status": enabled()})
	}
}
