package redfish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/time/rate"
)

// maxBody is the largest body that is read: 5 MB bodies are real.
const maxBody = 16 << 20

// idleProbe is how long a connection may have been silent before a small read
// goes first: a write must not be the request that finds a dead session.
const idleProbe = 5 * time.Second

var (
	errTooLarge    = fmt.Errorf("body of more than %d MiB", maxBody>>20)
	errSessionOver = errors.New("the session is over")
)

// call is what a request knows about itself on its way down the chain.
type call struct {
	op      string
	guard   Guard // nil: no writes
	session bool  // of the broker about its own session: no auth, no guard
	account bool  // may go on while a password change is required
	json    bool  // a 200 must be one JSON document
}

type callKey struct{}

func withCall(ctx context.Context, c call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	return c
}

type urgentKey struct{}

// Urgent marks the requests of a safety watch: they wait for nothing that works
// on the same BMC, an upload above all. Reads have one place of their own beside
// Dialer.PerBMC; a write, which is a power-off, is sent at once.
func Urgent(ctx context.Context) context.Context {
	return context.WithValue(ctx, urgentKey{}, true)
}

func urgent(ctx context.Context) bool { return ctx.Value(urgentKey{}) != nil }

// laneOf numbers the connections a request uses: 0 of work, 1 of urgent ones.
func laneOf(ctx context.Context) int {
	if urgent(ctx) {
		return 1
	}
	return 0
}

// gate is what is asked before the first byte of a write; nil for reads and for
// the broker's own requests.
func gate(req *http.Request) func(context.Context) error {
	c := callOf(req.Context())
	if c.session || c.guard == nil || !isWrite(req) {
		return nil
	}
	return c.guard
}

func isWrite(req *http.Request) bool {
	return req.Method != http.MethodGet && req.Method != http.MethodHead
}

// limiter allows perBMC requests in flight, one of them writing, and holds the
// slot until the body is read. What is urgent comes on top.
type limiter struct {
	next   http.RoundTripper
	slots  chan struct{}
	writer chan struct{}
	watch  chan struct{} // urgent reads
	site   *rate.Limiter
	probe  func(context.Context, http.Header) error // proves connection and session before a write
	heard  func(context.Context)                    // the BMC answered
}

// RoundTrip implements http.RoundTripper. The answer's body is in memory.
func (l *limiter) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	write := isWrite(req) && !callOf(ctx).session
	for _, place := range l.places(urgent(ctx), write) {
		if err := take(ctx, place); err != nil {
			return nil, err
		}
		defer func() { <-place }()
	}
	if err := l.pace(ctx, write); err != nil {
		return nil, err
	}
	if write {
		if err := l.probe(ctx, req.Header); err != nil {
			return nil, err
		}
	}
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	l.heard(ctx)
	return buffer(resp, isWrite(req))
}

// places are what a request takes, in order.
func (l *limiter) places(urgent, write bool) []chan struct{} {
	switch {
	case urgent && write:
		return nil
	case urgent:
		return []chan struct{}{l.watch}
	case write:
		return []chan struct{}{l.writer, l.slots}
	}
	return []chan struct{}{l.slots}
}

// pace waits for the site's turn; a power-off for safety waits for nobody.
func (l *limiter) pace(ctx context.Context, write bool) error {
	if urgent(ctx) && write {
		return nil
	}
	if err := l.site.Wait(ctx); err != nil {
		return &wireError{err: fmt.Errorf("%w: site limit: %w", ErrBusy, err)}
	}
	return nil
}

func take(ctx context.Context, slot chan struct{}) error {
	select {
	case slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &wireError{err: fmt.Errorf("%w: waiting for a slot of this BMC: %w", ErrBusy, ctx.Err())}
	}
}

// buffer reads the body. A body cut short is an error for a read; a write has
// its status already, and whoever needs the body finds it unreadable.
func buffer(resp *http.Response, write bool) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if len(body) > maxBody {
		body, err = nil, errTooLarge
	}
	if err != nil && !write {
		return nil, &wireError{sent: true, err: fmt.Errorf("body of the answer: %w", err)}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// lanes gives urgent requests connections of their own.
type lanes struct{ work, urgent http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l lanes) RoundTrip(req *http.Request) (*http.Response, error) {
	if urgent(req.Context()) {
		return l.urgent.RoundTrip(req)
	}
	return l.work.RoundTrip(req)
}

// guarded refuses a write without a guard; with one, the wire asks it at the
// first byte.
type guarded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callOf(req.Context())
	if !isWrite(req) || c.session {
		return g.next.RoundTrip(req)
	}
	if c.guard == nil {
		return nil, &wireError{err: ErrReadOnly}
	}
	if req.GetBody != nil || req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != "" {
		req = req.Clone(req.Context())
		req.GetBody = nil // net/http replays a request it can rewind
		req.Header.Del("Idempotency-Key")
		req.Header.Del("X-Idempotency-Key")
	}
	return g.next.RoundTrip(req)
}

// pinned keeps every request, and with it the token, on its own BMC.
type pinned struct {
	next http.RoundTripper
	base *url.URL
}

// RoundTrip implements http.RoundTripper.
func (p pinned) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != p.base.Scheme || req.URL.Host != p.base.Host {
		return nil, &wireError{err: fmt.Errorf("%w: %s is not %s: a link to another host is never followed", ErrUnsupported, req.URL.Redacted(), p.base)}
	}
	return p.next.RoundTrip(req)
}

// closeBody closes what a round tripper must close even when it sends nothing.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close() // nothing was sent; its error changes nothing
	}
}
