package bmcsim

// host adds a System with power and boot, and the collections its parts go into.
func (b *builder) host(p string, managedBy, inChassis string) {
	s := b.s
	body := object{
		"SystemType": "Physical", "Manufacturer": s.Vendor, "Model": s.Model, "SKU": s.SKU, "SerialNumber": s.Serial, "UUID": s.UUID,
		"PowerState": "Off", "IndicatorLED": "Off", "LocationIndicatorActive": false, "AssetTag": "", "HostName": "", "BiosVersion": "",
		"Status": object{"State": "Disabled", "Health": "OK"}, "BootProgress": object{"LastState": "None"},
		"Processors": ref(p + "/Processors"), "Memory": ref(p + "/Memory"), "EthernetInterfaces": ref(p + "/EthernetInterfaces"),
		"Links":              object{"Chassis": refs(inChassis), "ManagedBy": refs(managedBy)},
		"Actions":            object{"#ComputerSystem.Reset": object{"target": p + "/Actions/ComputerSystem.Reset", "@Redfish.ActionInfo": p + "/ResetActionInfo"}},
		"PowerRestorePolicy": "LastState",
		"Boot":               b.bootDefaults(),
	}
	if s.Profile == ProfileX86 { // the others list the values in ActionInfo only (quirk 17)
		body["Actions"].(object)["#ComputerSystem.Reset"].(object)["ResetType@Redfish.AllowableValues"] = resetTypes()
	}
	b.t.add(p, "ComputerSystem.v1_22_0", "Host", body)
	b.t.add(p+"/ResetActionInfo", "ActionInfo.v1_2_0", "Reset Action Info", object{"Parameters": []object{{
		"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": resetTypes()}}})
	if s.Quirks.BootInSettings {
		b.t.set(p, object{"@Redfish.Settings": object{"@odata.type": "#Settings.v1_3_5.Settings", "SettingsObject": ref(p + "/Settings")}})
		b.t.add(p+"/Settings", "ComputerSystem.v1_22_0", "Pending Settings", object{"Boot": b.bootDefaults()})
	}
	b.t.collect(p+"/Processors", "ProcessorCollection")
	b.t.collect(p+"/Memory", "MemoryCollection")
	b.t.collect(p+"/EthernetInterfaces", "EthernetInterfaceCollection")
}

func (b *builder) bootDefaults() object {
	return object{
		"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideEnabled@Redfish.AllowableValues": []string{"Disabled", "Once", "Continuous"},
		"BootSourceOverrideTarget": "None", "BootSourceOverrideTarget@Redfish.AllowableValues": b.s.targets(),
		"BootSourceOverrideMode": "UEFI", "BootSourceOverrideMode@Redfish.AllowableValues": []string{"UEFI"},
		"HttpBootUri": "", "BootNext": "",
	}
}

// targets are the boot override targets that this BMC offers.
func (s *Spec) targets() []string {
	if len(s.BootTargets) > 0 {
		return s.BootTargets
	}
	return []string{"None", "Pxe", "Hdd", "Cd", "Usb", "BiosSetup", "UefiHttp", "UefiBootNext"}
}

func resetTypes() []string {
	return []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart", "GracefulRestart", "PowerCycle", "FullPowerCycle", "Nmi"}
}

// manager adds a BMC. servers may be empty (HMC, shelf).
func (b *builder) manager(id, typ, model, mac string, servers, inChassis []string) {
	p := managers + "/" + id
	body := object{
		"ManagerType": typ, "Model": model, "FirmwareVersion": "", "UUID": b.s.UUID, "PowerState": "On", "Status": enabled(),
		"LastResetTime": "2026-01-01T00:00:00.000Z",
		"Links":         object{"ManagerForServers": refs(servers...), "ManagerForChassis": refs(inChassis...)},
		"Actions": object{"#Manager.Reset": object{"target": p + "/Actions/Manager.Reset",
			"ResetType@Redfish.AllowableValues": []string{"ForceRestart", "GracefulRestart"}}},
	}
	if mac != "" {
		body["EthernetInterfaces"] = ref(p + "/EthernetInterfaces")
	}
	b.t.add(p, "Manager.v1_15_0", id, body)
	if mac != "" {
		b.t.collect(p+"/EthernetInterfaces", "EthernetInterfaceCollection")
		b.t.add(p+"/EthernetInterfaces/eth0", "EthernetInterface.v1_9_0", "Manager Ethernet", object{
			"MACAddress": mac, "PermanentMACAddress": mac, "InterfaceEnabled": true, "LinkStatus": "LinkUp", "Status": enabled()})
	}
}

// box adds a Chassis.
func (b *builder) box(id, typ, vendor, model, serial string, more object) string {
	p := chassis + "/" + id
	body := object{"ChassisType": typ, "Manufacturer": vendor, "Model": model, "SerialNumber": serial, "PowerState": "On",
		"LocationIndicatorActive": false, "IndicatorLED": "Off", "Status": enabled()}
	if b.s.Position != "" {
		body["Location"] = object{"Placement": object{"Rack": b.s.Position}}
	}
	merge(body, more)
	b.t.add(p, "Chassis.v1_22_0", id, body)
	return p
}

// auxReset gives a Chassis the NVIDIA verb for a cycle of standby power.
func (b *builder) auxReset(p string) {
	b.t.set(p, object{"Actions": object{"Oem": object{"#NvidiaChassis.AuxPowerReset": object{
		"target": p + "/Actions/Oem/NvidiaChassis.AuxPowerReset", "@Redfish.ActionInfo": p + "/Oem/Nvidia/AuxPowerResetActionInfo"}}}})
	b.t.add(p+"/Oem/Nvidia/AuxPowerResetActionInfo", "ActionInfo.v1_2_0", "Aux Power Reset", object{"Parameters": []object{{
		"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": []string{"AuxPowerCycle"}}}})
}

// baseboard adds the accelerator System: no Reset, no Bios; power follows the host.
func (b *builder) baseboard(p, model, managedBy, inChassis string) {
	b.t.add(p, "ComputerSystem.v1_22_0", "HGX Baseboard", object{
		"SystemType": "Physical", "Manufacturer": "NVIDIA", "Model": model, "SerialNumber": b.s.BoardSerial, "PowerState": "Off",
		"Status": enabled(), "Processors": ref(p + "/Processors"), "Memory": ref(p + "/Memory"),
		"Links": object{"Chassis": refs(inChassis), "ManagedBy": refs(managedBy)},
	})
	b.t.collect(p+"/Processors", "ProcessorCollection")
	b.t.collect(p+"/Memory", "MemoryCollection")
}

// nvSwitches adds a fabric with its switches.
func (b *builder) nvSwitches(fabric string) {
	at := root + "/Fabrics"
	b.t.set(root, object{"Fabrics": ref(at)})
	b.t.collect(at, "FabricCollection")
	b.t.add(at+"/"+fabric, "Fabric.v1_3_0", fabric, object{"FabricType": "NVLink", "Switches": ref(at + "/" + fabric + "/Switches"), "Status": enabled()})
	b.t.collect(at+"/"+fabric+"/Switches", "SwitchCollection")
	for _, p := range b.s.of("nvswitch") {
		body := common(p)
		body["SwitchType"], body["SupportedProtocols"], body["FirmwareVersion"] = "NVLink", []string{"NVLink"}, p.Firmware
		b.t.add(at+"/"+fabric+"/Switches/"+p.Slot, "Switch.v1_9_0", name("NVSwitch", p.Slot), body)
	}
}
