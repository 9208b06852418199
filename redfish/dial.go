package redfish

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Guard is asked right before the first byte of a write leaves: is the lease of
// the caller still good for it? An error stops the write, definitely unsent.
type Guard func(context.Context) error

// CredentialSource opens the sealed credential of that name: user and secret.
type CredentialSource interface {
	Credential(ctx context.Context, name string) (user string, secret inventory.Secret, err error)
}

// Memory keeps what must survive a restart, one small JSON document per BMC:
// the session to delete after a crash, the lock-out state, the recorded pin and
// learned facts. Load of an unknown name answers nil or inventory.ErrNotFound.
type Memory interface {
	Load(ctx context.Context, endpoint string) ([]byte, error)
	Save(ctx context.Context, endpoint string, state []byte) error
}

// Dialer makes handles on BMCs. Its fields are set before the first Dial.
type Dialer struct {
	Credentials CredentialSource
	Profiles    map[string]Profile // by Endpoint.Profile; unknown names are an error, "" is generic
	PerBMC      int                // requests in flight per BMC, default 2; one of them writes
	Log         *slog.Logger       // default: discard
	Memory      Memory             // default: in memory only
}

// BMC is a handle on one BMC with the guard of one caller. It is safe for
// concurrent use; all handles of one BMC share its session and limits.
type BMC struct {
	endpoint inventory.Endpoint
	guard    Guard
	profile  Profile
	log      *slog.Logger
}

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
