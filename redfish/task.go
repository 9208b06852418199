package redfish

import (
	"context"
	"errors"
	"net/http"
	"time"
)

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
