package firmware

import (
	"context"
	"errors"
	"os"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Updater is one device under update. Every method is one question or one
// action; none retries a write or sleeps. firmware/oob implements it over Redfish.
type Updater interface {
	// Installed reads the firmware inventory anew: every instance, with
	// inventory.FactStaged where a version waits for activation.
	Installed(context.Context) ([]inventory.Component, error)
	// State reads what else is going on.
	State(context.Context) (State, error)
	// Start uploads the payload and returns the task it became. ErrUnknownOutcome:
	// bytes left and no answer came; the caller looks before anything else.
	Start(context.Context, Step, *os.File) (string, error)
	// Poll asks a task once. ErrTaskGone: the versions decide.
	Poll(context.Context, string) (Status, error)
	// Activate performs the activation verb of the step.
	Activate(context.Context, Step) error
}

// State is what a device says beside its versions. Mark changes when the
// device was reset (last reset time, boot counter); empty when it cannot tell.
type State struct {
	Tasks []string `json:"tasks"` // ids of all tasks and jobs, finished ones included
	Busy  []string `json:"busy"`  // ids of those still running
	Mark  string   `json:"mark"`
}

// Status is one reading of one task.
type Status struct {
	Percent int
	Done    bool
	Outcome inventory.Outcome // of a finished task
	Detail  string
}

// Payloads opens blobs by digest.
type Payloads interface {
	Open(context.Context, images.Digest) (*os.File, error)
}

// Errors of an Updater; classify with errors.Is.
var (
	// ErrUnknownOutcome: the action may or may not have happened.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrBusy: the device refused for now; nothing happened.
	ErrBusy = errors.New("device is busy")
	// ErrUnreachable: the device did not answer; nothing was sent.
	ErrUnreachable = errors.New("device is unreachable")
	// ErrTaskGone: the task is not known any more.
	ErrTaskGone = errors.New("task is gone")
	// ErrRefused: the device refused for good; nothing happened.
	ErrRefused = errors.New("device refused")
)
