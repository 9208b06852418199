package redfish

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func TestParseTask(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const ok, failed, none = inventory.OutcomeOK, inventory.OutcomeFailed, inventory.OutcomeNone
	for _, c := range []struct {
		name   string
		status int
		body   string
		states map[string]inventory.Outcome
		state  string
		done   bool
		out    inventory.Outcome
		wait   time.Duration
	}{
		{"new", 200, `{"TaskState":"New"}`, nil, "New", false, none, 2 * time.Second},
		{"running for 40 s", 200, `{"TaskState":"Running","StartTime":"2026-01-02T03:03:25+00:00","PercentComplete":40}`, nil, "Running", false, none, 4 * time.Second},
		{"held at 100 %", 200, `{"TaskState":"Running","StartTime":"2026-01-02T01:00:00Z","PercentComplete":100}`, nil, "Running", false, none, 10 * time.Second},
		{"suspended is not the end", 200, `{"TaskState":"Suspended"}`, nil, "Suspended", false, none, 2 * time.Second},
		{"interrupted is not the end", 200, `{"TaskState":"Interrupted"}`, nil, "Interrupted", false, none, 2 * time.Second},
		{"stopping", 200, `{"TaskState":"Stopping"}`, nil, "Stopping", false, none, 2 * time.Second},
		{"cancelling", 200, `{"TaskState":"Cancelling"}`, nil, "Cancelling", false, none, 2 * time.Second},
		{"a state nobody knows", 200, `{"TaskState":"Levitating"}`, nil, "Levitating", false, none, 2 * time.Second},
		{"completed", 200, `{"TaskState":"Completed","TaskStatus":"OK"}`, nil, "Completed", true, ok, 0},
		{"completed, critical", 200, `{"TaskState":"Completed","TaskStatus":"Critical"}`, nil, "Completed", true, failed, 0},
		{"exception", 200, `{"TaskState":"Exception"}`, nil, "Exception", true, failed, 0},
		{"job", 200, `{"JobState":"CompletedWithErrors"}`, nil, "CompletedWithErrors", true, failed, 0},
		{"person needed", 200, `{"JobState":"UserIntervention"}`, nil, "UserIntervention", false, none, 2 * time.Second},
		{"profile: stopping is staged", 200, `{"TaskState":"Stopping"}`, map[string]inventory.Outcome{"Stopping": ok}, "Stopping", true, ok, 0},
		{"profile: exception goes on", 200, `{"TaskState":"Exception"}`, map[string]inventory.Outcome{"Exception": none}, "Exception", false, none, 2 * time.Second},
		{"monitor running", 202, ``, nil, "Running", false, none, 2 * time.Second},
		{"monitor with a task", 202, `{"TaskState":"Starting"}`, nil, "Starting", false, none, 2 * time.Second},
		{"monitor done", 204, ``, nil, "Completed", true, ok, 0},
		{"monitor's last answer is the operation's", 200, `{"@odata.type":"#UpdateService.v1_8_0.UpdateService"}`, nil, "Completed", true, ok, 0},
	} {
		got, err := parseTask("/t/1", &reply{status: c.status, header: http.Header{}, body: []byte(c.body)}, c.states, now)
		if err != nil || got.State != c.state || got.Done != c.done || got.Outcome != c.out || got.Wait != c.wait {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	got, err := parseTask("/t/1", &reply{status: 202, header: http.Header{"Retry-After": {"30"}}, body: []byte(`{"TaskState":"Running","PercentComplete":12.7,
		"Messages":[{"MessageId":"Update.1.2.TransferringToComponent","Message":"sending"},{"MessageId":"Update.1.2.InstallingOnComponent"}],"Payload":{"TargetUri":"/x"}}`)}, nil, now)
	if err != nil || got.Wait != 30*time.Second || got.Percent != 12 || strings.Join(got.Messages, "|") != "sending|Update.1.2.InstallingOnComponent" || len(got.Targets) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{`[]`, `{"TaskState":7}`, `{"@odata.type":"#Task.v1_4_3.Task"}`} {
		if got, err := parseTask("/t/1", &reply{status: 200, header: http.Header{}, body: []byte(bad)}, nil, now); err == nil {
			t.Errorf("%s is no task: %+v", bad, got)
		}
	}
}

func TestTaskIDOf(t *testing.T) {
	const tasks = "/redfish/v1/TaskService/Tasks"
	for _, c := range []struct {
		name, location, body string
		want                 TaskID
	}{
		{"the task outlives its monitor", "/redfish/v1/TaskService/TaskMonitors/7", `{"@odata.id":"` + tasks + `/7","@odata.type":"#Task.v1_4_3.Task"}`, tasks + "/7"},
		{"location only", tasks + "/7/Monitor", ``, tasks + "/7/Monitor"},
		{"absolute location", "https://10.0.0.1" + tasks + "/7", ``, tasks + "/7"},
		{"Supermicro: body only", "", `{"@odata.type":"#Task.v1_4_3.Task","@odata.id":"` + tasks + `/9"}`, tasks + "/9"},
		{"Supermicro: in a message", "", `{"Accepted":{"code":"Base.v1_4_0.Accepted","@Message.ExtendedInfo":[{"MessageId":"SMC.1.0.OemSimpleupdateAcceptedMessage","MessageArgs":["` + tasks + `/BIOS-1"]}]}}`, tasks + "/BIOS-1"},
		{"id only", "", `{"@odata.type":"#Task.v1_4_3.Task","Id":"4"}`, tasks + "/4"},
		{"monitor in the body", "", `{"TaskMonitor":"/redfish/v1/TaskMonitor/2"}`, "/redfish/v1/TaskMonitor/2"},
		{"nothing", "", ``, ""},
		{"garbage", "", `{"@odata.id":7}`, ""},
	} {
		r := &reply{status: 202, header: http.Header{}, body: []byte(c.body)}
		if c.location != "" {
			r.header.Set("Location", c.location)
		}
		if got := taskIDOf(r, tasks); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestTaskGone: 404 is neither failed nor done; a young task on a slow BMC is
// "not yet".
func TestTaskGone(t *testing.T) {
	f, b := updater(t, multipartService, Profile{TaskGrace: time.Minute})
	f.hook("POST "+pushURI, func(w http.ResponseWriter, r *http.Request) { _ = readAll(t, r); accept(w) })
	var e *Error
	if _, err := b.Task(soon(t), "/redfish/v1/TaskService/Tasks/7"); !errors.Is(err, ErrTaskGone) || !errors.As(err, &e) || e.Status != 404 {
		t.Errorf("got %v, want ErrTaskGone", err)
	}
	file, _ := imageFile(t, 100)
	id, err := b.StartUpdate(soon(t), Update{File: file})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Task(soon(t), id); err != nil || got.Done || got.Wait == 0 {
		t.Errorf("a young task: %+v, %v; want not yet", got, err)
	}
	b.broker.tasks[id] = time.Now().Add(-2 * time.Minute)
	if _, err := b.Task(soon(t), id); !errors.Is(err, ErrTaskGone) {
		t.Errorf("got %v, want ErrTaskGone", err)
	}
	f.set(string(id), `{"error":{"code":"Base.1.8.ResourceMissingAtURI","message":"gone"}}`)
	if _, err := b.Task(soon(t), id); !errors.Is(err, ErrTaskGone) {
		t.Errorf("an error body: %v, want ErrTaskGone", err)
	}
	f.set(string(id), `not json`)
	if _, err := b.Task(soon(t), id); err == nil || errors.Is(err, ErrTaskGone) {
		t.Errorf("unreadable is not gone: %v", err)
	}
}

// TestTasksUnreadable: a list with an entry that cannot be followed may hold a
// running task; it is an error, not a shorter list.
func TestTasksUnreadable(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	for _, bad := range []string{`{}`, `{"Name":"1"}`, `7`, `""`} {
		f.set("/redfish/v1/TaskService/Tasks", `{"Members":[null,`+bad+`]}`)
		if all, err := b.Tasks(soon(t)); err == nil {
			t.Errorf("%s: %d tasks and no error", bad, len(all))
		}
	}
}

func TestTasksListsTasksAndJobs(t *testing.T) {
	f := newFake(t)
	f.set("/redfish/v1/", strings.Replace(f.docs["/redfish/v1/"], `"Tasks":`, `"JobService":{"@odata.id":"/redfish/v1/JobService"},"Tasks":`, 1))
	f.set("/redfish/v1/TaskService/Tasks", `{"Members":[{"@odata.id":"/redfish/v1/TaskService/Tasks/1"},{"@odata.id":"/redfish/v1/TaskService/Tasks/gone"},
		{"@odata.id":"/redfish/v1/TaskService/Tasks/2","@odata.type":"#Task.v1_4_3.Task","TaskState":"Completed"}]}`)
	f.set("/redfish/v1/TaskService/Tasks/1", `{"TaskState":"Running"}`)
	f.set("/redfish/v1/JobService", `{"Jobs":{"@odata.id":"/redfish/v1/JobService/Jobs"}}`)
	f.set("/redfish/v1/JobService/Jobs", `{"Members":[{"@odata.id":"/redfish/v1/JobService/Jobs/JID_1"}]}`)
	f.set("/redfish/v1/JobService/Jobs/JID_1", `{"JobState":"Failed"}`)
	d, _ := newDialer(t)
	all, err := dial(t, d, f.endpoint(), nil).Tasks(soon(t))
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	if all[0].Done || all[1].Outcome != inventory.OutcomeOK || all[2].Outcome != inventory.OutcomeFailed || f.count("GET /redfish/v1/TaskService/Tasks/2") != 0 {
		t.Errorf("%+v", all)
	}
}
