//go:build race

package killtest_test

// slow stretches the rhythm: under the race detector a commit of SQLite takes
// many times as long, and nobody must lose a lease for that. One point is
// killed then; what races in the server, races there as well.
const slow = 8
