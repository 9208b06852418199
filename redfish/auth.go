package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// authed gives every request the session of the broker, logging in if there is
// none. A read that finds its session over is repeated after one login; a write
// is not, unless nothing of it was sent.
type authed struct{ b *broker }

// youngSession: a refusal this soon after a login is no expiry.
const youngSession = 30 * time.Second

// RoundTrip implements http.RoundTripper.
func (a authed) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, c, write := req.Context(), callOf(req.Context()), isWrite(req)
	if write && c.guard == nil {
		return nil, &wireError{err: ErrReadOnly} // before a login is spent on it
	}
	for try := 1; ; try++ {
		s, err := a.b.session(ctx)
		if err != nil {
			return nil, err
		}
		if err := a.b.barred(s, c); err != nil {
			return nil, err
		}
		out := req.Clone(ctx)
		s.authorise(out.Header)
		resp, err := a.b.inner.RoundTrip(out)
		switch {
		case errors.Is(err, errSessionOver) && try == 1:
			a.b.drop(s)
			continue
		case err != nil:
			return nil, err
		case resp.StatusCode != http.StatusUnauthorized:
			a.b.used(s)
			return resp, nil
		}
		a.b.drop(s)
		if s.basic {
			return nil, a.b.wrong(ctx, s.user, s.secret, reply{status: resp.StatusCode, header: resp.Header, body: peek(resp)})
		}
		switch {
		case !write && try == 1:
			continue
		case write && time.Since(s.born) > youngSession:
			return nil, &wireError{err: fmt.Errorf("%w: %w, the write was refused", ErrBusy, errSessionOver)}
		}
		return resp, nil
	}
}

// barred stops everything but account calls while the BMC wants its password
// changed: it would answer 403, and some count that.
func (b *broker) barred(s *session, c call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.mustChange && !c.account {
		return &Error{Op: c.op, Endpoint: b.name, Err: fmt.Errorf("%w: password change required", ErrAuth), Hint: hintRotate}
	}
	return nil
}

// demandChange notes a PasswordChangeRequired that came after the login.
func (b *broker) demandChange(account string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sess != nil {
		b.sess.mustChange = true
		if account != "" {
			b.sess.account = account
		}
	}
}

// drop ends our use of a session that the BMC does not honour any more.
func (b *broker) drop(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sess == s {
		b.sess = nil
	}
}

func (b *broker) used(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.last = time.Now()
}

// prove sends a small read on a connection that was silent for a while, so that
// a write never is the request that finds it dead or the session over.
func (b *broker) prove(ctx context.Context, h http.Header) error {
	b.mu.Lock()
	idle, s := time.Since(b.heardAt[laneOf(ctx)]), b.sess
	b.mu.Unlock()
	if idle <= idleProbe {
		return nil
	}
	uri := rootURI
	if s != nil && s.uri != "" {
		uri = s.uri
	}
	req, err := b.request(ctx, call{op: "prove the session", session: true}, http.MethodGet, uri, nil)
	if err != nil {
		return &wireError{err: err}
	}
	for _, k := range []string{"X-Auth-Token", "Authorization"} {
		if v := h.Get(k); v != "" {
			req.Header.Set(k, v)
		}
	}
	resp, err := b.limiter.next.RoundTrip(req)
	if err == nil {
		resp, err = buffer(resp, false)
	}
	if err != nil {
		b.hangUp()
		return &wireError{err: fmt.Errorf("proving the connection before a write: %w", errorText(err))}
	}
	b.heard(ctx)
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusNotFound:
		return &wireError{err: errSessionOver}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return &wireError{err: fmt.Errorf("%w: HTTP %d before the write was sent", ErrBusy, resp.StatusCode)}
	}
	return nil
}

// errorText keeps the words and the sentinels of a cause but not its wireError:
// what happened to the probe says nothing about the write.
func errorText(err error) error {
	var w *wireError
	if errors.As(err, &w) {
		return w.err
	}
	return err
}
