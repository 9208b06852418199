package oob

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// BMC is what an update needs of *redfish.BMC.
type BMC interface {
	Asker
	StartUpdate(context.Context, redfish.Update) (redfish.TaskID, error)
	Activate(context.Context, string) error
}

// Asker is the part that changes nothing.
type Asker interface {
	Firmware(context.Context) ([]inventory.Component, error)
	Tasks(context.Context) ([]redfish.Task, error)
	Task(context.Context, redfish.TaskID) (redfish.Task, error)
	Mark(context.Context) (redfish.Mark, error)
}

// Updater implements firmware.Updater over one BMC.
type Updater struct{ BMC BMC }

var _ firmware.Updater = Updater{}

// Installed implements firmware.Updater.
func (u Updater) Installed(ctx context.Context) ([]inventory.Component, error) {
	seen, err := u.BMC.Firmware(ctx)
	return seen, question(err)
}

// State implements firmware.Updater. A BMC without a task service has no tasks.
func (u Updater) State(ctx context.Context) (firmware.State, error) {
	var s firmware.State
	tasks, err := u.BMC.Tasks(ctx)
	if err != nil { // a list that cannot be read is not an empty one
		return s, question(err)
	}
	for _, t := range tasks {
		s.Tasks = append(s.Tasks, string(t.ID))
		if !t.Done {
			s.Busy = append(s.Busy, string(t.ID))
		}
	}
	mark, err := u.BMC.Mark(ctx)
	s.Mark = mark.String()
	return s, question(err)
}

// Start implements firmware.Updater.
func (u Updater) Start(ctx context.Context, step firmware.Step, file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("package of %s: %w: %w", step.Want, firmware.ErrRefused, err)
	}
	task, err := u.BMC.StartUpdate(ctx, redfish.Update{File: file, Size: info.Size(), Digest: step.Payload, Targets: step.Targets, ApplyTime: step.ApplyTime})
	return string(task), action(err)
}

// Poll implements firmware.Updater.
func (u Updater) Poll(ctx context.Context, id string) (firmware.Status, error) {
	t, err := u.BMC.Task(ctx, redfish.TaskID(id))
	if err != nil {
		return firmware.Status{}, question(err)
	}
	s := firmware.Status{Percent: t.Percent, Done: t.Done, Outcome: t.Outcome, Detail: t.State}
	if n := len(t.Messages); n > 0 {
		s.Detail += ": " + t.Messages[n-1]
	}
	return s, nil
}

// Activate implements firmware.Updater.
func (u Updater) Activate(ctx context.Context, step firmware.Step) error {
	return action(u.BMC.Activate(ctx, step.Activation))
}

// question sorts the error of a read, after which nothing has changed.
func question(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redfish.ErrTaskGone):
		return join(firmware.ErrTaskGone, err)
	case errors.Is(err, redfish.ErrUnreachable), errors.Is(err, redfish.ErrBusy), errors.Is(err, redfish.ErrEmpty):
		return join(firmware.ErrUnreachable, err) // a BMC in its reset window answers in all these ways
	}
	return err
}

// action sorts the error of a write: did nothing happen, or does nobody know?
func action(err error) error {
	var e *redfish.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redfish.ErrOutcomeUnknown):
		return join(firmware.ErrUnknownOutcome, err)
	case errors.Is(err, firmware.ErrBusy): // the caller's guard: no lease left for it
		return err
	case errors.Is(err, redfish.ErrBusy):
		return join(firmware.ErrBusy, err)
	case errors.Is(err, redfish.ErrUnreachable), errors.Is(err, redfish.ErrLocked), errors.Is(err, redfish.ErrAuth):
		return join(firmware.ErrUnreachable, err) // a login that fails says nothing about the device's health
	case errors.Is(err, redfish.ErrUnsupported), errors.Is(err, redfish.ErrReadOnly), errors.Is(err, redfish.ErrPin):
		return join(firmware.ErrRefused, err)
	case errors.As(err, &e) && e.Status >= 400:
		return join(firmware.ErrRefused, err)
	}
	return join(firmware.ErrUnknownOutcome, err)
}

func join(kind, err error) error { return fmt.Errorf("%w: %w", kind, err) }
