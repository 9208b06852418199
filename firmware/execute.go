package firmware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Executor advances one plan on one node, one question or one action a call.
type Executor struct {
	Updater  Updater
	Payloads Payloads
	Begin    inventory.Begin
	Poll     time.Duration // between questions, default 10 s
	Quiet    time.Duration // after an unknown upload nobody has seen, default 15 min
	Target   string        // lock name of the device for intents
}

// An action is sent once, and once more when every reading says that the first
// never began. An activation whose answer nobody recorded, because the server
// died or its record was away, does not count as one that the device let pass:
// its reset time proves that nothing happened. It is limited all the same.
const (
	sends    = 2
	sendsCut = 5
)

// Advance does the next small thing. A returned error is infrastructure (the
// device did not answer a question): nothing changed, come back. A failed or
// undecided step is a Progress, with its sentence in Failure or Note.
func (e *Executor) Advance(ctx context.Context, plan Plan, p Progress) (Progress, error) {
	if p.Outcome != "" { // settled by the caller since
		p.Intent, p.Outcome = "", ""
	}
	p.Wait = e.poll()
	if p.Finished() {
		return p, nil
	}
	step, ok := plan.step(p.Step)
	if !ok {
		if p.Step != 0 {
			return p, fmt.Errorf("firmware plan %s has no step %d", plan.Digest, p.Step)
		}
		return nextStep(plan, p), nil
	}
	switch p.Phase {
	case PhaseLook:
		return e.look(ctx, plan, step, p)
	case PhaseClear:
		return e.act(ctx, plan, step, p)
	case PhaseRunning:
		return e.watch(ctx, step, p)
	case PhaseSettle:
		return e.settle(ctx, plan, step, p)
	case PhaseUnknown:
		return e.recover(ctx, plan, step, p)
	}
	return p, fmt.Errorf("firmware progress has unknown phase %q", p.Phase)
}

func (e *Executor) poll() time.Duration {
	if e.Poll > 0 {
		return e.Poll
	}
	return 10 * time.Second
}

func (e *Executor) quiet() time.Duration {
	if e.Quiet > 0 {
		return e.Quiet
	}
	return 15 * time.Minute
}

func (p Plan) step(id int) (Step, bool) {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.ID == id })
	if i < 0 {
		return Step{}, false
	}
	return p.Steps[i], true
}

// nextStep moves on; after the last step the plan is done.
func nextStep(plan Plan, p Progress) Progress {
	at := slices.IndexFunc(plan.Steps, func(s Step) bool { return s.ID == p.Step })
	keep := Progress{Intent: p.Intent, Outcome: p.Outcome, Since: time.Now()}
	if at+1 >= len(plan.Steps) {
		keep.Phase, keep.Step, keep.Note = PhaseDone, p.Step, "All steps are done; every instance is read again to verify."
		return keep
	}
	keep.Step = plan.Steps[at+1].ID
	keep.Note = "Reading the versions before " + plan.Steps[at+1].sentence() + "."
	return keep
}

func (s Step) sentence() string {
	if s.Verb == VerbActivate {
		return s.Activation + " to activate " + strings.Join(s.Instances, ", ")
	}
	return fmt.Sprintf("flashing %s to %s", s.Want, s.To)
}

func (p Progress) phase(ph Phase, note string) Progress {
	if p.Phase != ph {
		p.Since = time.Now()
	}
	p.Phase, p.Note = ph, note
	return p
}

func (p Progress) fail(format string, args ...any) Progress {
	p.Failure = fmt.Sprintf(format, args...)
	if p.Intent != "" {
		p.Outcome = inventory.OutcomeFailed
	}
	return p.phase(PhaseFailed, p.Failure)
}

func (p Progress) succeed(plan Plan) Progress {
	if p.Intent != "" {
		p.Outcome = inventory.OutcomeOK
	}
	return nextStep(plan, p)
}

// look reads the versions before anything is done: what already runs is not
// flashed again, whoever flashed it.
func (e *Executor) look(ctx context.Context, plan Plan, step Step, p Progress) (Progress, error) {
	seen, err := e.Updater.Installed(ctx)
	if err != nil {
		return p, err
	}
	if plan.Serial != "" && chassisSerial(seen) != "" && chassisSerial(seen) != plan.Serial {
		return p.fail("this is another device: serial %s, the plan was made for %s; make a new plan", chassisSerial(seen), plan.Serial), nil
	}
	r := plan.reading(step, seen)
	switch {
	case r.took(step):
		return p.succeed(plan), nil
	case (r.has(string(inventory.StateReadFailed)) || r.has(string(inventory.StateNotRead))) && time.Since(p.Since) <= time.Duration(step.Settle):
		p.Note = "Not every version could be read; reading again: " + r.String() + "."
		return p, nil
	case r.has("absent"), r.has(string(inventory.StateReadFailed)), r.has(string(inventory.StateNotRead)):
		return p.fail("%s: %s", step.Want, r), nil
	case step.Verb == VerbActivate && !r.only("active", "staged"):
		return p.fail("cannot activate %s: %s", step.Want, r), nil
	}
	return p.phase(PhaseClear, "Looking whether anybody else is updating this device."), nil
}

// act is the one place that writes: first the list of tasks, then the intent,
// then the bytes. A foreign update is watched, never joined.
func (e *Executor) act(ctx context.Context, plan Plan, step Step, p Progress) (Progress, error) {
	var file *os.File
	if step.Verb == VerbFlash { // a package that is not at hand is our trouble, not the device's failure
		var err error
		if file, err = e.Payloads.Open(ctx, step.Payload); err != nil {
			return p, fmt.Errorf("package %s of %s: %w", step.Payload, step.Want, err)
		}
		defer file.Close()
	}
	state, err := e.Updater.State(ctx)
	if err != nil {
		return p, err
	}
	if len(state.Busy) > 0 {
		if time.Since(p.Since) > time.Duration(step.Budget) {
			return p.fail("another update (%s) has kept the device busy for %s", strings.Join(state.Busy, ", "), time.Since(p.Since).Round(time.Second)), nil
		}
		p.Note = "Another update is running on this device (" + strings.Join(state.Busy, ", ") + "); waiting for it."
		return p, nil
	}
	if p.Attempt > 0 || time.Since(p.Since) > e.poll() { // whoever kept it busy may have done it: look again
		seen, err := e.Updater.Installed(ctx)
		if err != nil {
			return p, err
		}
		if plan.reading(step, seen).took(step) {
			return p.succeed(plan), nil
		}
	}
	p.Attempt, p.Sent = p.Attempt+1, p.Sent+1
	raw, err := json.Marshal(before{Tasks: state.Tasks, Mark: state.Mark, Step: step.ID, Attempt: p.Attempt, Sent: p.Sent, Cut: p.Cut})
	if err != nil {
		return p, fmt.Errorf("firmware intent: %w", err)
	}
	intent := inventory.Intent{Op: inventory.OpFirmware, Step: fmt.Sprintf("%s/%d", plan.Digest.Hex()[:12], step.ID), Target: e.Target,
		Effect: step.sentence(), ReadBack: "versions, then task list, then quiet time", Before: raw, Attempt: p.Attempt, Abort: step.Abort}
	if p.Intent, err = e.Begin(ctx, intent); err != nil {
		return p, err
	}
	p.Before, p.Mark, p.Begun, p.Moved = state.Tasks, state.Mark, time.Now(), time.Now()
	if step.Verb == VerbActivate {
		return e.activate(ctx, step, p), nil
	}
	return e.upload(ctx, step, file, p), nil
}

func (e *Executor) upload(ctx context.Context, step Step, file *os.File, p Progress) Progress {
	task, err := e.Updater.Start(ctx, step, file)
	if err != nil {
		return e.refused(step, p, err)
	}
	if task == "" { // accepted without a task: the versions decide
		return p.phase(PhaseSettle, "The device took the package without a task; reading the versions.")
	}
	p.Task = task
	return p.phase(PhaseRunning, "The device took the package; do not power off.")
}

func (e *Executor) activate(ctx context.Context, step Step, p Progress) Progress {
	if err := e.Updater.Activate(ctx, step); err != nil {
		return e.refused(step, p, err)
	}
	return p.phase(PhaseSettle, "Activating: "+step.Activation+"; the device may be silent for a while, this is expected.")
}

// refused sorts an action's error: nothing happened, or nobody knows.
func (e *Executor) refused(step Step, p Progress, err error) Progress {
	switch {
	case errors.Is(err, ErrBusy), errors.Is(err, ErrUnreachable):
		p.Outcome = inventory.OutcomeFailed // definite: nothing was sent or taken
		p.Sent--
		if quiet := time.Since(p.Since); quiet > time.Duration(step.Budget) {
			return p.fail("the device took nothing for %s: %v", quiet.Round(time.Second), err)
		}
		return p.phase(PhaseClear, "The device is busy or away, nothing was sent: "+err.Error())
	case errors.Is(err, ErrRefused):
		return p.fail("the device refused %s: %v", step.sentence(), err)
	}
	return p.phase(PhaseUnknown, "No answer came back; looking before anything else: "+err.Error())
}
