package redfish

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzVerdict: whatever a BMC sends as an error, the answer is one typed error
// or none, in one line, and a write is never called a success by accident.
func FuzzVerdict(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"error":{"code":"Base.1.8.GeneralError","message":"x"}}`, `{"error":null}`, `{"error":[]}`, `{"error":"text"}`,
		`{"error":{"@Message.ExtendedInfo":{"MessageId":"A.1.B","MessageArgs":[1,null,"/x"]}}}`,
		`{"error":{"@Message.ExtendedInfo":[{"MessageId":"Base.1.8.PasswordChangeRequired","MessageArgs":["/redfish/v1/AccountService/Accounts/1"]}]}}`,
		`{"@Message.ExtendedInfo":[{"MessageId":"IDRAC.2.8.RAC0218","Resolution":"wait"}]}`} {
		for _, status := range []int{200, 202, 400, 401, 403, 409, 503} {
			f.Add(status, true, s)
		}
	}
	f.Fuzz(func(t *testing.T, status int, write bool, body string) {
		if status < 200 || status > 599 {
			return
		}
		err := verdict("op", "https://bmc", write, status, http.Header{}, []byte(body))
		if status >= 300 && err == nil {
			t.Fatalf("HTTP %d is a success", status)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Status != status || e.Err == nil) {
			t.Fatalf("untyped: %#v", err)
		}
		if write && (status == 500 || status == 502 || status == 504) && !errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("HTTP %d after a write is %v", status, err)
		}
		if uri, _ := mustChange(messagesOf([]byte(body))); uri != "" && !strings.HasPrefix(uri, "/") {
			t.Fatalf("account %q is no path of this BMC", uri)
		}
	})
}

// FuzzTask: a task is never done without an outcome, never out of range, never
// somebody else's path.
func FuzzTask(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"TaskState":"Running","PercentComplete":1e300}`, `{"TaskState":"Completed","Messages":{}}`, `{"@odata.id":"https://evil/x","@odata.type":"#Task.v1.Task"}`,
		`{"Accepted":{"@Message.ExtendedInfo":[{"MessageId":"x","MessageArgs":["//evil/TaskService/Tasks/1"]}]}}`, `{"TaskState":"New","StartTime":"9999-12-31T23:59:59Z"}`} {
		for _, status := range []int{200, 202, 204} {
			f.Add(status, s, "/redfish/v1/TaskService/TaskMonitors/1")
		}
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, body, location string) {
		r := &reply{status: status, header: http.Header{"Location": {location}}, body: []byte(body)}
		if id := taskIDOf(r, "/redfish/v1/TaskService/Tasks"); id != "" {
			if p, err := localPath(string(id)); err != nil || !strings.HasPrefix(p, "/") {
				t.Fatalf("task id %q: %v", id, err)
			}
		}
		got, err := parseTask("/t", r, nil, now)
		if err != nil {
			return
		}
		if got.Percent < 0 || got.Percent > 100 || got.Done == (got.Outcome == "") || got.Done == (got.Wait > 0) || got.Wait > retryAfterCap {
			t.Fatalf("%+v", got)
		}
	})
}
