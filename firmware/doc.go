// Package firmware turns a signed baseline into a verified node: baseline →
// plan → one tick at a time → verify.
//
// [NewPlan] is pure: it decides everything that can be decided, and it says in
// a sentence why each component is skipped. [Executor.Advance] then asks at
// most one question or does at most one thing, resumes by looking again and
// never by a step counter, and uploads a second time only when every reading
// says that the first upload never began. [Verify] compares every instance,
// not the first.
//
// It never powers or boots a node except by the activation its plan names,
// never acts without a plan digest, and never skips a component silently.
//
// Entry points: [ParseBaseline], [NewPlan], [Executor], [Verify]. The bridge to
// Redfish is firmware/oob.
package firmware
