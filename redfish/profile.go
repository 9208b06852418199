package redfish

import (
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Profile is what is peculiar about a family of BMCs, as data. A quirk lives
// here or is learned from the BMC, never in an if on a vendor's name.
type Profile struct {
	Name        string
	Driver      string                       // bmclib provider for firmware ("openbmc"), "": Redfish
	ApplyTimes  []string                     // OperationApplyTime values it takes; empty: as advertised
	TaskStates  map[string]inventory.Outcome // overrides of the default table
	ResetBudget time.Duration                // how long the BMC may be away after a reset
	Expect      map[inventory.Kind]int       // how many parts of a class a whole unit has
	DPUs        []string                     // System ids that are DPUs though they do not say so
}
