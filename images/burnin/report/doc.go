// Package report writes burn-in verdicts for other programs: JUnit XML for CI
// systems and dashboards.
//
// It judges nothing and reads no record; what a verdict says is what it writes,
// and a question that was not answered is never written as skipped.
//
// Entry points: [JUnit], [Suite].
package report
