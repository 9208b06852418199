package burnin

import (
	"context"

	"github.com/rackwright/rackwright/inventory"
)

// Outcome is what one attempt of a step left behind.
type Outcome struct {
	Exec        Exec
	Values      []Value
	Fault       string // why the output could not be understood
	Fingerprint string
	Artifacts   []Artifact
	// Observation is what an inventory step read, for the record.
	Observation *inventory.Observation
}

// Runner runs one step on one target. It never decides; whatever goes wrong
// stands in the outcome. Sensors reads the temperatures now.
type Runner interface {
	Run(ctx context.Context, t Test, target Entity) Outcome
	Sensors(ctx context.Context) ([]Value, error)
	// Observe is the in-band inventory.
	Observe(ctx context.Context) inventory.Observation
}

// KernelLog hands over the classified lines of the kernel log until the context
// ends. An error means that it can no longer be watched.
type KernelLog interface {
	Watch(ctx context.Context, line func(KernelLine)) error
}
