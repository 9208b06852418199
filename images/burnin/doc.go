// Package burnin turns a booted node into a verdict that can be signed: what a
// plan says, what was measured, how it is judged, and the protocol between the
// agent in the booted image and the server.
//
// It fails closed. A verdict is never an exit code and never "no error found":
// every planned step must have its result and every expected entity exactly one
// value inside its limit. What is missing, unreadable, out of sequence or not
// understood is unjudged, which shuts a gate exactly as fail does. The agent
// sends what it saw; it never sends a verdict. The package knows no milestone,
// parses no tool output (images/burnin/tool does) and reads no YAML
// (images/burnin/plan does).
//
// Entry points: [Profile] and [Resolve], [Judge], [Ingest] with [Book] on the
// server, [Agent] in the image.
package burnin
