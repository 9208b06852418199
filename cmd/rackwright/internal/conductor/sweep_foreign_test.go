package conductor

import (
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestSweepForeignWithoutUUID: an order that names a serial and no UUID. A unit
// with another serial answers; its UUID, learned in this very reading, is no
// proof that it was ordered.
func TestSweepForeignWithoutUUID(t *testing.T) {
	b := sweepBay(t, time.Hour, func(s *bmcsim.Spec) { s.UUID = "" })
	b.unit("FOREIGN9", "bbbbbbbb-0000-4000-8000-000000000009")
	b.answered(b.ask(inventory.OpSweep, ""))
	b.turns(3)
	if r, why := b.gate(lifecycle.GateIdentity); r != inventory.ResultFail || b.node("C01").Milestone != inventory.NodeInstalled {
		t.Errorf("identity is %q (%s), it stands at %s; its order: serial %s", r, why, b.node("C01").Milestone, b.node("C01").Serial)
	}
}
