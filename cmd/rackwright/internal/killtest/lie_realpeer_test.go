//go:build realpeer

package killtest_test

import (
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// TestLieNoReadBackRealPeer: without the read-back the unique index still keeps
// the second reset from being sent, and the node never gets further: the judge
// must say that, too.
func TestLieNoReadBackRealPeer(t *testing.T) {
	m := newMatrix(t, prepare(t, 0, ""))
	m.lanes[0].patience = 15 * time.Second // it will not be over
	m.red(t, unread(inventory.OpBurnIn), lieNoReadBack, "not over in")
}
