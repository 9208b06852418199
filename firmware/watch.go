package firmware

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// watch polls the task. A vanished task is neither failed nor done.
func (e *Executor) watch(ctx context.Context, step Step, p Progress) (Progress, error) {
	s, err := e.Updater.Poll(ctx, p.Task)
	switch {
	case errors.Is(err, ErrTaskGone):
		return p.phase(PhaseSettle, "The task is gone; the versions decide."), nil
	case errors.Is(err, ErrUnreachable):
		return e.silent(step, p, err)
	case err != nil:
		return p, err
	}
	if s.Percent != p.Percent {
		p.Percent, p.Moved = s.Percent, time.Now()
	}
	switch {
	case s.Done && s.Outcome == inventory.OutcomeFailed:
		return p.phase(PhaseSettle, "The task reports a failure ("+s.Detail+"); the versions decide."), nil
	case s.Done:
		return p.phase(PhaseSettle, "The task is complete; reading the versions."), nil
	case time.Since(p.Moved) > time.Duration(step.NoProgress):
		return p.phase(PhaseSettle, fmt.Sprintf("No progress for %s; the versions decide.", time.Since(p.Moved).Round(time.Second))), nil
	case time.Since(p.Begun) > time.Duration(step.Budget):
		return p.phase(PhaseSettle, "The time budget is over; the versions decide."), nil
	}
	p.Note = fmt.Sprintf("%s, %d %%; do not power off.", step.sentence(), s.Percent)
	return p, nil
}

// settle reads the versions until they agree. A device that is silent in its
// reset window is expected silence, said in words.
func (e *Executor) settle(ctx context.Context, plan Plan, step Step, p Progress) (Progress, error) {
	seen, err := e.Updater.Installed(ctx)
	if errors.Is(err, ErrUnreachable) {
		return e.silent(step, p, err)
	}
	if err != nil {
		return p, err
	}
	r := plan.reading(step, seen)
	switch {
	case r.took(step):
		return p.succeed(plan), nil
	case time.Since(p.Since) <= time.Duration(step.Settle):
		p.Note = "Waiting for the versions: " + r.String() + "."
		return p, nil
	}
	if p.Task != "" { // out of time is not out of danger: a task that runs may still be writing
		s, err := e.Updater.Poll(ctx, p.Task)
		if err != nil && !errors.Is(err, ErrTaskGone) {
			return p, err
		}
		if err == nil && !s.Done {
			p.Note = fmt.Sprintf("Task %s is still running %s after it began; do not power off, ask the vendor.", p.Task, time.Since(p.Begun).Round(time.Second))
			return p, errors.New(p.Note)
		}
	}
	if step.Verb == VerbActivate && r.only("active", "staged") {
		return e.stillStaged(ctx, step, p)
	}
	return p.fail("%s did not take: %s", step.sentence(), r), nil
}

// stillStaged: an activation that happened and changed nothing is a failure;
// one that left no mark on the device may never have begun.
func (e *Executor) stillStaged(ctx context.Context, step Step, p Progress) (Progress, error) {
	state, err := e.Updater.State(ctx)
	if err != nil {
		return p, err
	}
	if state.Mark == p.Mark && state.Mark != "" {
		return p.phase(PhaseUnknown, "Still staged, and the device has not restarted; looking further."), nil
	}
	return p.fail("%s was done and the versions are still staged: the device needs another activation, ask the vendor", step.Activation), nil
}

func (e *Executor) silent(step Step, p Progress, cause error) (Progress, error) {
	quiet := time.Since(p.Since)
	if limit := time.Duration(step.Settle) + e.quiet(); quiet > limit {
		p.Note = fmt.Sprintf("The device has been silent for %s; do not power off, ask the vendor.", quiet.Round(time.Second))
		return p, fmt.Errorf("silent for longer than %s: %w", limit, cause)
	}
	p.Note = fmt.Sprintf("The device is restarting, expected, silent for %s of at most %s.", quiet.Round(time.Second), time.Duration(step.Settle))
	return p, nil
}

// recover decides an unknown outcome by looking: target active → done; staged
// → activate; a task that was not there before → adopt it; device busy →
// watch; else wait for the quiet time and act once more (lifecycle.md §9).
func (e *Executor) recover(ctx context.Context, plan Plan, step Step, p Progress) (Progress, error) {
	seen, err := e.Updater.Installed(ctx)
	if errors.Is(err, ErrUnreachable) {
		return e.silent(step, p, err)
	}
	if err != nil {
		return p, err
	}
	r := plan.reading(step, seen)
	if r.took(step) {
		return p.succeed(plan), nil
	}
	state, err := e.Updater.State(ctx)
	if err != nil {
		return p, err
	}
	if step.Verb == VerbActivate && state.Mark != "" && state.Mark != p.Mark {
		return p.phase(PhaseSettle, "The device has restarted since; waiting for its versions."), nil
	}
	for _, id := range state.Tasks {
		if step.Verb == VerbFlash && !slices.Contains(p.Before, id) {
			p.Task, p.Moved = id, time.Now()
			return p.phase(PhaseRunning, "Adopting task "+id+", which was not there before."), nil
		}
	}
	if len(state.Busy) > 0 {
		p.Note = "The device is busy (" + strings.Join(state.Busy, ", ") + "); watching."
		p.Begun = time.Now() // the quiet time counts from the last activity
		return p, nil
	}
	if quiet := time.Since(p.Begun); quiet < e.quiet() {
		p.Note = fmt.Sprintf("Nothing began so far; quiet for %s of %s before it may be sent once more.", quiet.Round(time.Second), e.quiet())
		return p, nil
	}
	return e.again(step, p), nil
}

// ReadBack decides an intent of a run that was broken off, by the same rule and
// without sending anything: unknown until the device agrees, or until nothing
// has been under way for the quiet time.
func (e *Executor) ReadBack(ctx context.Context, plan Plan, i inventory.Intent) (inventory.Outcome, string, error) {
	p, err := Resume(Progress{}, []inventory.Intent{i})
	if err != nil {
		return inventory.OutcomeUnknown, "", err
	}
	step, ok := plan.step(p.Step)
	if !ok {
		return inventory.OutcomeUnknown, "", fmt.Errorf("intent %s names step %d, which its plan does not have", i.ID, p.Step)
	}
	p, err = e.recover(ctx, plan, step, p)
	switch {
	case err != nil:
		return inventory.OutcomeUnknown, "", err
	case p.Outcome == inventory.OutcomeOK:
		return inventory.OutcomeOK, "read back: " + step.sentence() + " took effect", nil
	case p.Outcome == inventory.OutcomeFailed, p.Phase == PhaseFailed:
		return inventory.OutcomeFailed, "read back: " + step.sentence() + " left no trace", nil
	}
	return e.readTrace(ctx, step, p, i)
}

// readTrace: something of a broken-off action is there, and the versions do not
// agree yet. Nobody has kept when it ended, so its whole budget passes before what
// has ended counts as what changed nothing: a device may restart by itself after it.
func (e *Executor) readTrace(ctx context.Context, step Step, p Progress, i inventory.Intent) (inventory.Outcome, string, error) {
	if time.Since(i.Begun) <= e.quiet()+time.Duration(step.Budget)+time.Duration(step.Settle) {
		return inventory.OutcomeUnknown, p.Note, nil
	}
	switch p.Phase {
	case PhaseRunning:
		s, err := e.Updater.Poll(ctx, p.Task)
		switch {
		case errors.Is(err, ErrTaskGone), err == nil && s.Done:
			return inventory.OutcomeFailed, "read back: task " + p.Task + " has ended and " + step.sentence() + " did not take", nil
		case err != nil:
			return inventory.OutcomeUnknown, "", err
		}
	case PhaseSettle:
		return inventory.OutcomeFailed, "read back: the device was reset and " + step.sentence() + " did not take", nil
	}
	return inventory.OutcomeUnknown, p.Note, nil
}

func (e *Executor) again(step Step, p Progress) Progress {
	if p.Sent >= sends && (step.Verb == VerbFlash || p.Sent-p.Cut >= sends || p.Cut >= sendsCut) {
		// Settled, or it would be read back for ever: nothing began, by the rule that let it be sent again.
		return p.fail("%s: begun %d times, no trace of it on the device; ask the vendor, do not power off", step.sentence(), p.Sent)
	}
	p.Outcome = inventory.OutcomeFailed // definite now: it never began
	return p.phase(PhaseClear, "It never began; sending it once more.")
}

// reading is the state of every instance a step changes.
type reading map[string]string

func (p Plan) reading(step Step, seen []inventory.Component) reading {
	r := reading{}
	items := firmwareItems(seen)
	for _, w := range p.Wants {
		for _, c := range match(w, items) {
			if slices.Contains(step.Instances, c.Slot) {
				r[c.Slot] = stateOf(w, w.target(), c)
				if c.State == inventory.StateAbsent {
					r[c.Slot] = "absent"
				}
			}
		}
	}
	for _, id := range step.Instances {
		if _, ok := r[id]; !ok {
			r[id] = string(inventory.StateNotRead)
		}
	}
	return r
}

// took: every instance runs the target, or has it staged where a later step
// activates it.
func (r reading) took(s Step) bool {
	return r.only("active") || s.Verb == VerbFlash && s.Activation != ActivateNone && r.only("active", "staged")
}

func (r reading) only(states ...string) bool {
	for _, s := range r {
		if !slices.Contains(states, s) {
			return false
		}
	}
	return len(r) > 0
}

func (r reading) has(state string) bool {
	for _, s := range r {
		if s == state {
			return true
		}
	}
	return false
}

// String lists instances by state, sorted.
func (r reading) String() string {
	var out []string
	for id, s := range r {
		out = append(out, id+" "+s)
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}
