package redfish

import (
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// link is one property that the walk follows: where it stands, the type it
// promises, and the component classes that stay unproven when it fails.
type link struct {
	path   string
	kind   string
	proves []inventory.Kind
	unless string // a newer twin that was served makes this one superfluous
}

// takes: a link leads to the type or to a collection of it. Old services leave
// the type out; then the link's promise counts.
func (l link) takes(kind string) bool {
	return kind == "" || kind == l.kind || strings.TrimSuffix(kind, "Collection") == l.kind
}

// linksOf is the walk of redfish.md §4.2 as a table. What is not in it is not
// an inventory: sensors, logs, metrics and OEM bodies (merge rule 13), with one
// exception, the device list of iLO 5, the only place that names its GPUs.
func linksOf(kind string) []link {
	const (
		cpu, gpu, dimm, nic   = inventory.KindCPU, inventory.KindGPU, inventory.KindDIMM, inventory.KindNIC
		drive, psu, fan, nvsw = inventory.KindDrive, inventory.KindPSU, inventory.KindFan, inventory.KindNVSwitch
		chassis, board, bmc   = inventory.KindChassis, inventory.KindBoard, inventory.KindBMC
		bios, fw, dpu, base   = inventory.KindBIOS, inventory.KindFirmware, inventory.KindDPU, inventory.KindBaseboard
		erot, cable           = inventory.KindERoT, inventory.KindCable
	)
	k := func(kinds ...inventory.Kind) []inventory.Kind { return kinds }
	switch kind {
	case "ServiceRoot":
		return []link{
			{"Systems", "ComputerSystem", k(chassis, cpu, gpu, dimm, drive, nic, bios, base), ""},
			{"Chassis", "Chassis", k(chassis, board, erot, nic, dpu, drive, psu, fan), ""},
			{"Managers", "Manager", k(bmc), ""},
			{"UpdateService", "UpdateService", k(fw), ""},
			{"ComponentIntegrity", "ComponentIntegrity", k(erot), ""},
			{"Fabrics", "Fabric", k(nvsw), ""},
			{"Cables", "Cable", k(cable), ""},
			{"PowerEquipment", "PowerEquipment", k(psu), ""},
			{"ThermalEquipment", "ThermalEquipment", k(chassis), ""},
		}
	case "ComputerSystem":
		return []link{
			{"Processors", "Processor", k(cpu, gpu), ""},
			{"Memory", "Memory", k(dimm), ""},
			{"Storage", "Storage", k(drive), ""},
			{"SimpleStorage", "SimpleStorage", k(drive), ""},
			{"EthernetInterfaces", "EthernetInterface", k(nic), ""},
			{"NetworkInterfaces", "NetworkInterface", k(nic), ""},
			{"Boot/BootOptions", "BootOption", k(nic), ""},
			{"Bios", "Bios", k(bios), ""},
			{"SecureBoot", "SecureBoot", k(bios), ""},
		}
	case "Storage":
		return []link{{"Drives", "Drive", k(drive), ""}}
	case "NetworkInterface":
		return []link{{"Links/NetworkAdapter", "NetworkAdapter", k(nic), ""}, {"NetworkDeviceFunctions", "NetworkDeviceFunction", k(nic), ""}}
	case "Chassis":
		return []link{
			{"NetworkAdapters", "NetworkAdapter", k(nic, dpu), ""},
			{"Drives", "Drive", k(drive), ""},
			{"Links/Drives", "Drive", k(drive), ""},
			{"PowerSubsystem", "PowerSubsystem", k(psu), ""},
			{"Power", "Power", k(psu), "PowerSubsystem"},
			{"ThermalSubsystem", "ThermalSubsystem", k(fan), ""},
			{"Thermal", "Thermal", k(fan), "ThermalSubsystem"},
			{"Links/Contains", "Chassis", k(board), ""},
			{"Oem/Hpe/Links/Devices", "HpeServerDevice", k(gpu, nvsw, base), ""},
		}
	case "PowerSubsystem":
		return []link{{"PowerSupplies", "PowerSupply", k(psu), ""}}
	case "ThermalSubsystem":
		return []link{{"Fans", "Fan", k(fan), ""}}
	case "NetworkAdapter":
		return []link{{"Ports", "Port", k(nic), ""}, {"NetworkPorts", "NetworkPort", k(nic), ""},
			{"NetworkDeviceFunctions", "NetworkDeviceFunction", k(nic), ""}}
	case "Manager":
		return []link{{"EthernetInterfaces", "EthernetInterface", k(bmc), ""}}
	case "UpdateService":
		return []link{{"FirmwareInventory", "SoftwareInventory", k(fw), ""}, {"SoftwareInventory", "SoftwareInventory", k(fw), ""}}
	case "Fabric":
		return []link{{"Switches", "Switch", k(nvsw), ""}}
	case "PowerEquipment":
		return []link{{"PowerShelves", "PowerDistribution", k(psu), ""}, {"RackPDUs", "PowerDistribution", k(psu), ""}, {"FloorPDUs", "PowerDistribution", k(psu), ""}}
	case "PowerDistribution":
		return []link{{"PowerSupplies", "PowerSupply", k(psu), ""}}
	case "ThermalEquipment":
		return []link{{"CDUs", "CoolingUnit", k(chassis), ""}}
	}
	return nil
}
