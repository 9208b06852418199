// Package tool starts the test tools of the image and reads their output: one
// file per tool with its arguments and its parser, bytes to values, pure and
// fuzzed.
//
// A parser yields values or an error, never a result: what a tool says about
// itself ("passed") is one value among others. Output that is cut, foreign or
// empty is an error, which the judge turns into unjudged. Faults are never
// simulated here.
//
// Entry points: [Box], which is a burnin.Runner; [Process], which starts real
// programs; [Classify] for kernel log lines; [Collector] for the in-band
// inventory.
package tool
