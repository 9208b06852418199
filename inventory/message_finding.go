package inventory

var findingMessages = map[string]string{
	"finding.missing":        "Reseat {0}: it is expected and was not seen. If that does not help, claim it.",
	"finding.extra":          "Look at {0} (serial {1}): nobody ordered it here.",
	"finding.count_short":    "Look for the missing {0}: {1} of {2} were seen.",
	"finding.wrong_type":     "Claim {0}: ordered was {1}, seen is {2}.",
	"finding.wrong_slot":     "Move the part that belongs into {0}: it sits in {1}.",
	"finding.strayed":        "Move serial {0} ({1}): it sits in {2} and belongs to {3}.",
	"finding.replaced":       "Check {0}: serial {1} was expected, {2} is there. Accept it as found or put it right.",
	"finding.swapped":        "Exchange {0}: each sits in the other's slot.",
	"finding.exchanged":      "Exchange the units {0}: each sits in the other's slot. Or accept it as found, by two people.",
	"finding.duplicate_id":   "Check {0} and {1}: both say {2}.",
	"finding.id_conflict":    "Decide which identity of {0} is right: {1} or {2}.",
	"finding.placeholder_id": "Ask the vendor for the serial of {0}: it reports {1}.",
	"finding.wrong_firmware": "Wait for the firmware plan of {0}: {1} is wanted, {2} runs.",
	"finding.unreadable":     "Read {0} again: it could not be read, so it is not proven.",
	"finding.surplus":        "Decide at the dock: unit {0} is on no list of rack {1}.",
	"finding.damaged":        "Claim {0}: it was damaged on arrival.",
	"finding.stale":          "Read {0} again: the last reading is too old.",
}
