//go:build realpeer

package killtest_test

import "testing"

// TestLieNoReadBackRealPeer: without the read-back the unique index still keeps
// the second flash from being sent, and the node never gets further: the judge
// must say that, too.
func TestLieNoReadBackRealPeer(t *testing.T) {
	newMatrix(t, prepare(t, 0, "")).red(t, lieNoReadBack, "not over in")
}
