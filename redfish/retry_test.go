package redfish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script answers like a BMC that recovers.
type script struct {
	tries int
	do    func(try int) (*http.Response, error)
}

func (s *script) RoundTrip(*http.Request) (*http.Response, error) {
	s.tries++
	return s.do(s.tries)
}

func respond(status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// TestReadTable is the read column of redfish.md §2.4, in virtual time.
func TestReadTable(t *testing.T) {
	always := func(status int, body string, header ...string) func(int) (*http.Response, error) {
		return func(int) (*http.Response, error) { return respond(status, body, header...), nil }
	}
	broken := func(sent bool, err error) func(int) (*http.Response, error) {
		return func(int) (*http.Response, error) { return nil, &wireError{sent: sent, err: err} }
	}
	for _, c := range []struct {
		name     string
		do       func(int) (*http.Response, error)
		tries    int
		min, max time.Duration
	}{
		{"ok", always(200, `{}`), 1, 0, 0},
		{"404", always(404, `{}`), 1, 0, 0},
		{"refused", broken(false, errors.New("connection refused")), 2, 0, time.Second},
		{"cut", broken(true, io.ErrUnexpectedEOF), 3, time.Second, 3 * time.Second},
		{"pin", broken(false, fmt.Errorf("tls: %w", ErrPin)), 1, 0, 0},
		{"503 after 7 s", always(503, ``, "Retry-After", "7"), 5, 28 * time.Second, 28 * time.Second},
		{"503 after an hour is capped", always(503, ``, "Retry-After", "3600"), 5, 4 * time.Minute, 4 * time.Minute},
		{"503 unsaid", always(503, ``), 5, 12 * time.Second, 18 * time.Second},
		{"429", always(429, ``), 5, 12 * time.Second, 18 * time.Second},
		{"500", always(500, ``), 3, 6 * time.Second, 6 * time.Second},
		{"504", always(504, ``), 3, 6 * time.Second, 6 * time.Second},
		{"400 for good", always(400, `{"error":{"code":"Base.1.8.PropertyUnknown"}}`), 1, 0, 0},
		{"400 that passes", always(400, `{"error":{"code":"iLO.2.14.InvalidOperationForSystemState"}}`), 5, 12 * time.Second, 18 * time.Second},
		{"truncated", always(200, `{"a":`), 2, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{do: c.do}
				ctx := withCall(t.Context(), call{json: true})
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://bmc/x", nil)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				resp, err := retrier{next: s, fresh: func() {}}.RoundTrip(req)
				if err == nil {
					resp.Body.Close()
				}
				if took := time.Since(start); s.tries != c.tries || took < c.min || took > c.max {
					t.Errorf("%d tries in %s; want %d in %s to %s", s.tries, took, c.tries, c.min, c.max)
				}
			})
		})
	}
}

func TestRetriesStayInsideTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{do: func(int) (*http.Response, error) { return respond(503, ``, "Retry-After", "20"), nil }}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://bmc/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := retrier{next: s, fresh: func() {}}.RoundTrip(req)
		if err != nil || resp.StatusCode != 503 || s.tries != 2 {
			t.Errorf("%v after %d tries; want the last answer after 2", err, s.tries)
		}
		if err == nil {
			resp.Body.Close()
		}
	})
}

func TestWritesPassTheRetrierOnce(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
		s := &script{do: func(int) (*http.Response, error) { return respond(503, ``), nil }}
		req, err := http.NewRequestWithContext(t.Context(), method, "https://bmc/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := retrier{next: s, fresh: func() {}}.RoundTrip(req)
		if err != nil || s.tries != 1 {
			t.Errorf("%s: %v, %d tries", method, err, s.tries)
			continue
		}
		resp.Body.Close()
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 30 ": 30 * time.Second, "-1": 0, "soon": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:00:00 GMT": 0, "99999999999": 24 * time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
