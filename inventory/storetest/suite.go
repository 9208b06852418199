package storetest

import (
	"errors"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// Run runs the suite. Each test gets a fresh record by a fresh Opener.
func Run(t *testing.T, fresh func(*testing.T) Opener) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Opener)
	}{
		{"Expect", testExpect}, {"Quarantine", testQuarantine}, {"Diff", testDiff}, {"FindingKinds", testFindingKinds}, {"Swap", testSwap}, {"Unread", testUnread},
		{"Times", testTimes}, {"Identities", testIdentities}, {"Law", testLaw}, {"Fallback", testFallback}, {"Drift", testDrift},
		{"Waivers", testWaivers}, {"Holds", testHolds}, {"Requests", testRequests}, {"Chain", testChain},
		{"Claims", testClaims}, {"Stale", testStale}, {"TwoServers", testTwoServers}, {"WakeDuringTurn", testWakeDuringTurn},
		{"Intents", testIntents}, {"Locks", testLocks}, {"BreakLock", testBreakLock}, {"Batches", testBatches},
		{"Bindings", testBindings}, {"Boots", testBoots}, {"Documents", testDocuments}, {"People", testPeople}, {"Vault", testVault},
		{"Reopen", testReopen}, {"Draft", testDraft}, {"MovedMAC", testMovedMAC},
		{"FailedInReview", testFailedInReview}, {"HeldBeforeHandover", testHeldBeforeHandover}, {"Rework", testRework}, {"WaivedInReview", testWaivedInReview}, {"WaivedBefore", testWaivedBefore}, {"BoundAnew", testBoundAnew}, {"Overtake", testOvertake}, {"Sealed", testSealed}, {"BoundBMC", testBoundBMC},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, s inventory.Store, rack inventory.RackID) []inventory.Finding {
	t.Helper()
	all, err := s.Findings(t.Context(), inventory.Selector{Racks: []inventory.RackID{rack}})
	ok(t, err)
	var out []inventory.Finding
	for _, f := range all {
		if !f.Closed {
			out = append(out, f)
		}
	}
	return out
}

func head(t *testing.T, s inventory.Store, rack inventory.RackID) uint64 {
	t.Helper()
	r, err := s.Rack(t.Context(), rack)
	ok(t, err)
	seq, _, err := s.Head(t.Context(), inventory.RackSubject(r.ID))
	ok(t, err)
	return seq
}
