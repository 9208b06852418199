package redfish

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

const (
	taskWaitMin = 2 * time.Second
	taskWaitMax = 10 * time.Second
)

// taskDoc is a Task, a Job, or what passes for one.
type taskDoc struct {
	odata
	Type            string `json:"@odata.type"`
	Name            string `json:"Id"`
	Title           string `json:"Name"`
	TaskState       string
	JobState        string
	TaskStatus      string
	PercentComplete *float64
	TaskMonitor     string
	StartTime       string
	Messages        rawJSON
	Payload         struct {
		TargetURI string `json:"TargetUri"`
	}
	Accepted rawJSON // Supermicro: the task is named in a message
}

// defaultStates is firmware.md §3; what is missing is still going on.
// Suspended, Interrupted, Stopping and Service are not final: the caller's
// deadline on progress decides about those.
func defaultStates(state string) (inventory.Outcome, bool) {
	switch state {
	case "Completed":
		return inventory.OutcomeOK, true
	case "Exception", "Killed", "Cancelled", "Failed", "CompletedWithErrors", "Invalid", "RebootFailed":
		return inventory.OutcomeFailed, true
	}
	return inventory.OutcomeNone, false
}

// parseTask reads one answer about a task. Pure; fuzzed.
func parseTask(id TaskID, r *reply, states map[string]inventory.Outcome, now time.Time) (Task, error) {
	t := Task{ID: id, Wait: min(retryAfter(r.header, now), retryAfterCap)}
	var d taskDoc
	body := strings.TrimSpace(string(r.body))
	if body != "" {
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			return Task{}, fmt.Errorf("no task: %w", err)
		}
	}
	t.State, t.Name = d.TaskState, d.Title
	if t.State == "" {
		t.State = d.JobState
	}
	t.Percent = percent(d.PercentComplete)
	for _, m := range extended(d.Messages) {
		if m.Text == "" {
			m.Text = m.ID
		}
		t.Messages = append(t.Messages, m.Text)
	}
	if d.Payload.TargetURI != "" {
		t.Targets = append(t.Targets, d.Payload.TargetURI)
	}
	if at, err := time.Parse(time.RFC3339, d.StartTime); err == nil {
		t.Started = at
	}
	switch {
	case t.State != "":
		t.Outcome, t.Done = judgeState(t.State, d.TaskStatus, states)
	case r.status == http.StatusAccepted: // a monitor whose operation still runs
		t.State = "Running"
	case r.status == http.StatusNoContent || r.status == http.StatusOK || r.status == http.StatusCreated:
		// a monitor's last answer is the operation's own (DSP0266 §12.2)
		if d.Type != "" && strings.Contains(d.Type, "#Task.") {
			return Task{}, errors.New("a task without a TaskState")
		}
		t.State, t.Outcome, t.Done = "Completed", inventory.OutcomeOK, true
	default:
		return Task{}, fmt.Errorf("unexpected answer HTTP %d about a task", r.status)
	}
	if t.Done {
		t.Wait = 0
	} else if t.Wait == 0 {
		t.Wait = pollAgain(now, t.Started)
	}
	return t, nil
}

func judgeState(state, status string, states map[string]inventory.Outcome) (inventory.Outcome, bool) {
	if o, ok := states[state]; ok {
		return o, o != inventory.OutcomeNone
	}
	o, done := defaultStates(state)
	if o == inventory.OutcomeOK && status == "Critical" {
		return inventory.OutcomeFailed, done
	}
	return o, done
}

// pollAgain: each 2 s at first, each 10 s for long ones. The BMC's clock may be
// wrong, and then it is the longer wait.
func pollAgain(now, started time.Time) time.Duration {
	if started.IsZero() {
		return taskWaitMin
	}
	return min(max(now.Sub(started).Abs()/10, taskWaitMin), taskWaitMax)
}

func percent(p *float64) int {
	if p == nil || *p != *p {
		return 0
	}
	return int(min(max(*p, 0), 100))
}

// taskIDOf names the task an answer speaks of, or "". The Task itself is taken
// where the body is one: some BMCs delete the monitor on completion (iLO), or
// the task when its monitor is read (Lenovo). Then Location, then what the body
// holds otherwise.
func taskIDOf(r *reply, collection string) TaskID {
	if r == nil {
		return ""
	}
	var d taskDoc
	if json.Unmarshal(r.body, &d) != nil {
		d = taskDoc{}
	}
	isTask := d.TaskState != "" || strings.HasPrefix(d.Type, "#Task.") || strings.HasPrefix(d.Type, "#Job.")
	if own := ownPath(d.ID); isTask && own != "" {
		return TaskID(own)
	}
	if r.location() != "" {
		return TaskID(r.location())
	}
	for _, uri := range []string{d.TaskMonitor, d.ID} {
		if p := ownPath(uri); p != "" {
			return TaskID(p)
		}
	}
	if isTask && d.Name != "" && collection != "" {
		return TaskID(resourceKey(collection) + "/" + d.Name)
	}
	for _, src := range [][]byte{d.Accepted, r.body} {
		for _, m := range messagesOf(src) {
			for _, a := range m.Args {
				if strings.Contains(a, "/Tasks/") || strings.Contains(a, "/Jobs/") {
					return TaskID(ownPath(a))
				}
			}
		}
	}
	return ""
}
