package inventory

var conductorMessages = map[string]string{
	"conductor.error":          "Tell the operator of the server: this step has failed five times. {0}",
	"conductor.over_budget":    "Look at {0}: {1} has taken longer than {2}. Do not power it off during a flash.",
	"conductor.unreachable":    "Check power and management cable of {0}: its BMC does not answer. {1}",
	"conductor.ask":            "Start {1} for {0}: nobody has asked for it yet.",
	"conductor.hold":           "Lift hold {1} of {0} when its reason is gone: {2}",
	"conductor.locked":         "Look at {0}, then confirm that you did: rackwright break {0} --reason ... {1}",
	"conductor.latch":          "Make {0} safe, then lift its latch: rackwright release {0} safety-latch. {1}",
	"conductor.held":           "Lift what holds {0} first: {1}",
	"conductor.no_plan":        "Make a firmware plan for {0} first. {1}",
	"conductor.triage":         "Look at {0}: {1}. A person decides: rackwright repair, or rackwright return, with a reason.",
	"conductor.no_agent":       "Look at the console of {0}: its burn-in agent has been silent for {1}.",
	"conductor.no_address":     "Say where the BMC of {0} answers: {1}",
	"conductor.broken_flash":   "Look at {0}: its firmware run was broken off; do not power it off. {1}",
	"conductor.pin":            "Find out who answers at {0}; if its board or firmware was changed, confirm: rackwright bmc {0} --confirm-key. {1}",
	"conductor.empty":          "Power {0} on, wait for its self test, then sweep again: its BMC reports nothing. {1}",
	"conductor.refused":        "Ask the vendor: the BMC of {0} refuses its new password. {1}",
	"conductor.unsupported":    "Ask the vendor: the BMC of {0} does not offer this. {1}",
	"conductor.no_burnin_plan": "Name a burn-in plan for {0}. {1}",
	"conductor.login":          "Give the BMC password of {0}: neither the new nor the old one works.",
}
