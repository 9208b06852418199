package bmcsim

import (
	"fmt"
	"time"
)

// NewSpec returns the usual machine of a profile. Serials, UUID and MACs follow
// from the name, so the same name is the same machine again. Change what a
// manifest says otherwise, then pass it to New.
func NewSpec(profile, name string) Spec {
	s := Spec{
		Name: name, Profile: profile, Cert: CertSelfSigned, User: "root", Password: "sim-" + seed(name, "password")[:10] + "A1",
		Serial: "SYS" + serial(name, "system"), ChassisSerial: "CHS" + serial(name, "chassis"), UUID: uuid(name), BMCMAC: mac(name, "bmc", 0),
		Vendor: "Rackwright", Model: "Simulated server", SKU: "SIM-" + profile,
		Access: Access{SessionLimit: 8, SessionTimeout: 30 * time.Minute, FullStatus: 503, LockThreshold: 5, LockDuration: 30 * time.Second, MinPassword: 8, MaxPassword: 20},
		Timing: Timing{PowerOn: 100 * time.Millisecond, PowerOff: 100 * time.Millisecond, Post: 300 * time.Millisecond, BMCReset: 500 * time.Millisecond, Update: 500 * time.Millisecond},
		Update: UpdateSpec{Multipart: true, HTTPPush: true, Simple: true, MaxImage: 200 << 20, RetryAfter: 1, ApplyTimes: []string{"Immediate", "OnReset"},
			Parameters: []string{"Targets", "@Redfish.OperationApplyTime"}},
	}
	switch profile {
	case ProfileHGX:
		s.hgxParts(name)
	case ProfileGB200:
		s.gb200Parts(name)
	case ProfileSwitch:
		s.switchParts(name)
	case ProfileShelf:
		s.shelfParts(name)
	default:
		s.x86Parts(name)
	}
	return s
}

func (s *Spec) some(n int, kind, slot string, like Part) {
	for i := range n {
		p := like
		p.Kind, p.Slot = kind, fmt.Sprintf(slot, i)
		p.Serial = serial(s.Name, kind+p.Slot)
		for j := range p.MACs {
			p.MACs = append([]string(nil), p.MACs...)
			p.MACs[j] = mac(s.Name, p.Slot, j)
		}
		s.Parts = append(s.Parts, p)
	}
}

func (s *Spec) component(id, version, related, activation string) {
	s.Firmware = append(s.Firmware, Firmware{ID: id, Version: version, Related: related, Activation: activation, SoftwareID: "SIM-" + id})
}

func (s *Spec) x86Parts(string) {
	s.some(2, "cpu", "CPU_%d", Part{Vendor: "Intel", Model: "Xeon Gold 6430", Size: 32})
	s.some(16, "dimm", "DIMM_%d", Part{Vendor: "Samsung", Model: "M321R4GA3BB6", Number: "M321R4GA3BB6-CQK", Size: 32768})
	s.some(2, "nic", "NIC_%d", Part{Vendor: "Broadcom", Model: "BCM57414", Firmware: "223.0.161.0", MACs: []string{""}})
	s.some(2, "drive", "NVMe_%d", Part{Vendor: "Samsung", Model: "PM9A3", Size: 1920383410176, Firmware: "GDC5602Q"})
	s.some(2, "psu", "PSU_%d", Part{Vendor: "Delta", Model: "DPS-1600", Size: 1600, Firmware: "1.02"})
	s.component("BMC", "1.10.0", managers+"/BMC", BMCReset)
	s.component("BIOS", "2.4.1", systems+"/1", HostReset)
	s.component("NIC_0", "223.0.161.0", "", Immediate)
}

func (s *Spec) hgxParts(string) {
	s.Vendor, s.Model, s.BoardSerial = "NVIDIA", "DGX H100 (simulated)", "HGX"+serial(s.Name, "board")
	s.Update.Parameters = append(s.Update.Parameters, "ForceUpdate", "Oem")
	s.Update.ApplyTimes = []string{"Immediate"}
	s.some(2, "cpu", "CPU_%d", Part{Vendor: "Intel", Model: "Xeon Platinum 8480C", Size: 56})
	s.some(32, "dimm", "DIMM_%d", Part{Vendor: "Samsung", Model: "M321R8GA0BB0", Number: "M321R8GA0BB0-CQK", Size: 65536})
	for i := 1; i <= 8; i++ {
		slot := fmt.Sprintf("GPU_SXM_%d", i)
		s.Parts = append(s.Parts, Part{Kind: "gpu", Slot: slot, Vendor: "NVIDIA", Model: "NVIDIA H100 80GB HBM3", Number: "2330-885-A1",
			Serial: serial(s.Name, slot), UUID: uuid(s.Name + slot), Size: 81559, Firmware: "96.00.99.00.01"})
		s.component("HGX_FW_"+slot, "96.00.99.00.01", systems+"/HGX_Baseboard_0/Processors/"+slot, HostReset)
	}
	s.some(4, "nvswitch", "NVSwitch_%d", Part{Vendor: "NVIDIA", Model: "NVSwitch 3", Number: "5612-100-A1", Firmware: "96.10.57.00.01"})
	for i := range 4 {
		slot := fmt.Sprintf("NVSwitch_%d", i)
		s.component("HGX_FW_"+slot, "96.10.57.00.01", root+"/Fabrics/HGX_NVLinkFabric_0/Switches/"+slot, HostReset)
	}
	s.some(8, "nic", "NIC_%d", Part{Vendor: "NVIDIA", Model: "ConnectX-7", Firmware: "28.39.1002", MACs: []string{""}})
	s.some(8, "drive", "NVMe_%d", Part{Vendor: "Samsung", Model: "PM1743", Size: 3840755982336, Firmware: "EDA7602Q"})
	s.some(6, "psu", "PSU_%d", Part{Vendor: "Delta", Model: "ECD16020137", Size: 3300, Firmware: "0202.0204"})
	s.component("HostBMC_0", "23.11.09", managers+"/BMC", BMCReset)
	s.component("HostBIOS_0", "1.06.02", systems+"/DGX", HostReset)
	s.component("HGX_FW_BMC_0", "HGX-22.10-1-rc67", managers+"/HGX_BMC_0", BMCReset)
	s.component("HGX_FW_ERoT_BMC_0", "00.02.0182.0000_n00", "", ACCycle)
	s.component("HGX_FW_FPGA_0", "2.53", "", ACCycle)
}

func (s *Spec) gb200Parts(string) {
	s.Vendor, s.Model, s.BoardSerial = "NVIDIA", "GB200 NVL tray (simulated)", "HGX"+serial(s.Name, "board")
	s.Update.Parameters = append(s.Update.Parameters, "ForceUpdate", "Oem")
	s.Update.ApplyTimes = []string{"Immediate"}
	s.Quirks.BootInSettings = true
	s.some(2, "cpu", "CPU_%d", Part{Vendor: "NVIDIA", Model: "Grace A02", Size: 72})
	s.some(2, "dimm", "ProcessorModule_%d_LPDDR", Part{Vendor: "Micron", Model: "MT62F4G", Size: 491520})
	s.some(4, "gpu", "GPU_%d", Part{Vendor: "NVIDIA", Model: "NVIDIA GB200", Number: "2941-886-A1", Size: 189471, Firmware: "97.00.72.00.00"})
	for i := range s.Parts {
		if s.Parts[i].Kind == "gpu" {
			s.Parts[i].UUID = uuid(s.Name + s.Parts[i].Slot)
			s.component("HGX_FW_"+s.Parts[i].Slot, "97.00.72.00.00", systems+"/HGX_Baseboard_0/Processors/"+s.Parts[i].Slot, ACCycle)
		}
	}
	s.some(2, "nic", "NIC_%d", Part{Vendor: "NVIDIA", Model: "ConnectX-7", Firmware: "28.42.1000", MACs: []string{"", ""}})
	s.some(4, "drive", "NVMe_%d", Part{Vendor: "Samsung", Model: "PM9D3", Size: 3840755982336, Firmware: "GDC7502Q"})
	s.Leaks = []string{"Chassis_0_LeakDetector_0_ColdPlate", "Chassis_0_LeakDetector_0_Manifold", "Chassis_0_LeakDetector_1_ColdPlate", "Chassis_0_LeakDetector_1_Manifold"}
	s.component("FW_BMC_0", "GB200Nvl-25.02-8", managers+"/BMC_0", BMCReset)
	s.component("HGX_FW_BMC_0", "GB200Nvl-25.02-8", managers+"/HGX_BMC_0", ACCycle)
	for i := range 2 {
		s.component(fmt.Sprintf("HGX_FW_CPU_%d", i), "02.04.07", "", ACCycle)
		s.component(fmt.Sprintf("HGX_FW_ERoT_CPU_%d", i), "01.04.0008.0000_n04", "", ACCycle)
		s.component(fmt.Sprintf("HGX_FW_FPGA_%d", i), "1.20", "", ACCycle)
	}
	s.component("UEFI", "buildbrain-gcid-38635631", systems+"/System_0", ACCycle)
}

func (s *Spec) switchParts(string) {
	s.Vendor, s.Model = "NVIDIA", "NVLink switch tray (simulated)"
	s.Update.Parameters = append(s.Update.Parameters, "ForceUpdate", "Oem")
	s.Update.ApplyTimes = []string{"Immediate"}
	s.some(2, "nvswitch", "NVSwitch_%d", Part{Vendor: "NVIDIA", Model: "NVLink 5 switch", Number: "920-9K36F", Firmware: "35.2014.1676"})
	s.Leaks = []string{"MGX_LeakDetector_0"}
	s.component("MGX_FW_BMC_0", "88.0002.1252", managers+"/BMC_0", BMCReset)
	s.component("MGX_FW_CPU_0", "02.04.07", systems+"/System_0", ACCycle)
	s.component("MGX_FW_FPGA_0", "0.1C", "", ACCycle)
	s.component("MGX_FW_ERoT_BMC_0", "01.04.0008.0000_n04", "", ACCycle)
}

func (s *Spec) shelfParts(string) {
	s.Vendor, s.Model, s.Serial = "LITE-ON", "Power shelf 33 kW (simulated)", ""
	s.some(6, "psu", "%d", Part{Vendor: "LITE-ON", Model: "SP-2552-6RB", Size: 5500, Firmware: "0x1 / 0x1"})
	s.component("BMC", "1.4.2", managers+"/bmc", BMCReset)
}
