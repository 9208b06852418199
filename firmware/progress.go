package firmware

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Phase is what was seen last of the step under work.
type Phase string

// Phases. A phase never says that something happened; it says what to look at next.
const (
	PhaseLook    Phase = ""        // read the versions
	PhaseClear   Phase = "clear"   // read the task list, then act if nobody else does
	PhaseRunning Phase = "running" // poll the task
	PhaseSettle  Phase = "settle"  // read the versions until they agree or the budget ends
	PhaseUnknown Phase = "unknown" // the reply was lost or the server died: look, then adopt, watch or wait
	PhaseDone    Phase = "done"    // the whole plan is done
	PhaseFailed  Phase = "failed"
)

// Progress is the durable state of one plan on one node. It is what was seen,
// not a program counter: losing it costs questions, never a second flash.
type Progress struct {
	Step    int                `json:"step"` // id of the step under work; 0 before the first
	Phase   Phase              `json:"phase,omitempty"`
	Task    string             `json:"task,omitempty"`
	Percent int                `json:"percent,omitempty"`
	Note    string             `json:"note,omitempty"` // one sentence for people
	Before  []string           `json:"before,omitempty"`
	Mark    string             `json:"mark,omitempty"`
	Since   time.Time          `json:"since,omitzero"`    // the phase began
	Begun   time.Time          `json:"begun,omitzero"`    // the intent was committed
	Moved   time.Time          `json:"moved,omitzero"`    // the percentage changed last
	Attempt int                `json:"attempt,omitempty"` // intents of this step so far
	Sent    int                `json:"sent,omitempty"`    // of those, how many may have reached the device
	Cut     int                `json:"cut,omitempty"`     // of Sent, how many have an answer that nobody recorded
	Intent  inventory.IntentID `json:"intent,omitempty"`  // unsettled
	Outcome inventory.Outcome  `json:"outcome,omitempty"` // of Intent: settle it with this
	Failure string             `json:"failure,omitempty"`
	Wait    time.Duration      `json:"-"` // when to come back
}

// before is what an intent remembers of the device.
type before struct {
	Tasks   []string `json:"tasks"`
	Mark    string   `json:"mark"`
	Step    int      `json:"step"`
	Attempt int      `json:"attempt"`
	Sent    int      `json:"sent"`
	Cut     int      `json:"cut,omitempty"`
}

// Finished reports whether the plan needs no more ticks.
func (p Progress) Finished() bool { return p.Phase == PhaseDone || p.Phase == PhaseFailed }

// Resume merges what the record knows with what was stored: an unsettled
// intent that the progress does not know means that the server died between
// the intent and the reply. That is "unknown", never "not done".
func Resume(p Progress, unsettled []inventory.Intent) (Progress, error) {
	for _, i := range unsettled {
		if i.Op != inventory.OpFirmware || i.ID == p.Intent {
			continue
		}
		var b before
		if err := json.Unmarshal(i.Before, &b); err != nil {
			return p, fmt.Errorf("intent %s: state before is not readable: %w", i.ID, err)
		}
		p.Step, p.Attempt, p.Sent, p.Cut, p.Before, p.Mark = b.Step, b.Attempt, b.Sent, b.Cut+1, b.Tasks, b.Mark
		p.Phase, p.Task, p.Intent, p.Begun, p.Since, p.Outcome = PhaseUnknown, "", i.ID, i.Begun, i.Begun, ""
		p.Note = "The server stopped while this was sent; looking before anything else."
	}
	return p, nil
}
