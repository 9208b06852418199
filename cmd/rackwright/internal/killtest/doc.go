// Package killtest is the kill matrix of lifecycle.md §15, tests only: the real
// composition root runs as a process of its own and is killed with SIGKILL
// before and after every commit and before, in the middle of and after every
// mutating request that its simulated BMCs see. A new process on the same record
// must finish as if nothing had happened.
//
// The killer is a decorator of the Store and the simulator; the product has no
// hook. Entry points are the tests: TestKillPoints (hermetic, a handful of
// points), TestKillMatrixRealPeer (every point, both databases),
// TestTwoServersRealPeer and TestLiesTurnRed.
package killtest
