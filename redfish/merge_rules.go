package redfish

// Names of the rules that change a count. Each is redfish.md §4.3 with the
// number it has there, or the section that states it; each has a test. Rules 2,
// 10 and 12 and the first half of 9 keep what was read and change no count.
const (
	ruleOnePart    = "1 two collections, one serial: one part"
	ruleOneNode    = "3 host and baseboard are one node"
	ruleConflict   = "4 enabled here, absent there: a fault, both kept"
	ruleNoDIMM     = "5 HBM and GDDR are no DIMMs"
	ruleEmptySlot  = "5 absent, or a DIMM of 0 MiB: an empty slot"
	ruleModel      = "6 the model says what it is, not the type word"
	ruleBodyID     = "7 the body's id counts"
	rulePower      = "8 the subsystem, else its older twin, never both"
	ruleShelfTwice = "9 two entries, one chassis"
	ruleTwice      = "11 listed twice, counted once"
	ruleWrongType  = "11 the link leads to another type: a fault"
	ruleOEM        = "13 OEM bodies never make parts"
	ruleDrives     = "8 drives of Storage, else of SimpleStorage"
	ruleForeign    = "§4.1 a part of another host or of the DPU"
	ruleNoClass    = "§4.1 no class of the record"
	ruleNotLinked  = "§4.2 no link of the walk leads there"
	ruleRollback   = "§4.2 an image kept for rollback runs nowhere"
	ruleSettings   = "§4.1 settings and capabilities are no parts"
	ruleOwnBoard   = "§4.2 the board of a counted part is that part"
	rulePorts      = "§4.3 an interface of a listed adapter is its port"
	ruleInternal   = "§4.3 a link between BMC and host is no port"
	ruleCurrent    = "§4.3 the permanent address counts, not the current"
	ruleUnit       = "§4.1 the System is the unit where no Chassis was read"
	ruleFailed     = "§4.2 linked and failed: a fault, the class unproven"
	rulePlain      = "§4.2 an entry without identity is no part"
)
