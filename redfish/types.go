package redfish

import (
	"os"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// TaskID is the path of a task or task monitor, or an id of the driver.
type TaskID string

// PowerState is the PowerState of a ComputerSystem (DSP0268).
type PowerState string

// PowerAction is a ResetType (DSP0268 Resource.ResetType).
type PowerAction string

// BootTarget is a BootSourceOverrideTarget (DSP0268 ComputerSystem.Boot).
type BootTarget string

// Update is one firmware image on its way to a BMC: pushed from File, or pulled
// by the BMC from URI.
type Update struct {
	File      *os.File         // push
	Size      int64            // bytes of File
	Digest    inventory.Digest // checked while the bytes leave; a wrong file never arrives complete
	URI       string           // pull: SimpleUpdate fetches it
	Targets   []string         // @odata.ids; nil: not sent, empty: sent as []
	ApplyTime string           // OperationApplyTime; "": not sent
	Force     bool             // ForceUpdate
}

// Task is one look at a task.
type Task struct {
	ID       TaskID
	Name     string
	State    string // TaskState or JobState as given
	Percent  int
	Outcome  inventory.Outcome // set when Done
	Done     bool
	Messages []string
	Targets  []string      // resources the BMC names in the task's payload or messages
	Started  time.Time     // of the BMC's clock
	Wait     time.Duration // when to ask again
}
