//go:build realpeer

package killtest_test

import "testing"

// TestLieNoReadBackRealPeer: without the read-back the unique index still keeps
// the second flash from being sent, and the node never gets further: the judge
// must say that, too.
func TestLieNoReadBackRealPeer(t *testing.T) { red(t, lieNoReadBack, "not over in") }
