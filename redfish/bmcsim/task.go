package bmcsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// task is one entry of the TaskService. A BMC keeps it in memory only.
type task struct {
	id, path, monitor string
	state             string
	percent           int
	messages          []object
	once              bool // a GET of the finished monitor deletes both
}

func (t *task) done() bool {
	switch t.state {
	case "Completed", "Exception", "Killed", "Cancelled":
		return true
	}
	return false
}

// newTask makes a task in state New. The caller holds the lock.
func (b *BMC) newTask(name string) *task {
	if b.update.tasks == nil {
		b.update.tasks = map[string]*task{}
	}
	b.update.next++
	id := strconv.Itoa(b.update.next)
	t := &task{id: id, path: tasks + "/" + id, monitor: monitors + "/" + id, state: "New", messages: []object{}}
	b.update.tasks[id] = t
	b.tree.add(t.path, "Task.v1_7_4", name, object{"TaskState": "New", "TaskStatus": "OK", "PercentComplete": 0,
		"StartTime": stamp(time.Now()), "TaskMonitor": t.monitor, "HidePayload": true, "Messages": t.messages})
	return t
}

// say moves a task on; percent below 0 keeps it. The caller holds the lock.
func (b *BMC) say(t *task, state string, percent int, message object) {
	if percent < 0 {
		percent = t.percent
	}
	t.state, t.percent = state, percent
	status := "OK"
	if state == "Exception" {
		status = "Critical"
	}
	if message != nil {
		t.messages = append(t.messages, message)
	}
	patch := object{"TaskState": state, "TaskStatus": status, "PercentComplete": percent, "Messages": t.messages}
	if t.done() {
		patch["EndTime"] = stamp(time.Now())
	}
	b.tree.set(t.path, patch)
}

// dropTask loses one task and its monitor. The caller holds the lock.
func (b *BMC) dropTask(t *task) {
	delete(b.update.tasks, t.id)
	b.tree.remove(t.path)
}

// loseTasks is what a BMC reset does. The caller holds the lock.
func (b *BMC) loseTasks() {
	b.interruptBank("the BMC was reset", BMCReset)
	for _, id := range sorted(b.update.tasks) {
		b.dropTask(b.update.tasks[id])
	}
}

// accepted is the 202 of DSP0266: Location is the monitor, the body is the task.
func (b *BMC) accepted(t *task) reply {
	raw, _, _ := b.tree.get(t.path, true)
	out := reply{status: http.StatusAccepted, raw: raw}.with("Location", t.monitor)
	if n := b.spec.Update.RetryAfter; n > 0 {
		out = out.with("Retry-After", strconv.Itoa(n))
	}
	return out
}

// monitor answers a GET below TaskMonitors: 202 while the task runs, then 200 with
// the task. ok false: the path is no monitor.
func (c *call) monitor() (reply, bool) {
	id, ok := strings.CutPrefix(c.path, monitors+"/")
	if !ok {
		return reply{}, false
	}
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.update.tasks[id]
	if t == nil {
		return notFound(c.path), true
	}
	if !t.done() {
		return b.accepted(t), true
	}
	raw, _, _ := b.tree.get(t.path, true)
	if t.once {
		b.dropTask(t)
	}
	return reply{status: http.StatusOK, raw: raw}, true
}
