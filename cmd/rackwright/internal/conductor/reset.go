package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// resetter is what a reset needs of a BMC.
type resetter interface {
	Power(context.Context) (redfish.PowerState, error)
	SetPower(context.Context, redfish.PowerAction) error
	// Mark is what moves when the host was reset.
	Mark(context.Context) (redfish.Mark, error)
}

// resetIntent describes a reset for the record.
type resetIntent struct {
	Step, Effect string
	Attempt      int
	Action       redfish.PowerAction // empty: on when off, else a forced restart
}

// resetBefore is what the BMC showed before a reset (lifecycle.md §9).
type resetBefore struct {
	Power  redfish.PowerState  `json:"power"`
	Mark   redfish.Mark        `json:"mark"`
	Action redfish.PowerAction `json:"action"`
}

// resetDone is what is known after one question or action.
type resetDone struct {
	intent  inventory.IntentID
	outcome inventory.Outcome
	detail  string
	wait    time.Duration
}

// resetQuiet is how long a reset that left no trace may still begin, where
// nothing is configured.
const resetQuiet = 30 * time.Second

// resetPoll is the longest time between two looks at a reset.
const resetPoll = 2 * time.Second

// quietOr is the configured quiet time of a reset.
func quietOr(d time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return resetQuiet
}

// sendReset commits the intent and sends one reset. An error means that nothing
// was begun.
func sendReset(ctx context.Context, t Turn, bmc resetter, i resetIntent) (resetDone, error) {
	var before resetBefore
	var err error
	if before.Power, err = bmc.Power(ctx); err != nil {
		return resetDone{}, err
	}
	if before.Mark, err = bmc.Mark(ctx); err != nil {
		return resetDone{}, err
	}
	before.Action = i.Action
	if before.Action == "" {
		before.Action = redfish.ActionForceRestart
		if before.Power == redfish.PowerOff {
			before.Action = redfish.ActionOn
		}
	}
	if err := t.Guard(ctx); err != nil { // before the intent: an intent that never left would only have to be read back
		return resetDone{}, err
	}
	raw, err := json.Marshal(before)
	if err != nil {
		return resetDone{}, fmt.Errorf("state before the reset: %w", err)
	}
	id, err := t.Begin(ctx, inventory.Intent{Step: i.Step, Target: "power " + t.Node.BMC.URL + " " + t.Node.BMC.System, Effect: fmt.Sprintf("%s (%s)", i.Effect, before.Action),
		ReadBack: "power state and last reset time", Before: raw, Attempt: i.Attempt, Abort: inventory.AbortSafe})
	if err != nil {
		return resetDone{}, err
	}
	sent := ctx
	if !takesPower(before.Action) {
		sent = switchingOn(ctx)
	}
	if before.Action == redfish.ActionGracefulShutdown && before.Power == redfish.PowerOff { // nobody is there to shut down
		return resetDone{intent: id, outcome: inventory.OutcomeUnknown, detail: "it reads Off; looking whether it stays", wait: resetPoll}, nil
	}
	err = bmc.SetPower(sent, before.Action)
	switch {
	case err == nil && takesPower(before.Action): // who asked may reach into the machine: only a reading says that it is off
		return resetDone{intent: id, outcome: inventory.OutcomeUnknown, detail: "sent " + string(before.Action) + "; looking", wait: resetPoll}, nil
	case err == nil && before.Action == redfish.ActionOn && before.Power == redfish.PowerOn:
		return resetDone{intent: id, outcome: inventory.OutcomeOK, detail: "it is On already"}, nil
	case err == nil:
		return resetDone{intent: id, outcome: inventory.OutcomeOK, detail: "sent " + string(before.Action)}, nil
	case errors.Is(err, redfish.ErrOutcomeUnknown):
		return resetDone{intent: id, outcome: inventory.OutcomeUnknown, detail: "no answer to " + string(before.Action) + "; looking", wait: resetPoll}, nil
	}
	return resetDone{intent: id, outcome: inventory.OutcomeFailed, detail: err.Error(), wait: heldWait}, nil // definite: not done
}

// offTime is how long a host may take to be off: an operating system that is asked
// closes what it runs first.
func offTime(a redfish.PowerAction, quiet time.Duration) time.Duration {
	if a == redfish.ActionGracefulShutdown {
		return 10 * quiet
	}
	return quiet
}

func takesPower(a redfish.PowerAction) bool {
	return a == redfish.ActionForceOff || a == redfish.ActionGracefulShutdown
}

// readReset decides an unknown reset by looking. Off is off and on is on, whatever
// moved: a host that restarted by itself, or a BMC that did, has not been switched.
// A restart is done when the host's own reset time moved. Nothing after the quiet
// time, counted from the intent, means that it never began. A host that was off
// before is off when it still is after a third of that time: some BMCs show a
// power-on seconds after they took it.
func readReset(ctx context.Context, bmc resetter, i inventory.Intent, quiet time.Duration) (resetDone, error) {
	var before resetBefore
	if err := json.Unmarshal(i.Before, &before); err != nil {
		return resetDone{}, fmt.Errorf("intent %s: state before is not readable: %w", i.ID, err)
	}
	now, err := bmc.Power(ctx)
	if err != nil {
		return resetDone{}, err
	}
	mark, err := bmc.Mark(ctx)
	if err != nil {
		return resetDone{}, err
	}
	done := resetDone{intent: i.ID, outcome: inventory.OutcomeOK}
	off, moved := now == redfish.PowerOff, mark.Host != "" && mark.Host != before.Mark.Host
	age := time.Since(i.Begun)
	var is, over bool // as wanted; and past the time for it
	var says, failed string
	switch failed = "it never began"; {
	case takesPower(before.Action):
		is, over = off && (before.Power != redfish.PowerOff || age > quiet/3), !off && age > offTime(before.Action, quiet)
		says, failed = "the host is off", "the host is "+string(now)
	case before.Action == redfish.ActionOn:
		is, over, says = !off && (moved || before.Power == redfish.PowerOff), age > quiet, "the host is on"
	default:
		is, over, says = moved, age > quiet, "the host was reset since"
	}
	switch {
	case is:
		done.detail = "read back: " + says
	case over:
		done.outcome, done.detail = inventory.OutcomeFailed, "read back: "+failed
	default:
		return resetDone{intent: i.ID, outcome: inventory.OutcomeUnknown, detail: "the host is " + string(now) + " so far", wait: min(resetPoll, quiet/4)}, nil
	}
	return done, nil
}
