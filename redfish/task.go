package redfish

import (
	"context"
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

// Task asks a task or task monitor once and says when to come back. ErrTaskGone:
// it is not listed any more, which is neither failed nor done.
func (b *BMC) Task(ctx context.Context, id TaskID) (Task, error) {
	op := "task " + string(id)
	if err := b.open(); err != nil {
		return Task{}, err
	}
	r, err := b.broker.get(ctx, call{op: op}, string(id))
	if err != nil {
		return b.missing(op, id, err)
	}
	t, err := parseTask(id, r, b.profile.TaskStates, time.Now())
	if err != nil {
		return Task{}, &Error{Op: op, Endpoint: b.broker.name, Status: r.status, Err: err}
	}
	return t, nil
}

// missing reads a 404: a young task on a slow BMC is "not yet" (iDRAC jobs), an
// old one is gone. An error body in a 200 says the same.
func (b *BMC) missing(op string, id TaskID, err error) (Task, error) {
	var e *Error
	if !errors.As(err, &e) || (e.Status != http.StatusNotFound && e.Status != http.StatusGone && e.Status != http.StatusOK) {
		return Task{}, err
	}
	if e.Status == http.StatusOK && e.MessageID == "" {
		return Task{}, err // unreadable, which is not gone
	}
	b.broker.mu.Lock()
	born, ours := b.broker.tasks[id]
	b.broker.mu.Unlock()
	if age := time.Since(born); ours && age < b.profile.TaskGrace {
		return Task{ID: id, State: "New", Wait: taskWaitMin}, nil
	}
	return Task{}, &Error{Op: op, Endpoint: b.broker.name, Status: e.Status, MessageID: e.MessageID, Err: ErrTaskGone, Hint: "look at the versions: it may have finished"}
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

// taskCollection is where tasks live by the standard's names, for a body that
// gives an Id only.
func (b *broker) taskCollection() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.root == nil || b.root.Tasks.ID == "" {
		return ""
	}
	return resourceKey(b.root.Tasks.ID) + "/Tasks"
}

// Tasks lists all tasks and jobs, finished ones included. One that vanishes
// while the list is read is left out.
func (b *BMC) Tasks(ctx context.Context) ([]Task, error) {
	op := "tasks"
	root, err := b.broker.document(ctx)
	if err != nil {
		return nil, err
	}
	var all []Task
	for _, service := range []odata{root.Tasks, root.JobService} {
		if service.ID == "" {
			continue
		}
		var s struct{ Tasks, Jobs odata }
		if err := b.read(ctx, op, service.ID, &s); err != nil {
			return nil, err
		}
		for _, list := range []odata{s.Tasks, s.Jobs} {
			if list.ID == "" {
				continue
			}
			found, err := b.listed(ctx, op, list.ID)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

func (b *BMC) listed(ctx context.Context, op, uri string) ([]Task, error) {
	members, err := b.broker.members(ctx, call{op: op}, uri)
	if err != nil {
		return nil, err
	}
	var out []Task
	for _, m := range members {
		var t Task
		if m.body != nil {
			t, err = parseTask(TaskID(m.uri), &reply{status: http.StatusOK, body: m.body}, b.profile.TaskStates, time.Now())
		} else {
			t, err = b.Task(ctx, TaskID(m.uri))
		}
		switch {
		case errors.Is(err, ErrTaskGone):
		case err != nil:
			return nil, err
		default:
			out = append(out, t)
		}
	}
	return out, nil
}
