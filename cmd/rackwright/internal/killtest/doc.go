// Package killtest is the kill matrix of lifecycle.md §15, tests only: the real
// composition root runs as a process of its own and is killed with SIGKILL
// before and after every commit and before, in the middle of and after every
// mutating request that its simulated BMCs see. A new process on the same record
// must finish as if nothing had happened.
//
// The killer is a decorator of the Store and the simulator; the product has no
// hook. Entry points are the tests: TestKillPoints (hermetic: a handful of
// points, and a lying record that must turn them red), TestKillMatrixRealPeer
// (every point on SQLite, every request and the named commits on PostgreSQL;
// every point on both with RACKWRIGHT_KILL_FULL=1, make kill-matrix),
// TestTwoServersRealPeer, TestLeakKilledRealPeer.
//
// A journey begins with a copy of one prepared record: rack powered, two nodes
// installed, nothing asked of a BMC yet. From there machines secure, verify,
// flash, activate and burn in. All points together take minutes because one
// journey is killed many times, at commits that lie RACKWRIGHT_KILL_SPACING
// apart (40); with 0 each journey is killed once. RACKWRIGHT_KILL_POINTS names
// points by hand (before:12,after:3-9,half-request:3), RACKWRIGHT_KILL_KEEP a
// folder for the data of faulty points.
package killtest
