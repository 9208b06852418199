package redfish

// explained names, per reading and class, the rule behind every difference
// between Observe and the count by @odata.type. Rules that the merge notes
// itself must state the noted number; the others (a body no link leads to, an
// older twin that was not read) stand here because only a person can see why.
var explained = map[string]map[string][]because{
	"cray-cmm-chassis": {"chassis": {{-12, rulePlain}, {-4, ruleEmptySlot}}},
	"cray-ex235n-a100 Node0": {"cpu": {{-1, ruleForeign}}, "gpu": {{-4, ruleForeign}}, "dimm": {{-8, ruleForeign}}, "nic": {{-4, ruleForeign}, {-10, rulePorts}},
		"mac": {{-5, ruleForeign}}, "bmc": {{-4, ruleNoClass}}, "firmware": {{-11, ruleForeign}}, "chassis": {{-1, ruleForeign}, {-2, rulePlain}, {-3, ruleOwnBoard}}},
	"cray-ex235n-a100 Node1": {"cpu": {{-1, ruleForeign}}, "gpu": {{-4, ruleForeign}}, "dimm": {{-8, ruleForeign}}, "nic": {{-4, ruleForeign}, {-10, rulePorts}},
		"mac": {{-4, ruleForeign}}, "bmc": {{-4, ruleNoClass}}, "firmware": {{-11, ruleForeign}}, "chassis": {{-3, ruleForeign}, {-2, rulePlain}, {-1, ruleOwnBoard}}},
	"dell-idrac-synthetic": {"mac": {{-1, ruleNotLinked}}, "firmware": {{-1, ruleNotLinked}}, "chassis": {{-1, rulePlain}}},
	"dell-r750-idrac9": {"drive": {{-4, ruleDrives}}, "nic": {{-5, rulePorts}}, "psu": {{-2, rulePower}}, "fan": {{-6, rulePower}},
		"firmware": {{-2, ruleRollback}}, "chassis": {{-1, rulePlain}, {-1, ruleSettings}}},
	"dmtf-cables": {"drive": {{-1, rulePlain}}, "chassis": {{-1, rulePlain}}},
	"dmtf-localstorage": {"cpu": {{-1, ruleEmptySlot}}, "dimm": {{-1, ruleEmptySlot}}, "drive": {{-4, ruleNotLinked}}, "nic": {{-2, ruleInternal}},
		"mac": {{-2, ruleInternal}, {-1, ruleCurrent}}},
	"dmtf-power-shelf": {"psu": {{-6, ruleWrongType}}},
	"dmtf-rackmount1": {"cpu": {{-1, ruleEmptySlot}}, "dimm": {{-1, ruleEmptySlot}}, "drive": {{-2, ruleEmptySlot}}, "nic": {{-4, ruleInternal}},
		"mac": {{-3, ruleInternal}, {-1, ruleCurrent}}, "psu": {{-1, ruleEmptySlot}, {-1, rulePower}}, "fan": {{-2, rulePower}}, "firmware": {{-3, ruleNotLinked}}},
	"dmtf-smartnic": {"cpu": {{-1, ruleForeign}, {-1, ruleEmptySlot}}, "dimm": {{-2, ruleForeign}, {-1, ruleEmptySlot}}, "drive": {{-1, ruleForeign}, {-2, ruleEmptySlot}},
		"mac": {{-2, ruleCurrent}}, "psu": {{-1, ruleEmptySlot}}, "fan": {{-1, ruleForeign}}, "chassis": {{-1, ruleForeign}}},
	"dmtf-smartnic Card1-SoC": {"cpu": {{-2, ruleForeign}}, "dimm": {{-4, ruleForeign}}, "drive": {{-4, ruleForeign}}, "mac": {{-2, ruleCurrent}},
		"psu": {{-2, ruleForeign}}, "fan": {{-4, ruleForeign}}, "chassis": {{-1, ruleForeign}}},
	"dmtf-telemetry":    {"psu": {{-6, ruleOnePart}, {-4, ruleEmptySlot}}, "chassis": {{-3, ruleShelfTwice}}},
	"gigabyte-h262-ami": {"drive": {{-1, ruleDrives}}, "psu": {{-2, rulePlain}}},
	"hpe-dl380a-gen11-h100-ilo6": {"gpu": {{-2, ruleOEM}}, "dimm": {{-8, ruleEmptySlot}}, "drive": {{-1, ruleEmptySlot}}, "nic": {{-2, rulePorts}, {-1, ruleSettings}},
		"psu": {{-4, rulePower}}, "fan": {{-6, rulePower}}, "nvswitch": {{-2, ruleNoClass}}, "chassis": {{-2, rulePlain}}},
	"hpe-xl675d-a100-ilo5":  {"gpu": {{-2, ruleModel}}, "nvswitch": {{+1, ruleModel}}, "dimm": {{-16, ruleEmptySlot}}, "psu": {{-2, ruleEmptySlot}}},
	"lambda-gb300-partial":  {"gpu": {{-4, ruleBodyID}}, "dimm": {{-4, ruleBodyID}, {-4, ruleFailed}}, "chassis": {{+1, ruleUnit}}},
	"nvidia-bluefield3-dpu": {"mac": {{-3, ruleInternal}}, "chassis": {{-1, ruleOwnBoard}}},
	"powershelf-liteon":     {"chassis": {{-1, ruleShelfTwice}}},
	"supermicro-gb300-nvl": {"dimm": {{-4, ruleNoDIMM}}, "drive": {{-8, ruleEmptySlot}, {-1, ruleConflict}}, "mac": {{-1, ruleInternal}},
		"chassis": {{-9, rulePlain}, {-12, ruleOwnBoard}}},
	"supermicro-x10": {"fan": {{-4, ruleEmptySlot}}},
}
