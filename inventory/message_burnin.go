package inventory

// burninMessages are the sentences of a burn-in verdict: verb first, {0} is
// the step, {1} the entity, the rest what was seen.
var burninMessages = map[string]string{
	// fail
	"burnin.limit":   "Look at {1}: step {0} measured {2} {3} {4}, the rule is {5}.",
	"burnin.kernel":  "Look at the kernel log of this node: {0} during {1}. {2}",
	"burnin.reboot":  "Find out why the node restarted during {0}: nobody asked for it.",
	"burnin.changed": "Find out which part or firmware changed between {0} and {1}.",
	"burnin.thermal": "Check cooling and airflow: step {0} measured {2} {3} {4} at {1}, the rule is {5}.",
	// unjudged
	"burnin.missing_result": "Run burn-in again: step {0} has no result for {1}.",
	"burnin.missing_tool":   "Build the image again: step {0} could not start {1}.",
	"burnin.not_started":    "Run burn-in again: step {0} was not started for {1}. {2}",
	"burnin.timeout":        "Look at the console: step {0} for {1} did not end in time and was stopped.",
	"burnin.exit":           "Read the output of step {0} for {1}: it ended with {2} although its values pass.",
	"burnin.fault":          "Read the output of step {0} for {1}: it could not be understood. {2}",
	"burnin.missing_value":  "Run burn-in again: step {0} did not measure {2} of {1}.",
	"burnin.double_value":   "Read the output of step {0}: {2} of {1} was measured more than once.",
	"burnin.foreign_value":  "Compare parts and record: step {0} measured {2} of {1}, which nobody expects.",
	"burnin.not_finite":     "Read the output of step {0}: {2} of {1} is not a number.",
	"burnin.unit":           "Tell the operator of the server: step {0} measured {2} of {1} in {3}, the plan wants {4}.",
	"burnin.counter_back":   "Run burn-in again: counter {2} of {1} went backwards during {0}.",
	"burnin.gap":            "Run burn-in again: sample {0} follows sample {1}, samples are lost.",
	"burnin.no_start":       "Run burn-in again: the run has no start.",
	"burnin.no_end":         "Run burn-in again: the run did not end.",
	"burnin.aborted":        "Run burn-in again: the agent stopped before the end. {0}",
	"burnin.other_plan":     "Run burn-in again: the node ran plan {0}, judged is plan {1}.",
	"burnin.unresolved":     "Look at the node's console: its agent never asked for plan {0}.",
	"burnin.unbound":        "Put the record right, then run burn-in again. {0}",
	"burnin.kernel_blind":   "Run burn-in again: the kernel log was not watched without a gap.",
	"burnin.no_thermal":     "Sign the thermal check by hand: plan {0} measures no temperature against a limit.",
	"burnin.no_fingerprint": "Run burn-in again: the parts were not read both before and after.",
	"burnin.no_accelerator": "Test the {0} accelerators with their vendor's tools: plan {1} tests none of them.",
	"burnin.no_rule":        "Tell the operator of the server: plan {0} has no enforced rule for {1}.",
	"burnin.agent_silent":   "Look at the console: the agent has been silent for {0}.",
	"burnin.not_applicable": "Nothing to do: {0}.",
}
