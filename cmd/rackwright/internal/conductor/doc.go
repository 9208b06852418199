// Package conductor drives racks and nodes: it claims due ticks, runs the one
// step that their milestone has, and applies the result. It is the only
// package that dials a BMC.
//
// A tick asks one question or does one thing and may be killed at any line.
// Before hardware is touched an intent is committed; an outcome that is not
// known is read back before anything else is done. A step never changes a
// milestone: it returns a [Result], and Store.Apply asks the law.
//
// Beside the turns [Safety] watches for leaks in the racks this server serves and
// asks no lock; what the record does not take from it waits in a spool. A [Scout]
// looks for BMCs that no node has and files sightings.
//
// Entry points: [Conductor], [Step], [Turn].
package conductor
