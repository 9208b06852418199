//go:build realpeer

package killtest_test

import (
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// TestLieNoReadBackRealPeer: without the read-back the unique index still keeps
// the second reset from being sent, and the node never gets further: the judge
// must say that, too.
func TestLieNoReadBackRealPeer(t *testing.T) {
	newMatrix(t, prepare(t, 0, "")).red(t, unread(inventory.OpBurnIn), lieNoReadBack, "not over in")
}
