package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	retryAfterCap = 60 * time.Second
	maxBusyTries  = 5
	maxFaultTries = 3
	maxWireTries  = 2
	maxJSONTries  = 2
	faultGap      = 3 * time.Second
)

// answer is what one try of a read brought.
type answer struct {
	status  int
	err     error // no answer, or a cut one
	after   time.Duration
	passing bool // 400/409 with a reason that passes
	garbled bool // a 200 that is not the JSON it should be
}

// again is the read column of redfish.md §2.4: whether try (counted from 1) is
// followed by another, and after which wait. Pure but for the jitter.
func again(try int, a answer, jitter float64) (time.Duration, bool) {
	var w *wireError
	switch {
	case errors.Is(a.err, ErrPin), errors.Is(a.err, ErrBusy), errors.Is(a.err, ErrUnsupported), errors.Is(a.err, errTooLarge):
		return 0, false
	case errors.As(a.err, &w) && w.sent:
		return time.Second, try < maxFaultTries
	case a.err != nil:
		return 200 * time.Millisecond, errors.As(a.err, &w) && try < maxWireTries
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable, a.passing:
		wait := time.Duration(float64(time.Second<<(try-1)) * (0.8 + 0.4*jitter))
		if a.after > 0 {
			wait = min(a.after, retryAfterCap)
		}
		return wait, try < maxBusyTries
	case a.status == http.StatusInternalServerError, a.status == http.StatusBadGateway, a.status == http.StatusGatewayTimeout:
		return faultGap, try < maxFaultTries
	case a.garbled:
		return 0, try < maxJSONTries
	}
	return 0, false
}

// retrier repeats reads by the table; writes pass once.
type retrier struct {
	next  http.RoundTripper
	fresh func() // drops idle connections: the next try gets a new one
}

// RoundTrip implements http.RoundTripper.
func (r retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	if isWrite(req) {
		return r.next.RoundTrip(req)
	}
	ctx := req.Context()
	for try := 1; ; try++ {
		resp, err := r.next.RoundTrip(req)
		a := answer{err: err}
		if err == nil {
			a = judge(resp, callOf(ctx).json)
		}
		wait, more := again(try, a, rand.Float64())
		if !more || !sleep(ctx, wait) {
			return resp, err
		}
		if err != nil {
			r.fresh()
		}
	}
}

// judge reads the buffered body and leaves it readable.
func judge(resp *http.Response, wantJSON bool) answer {
	a := answer{status: resp.StatusCode, after: retryAfter(resp.Header, time.Now())}
	switch {
	case resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusConflict:
		a.passing = passing(messagesOf(peek(resp)))
	case resp.StatusCode == http.StatusOK && wantJSON:
		a.garbled = garbled(resp.Header.Get("Content-Type"), peek(resp)) != nil
	}
	return a
}

// peek gives the body that buffer put in memory and rewinds it.
func peek(resp *http.Response) []byte {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil // a bytes.Reader does not fail
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return body
}

// garbled says why a 200 is not usable JSON.
func garbled(contentType string, body []byte) error {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	if kind = strings.TrimSpace(kind); kind != "" && !strings.HasSuffix(kind, "json") {
		return errors.New("content type " + strconv.Quote(kind) + " instead of JSON")
	}
	if !json.Valid(body) {
		return errors.New("truncated or invalid JSON of " + strconv.Itoa(len(body)) + " bytes")
	}
	return nil
}

// retryAfter reads seconds or an HTTP date (RFC 9110 §10.2.3); 0: none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return min(time.Duration(n), 86400) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// sleep waits inside the deadline: if the wait would pass it, the last answer
// stands now.
func sleep(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
