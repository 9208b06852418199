package bmcsim

// gpuMemory adds only the stacked memory of the GPUs.
func (b *builder) gpuMemory(system string) {
	for _, g := range b.s.of("gpu") {
		b.t.add(system+"/Memory/"+g.Slot+"_DRAM_0", "Memory.v1_20_0", "GPU Memory", object{
			"MemoryType": "DRAM", "MemoryDeviceType": "HBM3", "CapacityMiB": g.Size, "Status": enabled()})
	}
}

// modules adds one Chassis per GPU, as the link target of firmware and sensors.
func (b *builder) modules(in, prefix string) {
	for _, g := range b.s.of("gpu") {
		b.box(prefix+g.Slot, "Module", g.Vendor, g.Model, g.Serial, object{"Links": object{"ContainedBy": ref(in)}, "PartNumber": g.Number})
	}
}

// roots adds roots of trust: a Chassis with background copy, and ComponentIntegrity.
func (b *builder) roots(ids ...string) {
	at := root + "/ComponentIntegrity"
	b.t.collect(at, "ComponentIntegrityCollection")
	b.t.set(root, object{"ComponentIntegrity": ref(at)})
	for _, id := range ids {
		p := b.box(id, "Component", "NVIDIA", "ERoT", b.s.BoardSerial+"-"+id, object{"Oem": object{"Nvidia": object{
			"@odata.type": "#NvidiaChassis.v1_6_0.NvidiaRoTChassis", "AutomaticBackgroundCopyEnabled": true,
			"BackgroundCopyStatus": "Completed", "ManualBootModeEnabled": false}}})
		b.t.add(at+"/"+id, "ComponentIntegrity.v1_2_1", id, object{
			"ComponentIntegrityEnabled": true, "ComponentIntegrityType": "SPDM", "ComponentIntegrityTypeVersion": "1.1.0",
			"TargetComponentURI": p, "Status": enabled()})
	}
}

// leakPolicy is the tray's own cut-off; the captured tray has it disabled.
func (b *builder) leakPolicy(in string) {
	at := in + "/Oem/Nvidia/Policies"
	b.t.set(in, object{"Oem": object{"Nvidia": object{"Policies": ref(at)}}})
	b.t.collect(at, "NvidiaPolicyCollection")
	b.t.add(at+"/LeakDetectionPolicy", "NvidiaPolicy.v1_0_0", "Leak Detection Policy", object{"PolicyEnabled": false, "PolicyReactions": []string{"HardPowerOff"}})
}

// sensors adds one temperature and one power reading.
func (b *builder) sensors(in string) {
	at := in + "/Sensors"
	b.t.set(in, object{"Sensors": ref(at)})
	b.t.collect(at, "SensorCollection")
	b.t.add(at+"/Inlet_Temp", "Sensor.v1_9_0", "Inlet Temperature", object{
		"ReadingType": "Temperature", "ReadingUnits": "Cel", "Reading": 24.5, "Status": enabled(),
		"Thresholds": object{"UpperCaution": object{"Reading": 40}, "UpperCritical": object{"Reading": 48}}})
	b.t.add(at+"/Total_Power", "Sensor.v1_9_0", "Total Power", object{
		"ReadingType": "Power", "ReadingUnits": "W", "Reading": 812, "Status": enabled()})
}
