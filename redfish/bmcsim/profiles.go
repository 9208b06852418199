package bmcsim

import "fmt"

func (b *builder) x86() {
	const sys, box, bmc = systems + "/1", "1", managers + "/BMC"
	c := b.box(box, "RackMount", b.s.Vendor, b.s.Model, b.s.ChassisSerial, object{"Links": object{"ComputerSystems": refs(sys), "ManagedBy": refs(bmc)}})
	b.host(sys, bmc, c)
	b.manager("BMC", "BMC", "Rackwright simulated BMC", b.s.BMCMAC, []string{sys}, []string{c})
	b.processors(sys, "cpu", "gpu")
	b.memory(sys, false)
	b.interfaces(sys)
	b.bootOptions(sys)
	b.drives(sys)
	b.adapters(c, true)
	b.supplies(c, false)
	b.leaks(c)
	b.sensors(c)
}

func (b *builder) hgx() {
	const sys, board, bmc, hmc = systems + "/DGX", systems + "/HGX_Baseboard_0", managers + "/BMC", managers + "/HGX_BMC_0"
	c := b.box("DGX", "RackMount", b.s.Vendor, b.s.Model, b.s.ChassisSerial, object{"Links": object{"ComputerSystems": refs(sys), "ManagedBy": refs(bmc)}})
	h := b.box("HGX_Chassis_0", "Module", "NVIDIA", "HGX baseboard", b.s.BoardSerial, object{"Links": object{"ContainedBy": ref(c), "ManagedBy": refs(hmc)}})
	b.host(sys, bmc, c)
	b.baseboard(board, "HGX baseboard", hmc, h)
	b.manager("BMC", "BMC", "Rackwright simulated BMC", b.s.BMCMAC, []string{sys}, []string{c})
	b.manager("HGX_BMC_0", "BMC", "Rackwright simulated HMC", "", nil, []string{h})
	b.manager("HGX_FabricManager_0", "Service", "Rackwright simulated FabricManager", "", nil, []string{h})
	b.processors(sys, "cpu")
	b.processors(board, "gpu")
	b.memory(sys, false)
	b.gpuMemory(board)
	b.interfaces(sys)
	b.bootOptions(sys)
	b.drives(sys)
	b.nvSwitches("HGX_NVLinkFabric_0")
	b.adapters(c, true)
	b.supplies(c, false)
	b.leaks(c)
	b.sensors(c)
	b.auxReset(c)
	b.modules(h, "HGX_")
	b.roots("HGX_ERoT_BMC_0", "HGX_ERoT_FPGA_0")
}

func (b *builder) gb200() {
	const sys, board, bmc, hmc = systems + "/System_0", systems + "/HGX_Baseboard_0", managers + "/BMC_0", managers + "/HGX_BMC_0"
	c := b.box("Chassis_0", "RackMount", b.s.Vendor, b.s.Model, b.s.ChassisSerial, object{"Links": object{"ManagedBy": refs(bmc)}})
	m := b.box("BMC_0", "Module", b.s.Vendor, b.s.Model, b.s.ChassisSerial+"-BMC", object{"Links": object{"ComputerSystems": refs(sys), "ContainedBy": ref(c), "ManagedBy": refs(bmc)}})
	h := b.box("HGX_Chassis_0", "Module", "NVIDIA", "GB200 NVL", b.s.BoardSerial, object{"Links": object{"ContainedBy": ref(c), "ManagedBy": refs(hmc)}})
	b.host(sys, bmc, m)
	b.baseboard(board, "GB200 NVL", hmc, h)
	b.manager("BMC_0", "BMC", "Rackwright simulated BMC", b.s.BMCMAC, []string{sys}, []string{m})
	b.manager("HGX_BMC_0", "BMC", "Rackwright simulated HMC", "", nil, []string{h})
	b.processors(board, "cpu", "gpu") // the host lists none
	b.memory(board, true)
	for _, g := range b.s.of("gpu") {
		at := board + "/Processors/" + g.Slot
		b.t.set(at, object{"Ports": ref(at + "/Ports")})
		b.t.collect(at+"/Ports", "PortCollection")
		for i := range 18 {
			b.t.add(fmt.Sprintf("%s/Ports/NVLink_%d", at, i), "Port.v1_10_0", "NVLink", object{
				"PortProtocol": "NVLink", "PortType": "BidirectionalPort", "LinkStatus": "LinkUp", "CurrentSpeedGbps": 400, "Status": enabled()})
		}
	}
	b.bootOptions(sys) // the only source of MACs
	b.drives(sys)
	b.adapters(c, false)
	b.supplies(m, false)
	b.leaks(c)
	b.sensors(c)
	b.auxReset(m)
	b.leakPolicy(c)
	b.modules(h, "HGX_")
	b.roots("ERoT_BMC_0", "HGX_ERoT_BMC_0", "HGX_ERoT_CPU_0", "HGX_ERoT_CPU_1", "HGX_ERoT_FPGA_0", "HGX_ERoT_FPGA_1")
}

func (b *builder) nvlinkSwitch() {
	const sys, bmc = systems + "/System_0", managers + "/BMC_0"
	c := b.box("BMC_0", "Module", b.s.Vendor, b.s.Model, b.s.ChassisSerial, object{"Links": object{"ComputerSystems": refs(sys), "ManagedBy": refs(bmc)}})
	for _, p := range b.s.of("nvswitch") {
		b.box("MGX_"+p.Slot, "Component", p.Vendor, p.Model, p.Serial, object{"Links": object{"ContainedBy": ref(c)}})
	}
	b.host(sys, bmc, c)
	b.manager("BMC_0", "BMC", "Rackwright simulated BMC", b.s.BMCMAC, []string{sys}, []string{c})
	b.nvSwitches("MGX_NVLinkFabric_0")
	b.supplies(c, false)
	b.leaks(c)
	b.sensors(c)
	b.auxReset(c)
	b.roots("MGX_ERoT_BMC_0", "MGX_ERoT_CPU_0", "MGX_ERoT_FPGA_0", "MGX_ERoT_NVSwitch_0", "MGX_ERoT_NVSwitch_1")
}

func (b *builder) shelf() {
	const bmc = managers + "/bmc"
	body := object{"MaxPowerWatts": 33000, "Links": object{"ManagedBy": refs(bmc)}, "Status": object{"Health": "OK", "State": "Standby"}}
	c := b.box("powershelf", "Shelf", b.s.Vendor, b.s.Model, b.s.ChassisSerial, body)
	b.box("PowerShelf_0", "Shelf", b.s.Vendor, b.s.Model, b.s.ChassisSerial, body) // two entries, one shelf
	b.manager("bmc", "EnclosureManager", "Rackwright simulated shelf controller", b.s.BMCMAC, nil, []string{c})
	b.supplies(c, true)
	b.sensors(c)
}
