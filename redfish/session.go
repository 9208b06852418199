package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rackwright/rackwright/inventory"
)

const (
	loginTimeout  = 60 * time.Second
	logoutTimeout = 10 * time.Second
	// urgentPatience is how long an urgent request waits for a login that others began.
	urgentPatience = 3 * time.Second

	fullWait    = 60 * time.Second // session table full: first wait, doubling up to the idle time-out
	defaultIdle = 5 * time.Minute  // until SessionTimeout is read

	hintClosed = "the dialer has logged out and is closed"
)

// session is one login. The token lives here and nowhere else.
type session struct {
	user    string
	token   string
	uri     string
	created string
	born    time.Time
	basic   bool             // no session: credentials on every request
	secret  inventory.Secret // only for basic

	// guarded by broker.mu
	last       time.Time
	mustChange bool
	account    string // the account to change then
}

func (s *session) authorise(h http.Header) {
	if s.basic {
		r := http.Request{Header: h}
		r.SetBasicAuth(s.user, s.secret.Reveal())
		return
	}
	h.Set("X-Auth-Token", s.token)
}

// session gives the live session or logs in. The login is single-flight and
// outlives the caller's deadline: a login cut short leaks a session. The caller
// then gets ErrBusy and finds the session at its next tick. An urgent caller
// joins a login under way, but not for long: one begun by work may wait for the
// places of work.
func (b *broker) session(ctx context.Context) (*session, error) {
	if s, err := b.present(); s != nil || err != nil {
		return s, err
	}
	done := b.flight(ctx, "login")
	var mine <-chan singleflight.Result
	var late <-chan time.Time
	if urgent(ctx) {
		late = time.After(b.patience)
	}
	for {
		select {
		case r := <-done:
			if r.Err == nil || mine == nil {
				return landed(r)
			}
			done = nil // the urgent one may still get through
		case r := <-mine:
			if r.Err == nil || done == nil {
				return landed(r)
			}
			mine = nil
		case <-late:
			mine = b.flight(ctx, "urgent login")
		case <-ctx.Done():
			return nil, &Error{Op: "login", Endpoint: b.name, Err: fmt.Errorf("%w: %w", ErrBusy, ctx.Err()), Wait: time.Second,
				Hint: "the login goes on by itself"}
		}
	}
}

func landed(r singleflight.Result) (*session, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	return r.Val.(*session), nil
}

func (b *broker) flight(ctx context.Context, name string) <-chan singleflight.Result {
	return b.logins.DoChan(name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
		defer cancel()
		return b.login(ctx)
	})
}

// present is the live session, or why there may be none now; neither: log in.
func (b *broker) present() (*session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, b.refuse("login", ErrUnreachable, hintClosed)
	case b.sess != nil:
		return b.sess, nil
	case b.rotating: // with the old secret this would be a wrong login
		return nil, &Error{Op: "login", Endpoint: b.name, Err: fmt.Errorf("%w: its password is being changed", ErrBusy), Wait: 2 * time.Second}
	}
	return nil, nil
}

// login opens the broker's session with the credential of the endpoint.
func (b *broker) login(ctx context.Context) (*session, error) {
	if s, err := b.present(); s != nil || err != nil {
		return s, err // another flight ended just before this one
	}
	b.mu.Lock()
	name := b.credential
	b.mu.Unlock()
	if err := b.load(ctx); err != nil {
		return nil, b.refuse("login", err, "")
	}
	user, secret, err := b.source.Credential(ctx, name)
	if err != nil {
		return nil, b.refuse("login", fmt.Errorf("credential %q: %w", name, err), "")
	}
	return b.enter(ctx, b.inner, user, secret)
}

// enter logs in through via and makes the result the broker's session. The
// lock-out guard is asked first and told after.
func (b *broker) enter(ctx context.Context, via http.RoundTripper, user string, secret inventory.Secret) (*session, error) {
	if err := b.mayTry(user, secret); err != nil {
		return nil, err
	}
	root, err := b.service(ctx)
	if err != nil {
		return nil, err
	}
	if s, err := b.present(); s != nil || err != nil {
		return s, err // the other flight ended, or a rotation began, while the root was read
	}
	if err := b.mayTry(user, secret); err != nil {
		return nil, err // the other flight was refused meanwhile
	}
	s, err := b.openSession(ctx, via, root, user, secret)
	if err != nil {
		return nil, scrub(err, secret)
	}
	b.mu.Lock()
	first := b.sess
	if first == nil {
		b.sess = s
	}
	b.mu.Unlock()
	if first != nil { // an urgent login and one of work: one session is enough
		go func() { // a power-off does not wait for it
			if err := b.end(context.WithoutCancel(ctx), s); err != nil {
				b.log.Warn("surplus session not logged out", "session", s.uri, "err", err)
			}
		}()
		return first, nil
	}
	return s, b.adopt(ctx, s, root)
}

// adopt stores the new session, removes what an earlier process left, and
// learns the limits of the BMC once.
func (b *broker) adopt(ctx context.Context, s *session, root *serviceRoot) error {
	b.mu.Lock()
	old, stale, created := b.sess, b.state.Session, b.state.Created
	b.sess, b.full = s, 0
	b.state.Session, b.state.Created = s.uri, s.created
	b.state.Lock.accept()
	if b.state.Facts.Service != root.identity() {
		old := b.state.Facts
		b.state.Facts = facts{Service: root.identity(), SessionsURI: old.SessionsURI, Basic: old.Basic, BasicPost: old.BasicPost}
	}
	closed := b.closed
	b.mu.Unlock()
	err := b.save(ctx)
	if closed && err == nil {
		err = b.refuse("login", ErrUnreachable, hintClosed)
	}
	if err != nil {
		return errors.Join(err, b.logout(ctx))
	}
	switch {
	case old != nil && old != s && old.uri != s.uri: // a rotation: two sessions for this moment
		err = b.end(ctx, old)
	case stale != "" && !sameURI(stale, s.uri):
		b.removeStale(ctx, s, stale, created)
	}
	if err != nil {
		b.log.Warn("old session not logged out", "session", old.uri, "err", err)
	}
	b.learn(ctx, s, root)
	return nil
}

// removeStale deletes the session a killed process left. The id may have been
// given to somebody else meanwhile: only one that says it is ours is deleted.
func (b *broker) removeStale(ctx context.Context, s *session, uri, created string) {
	var body struct{ UserName, CreatedTime string }
	r, err := b.asSession(ctx, s, http.MethodGet, uri)
	if err != nil || json.Unmarshal(r.body, &body) != nil {
		return // gone already
	}
	if body.UserName != s.user || (created != "" && body.CreatedTime != created) {
		return
	}
	if _, err := b.asSession(ctx, s, http.MethodDelete, uri); err != nil {
		b.log.Warn("old session not removed", "session", uri, "err", err)
		return
	}
	b.log.Info("removed the session of an earlier run", "session", uri)
}

// asSession sends a request about sessions with the given token.
func (b *broker) asSession(ctx context.Context, s *session, method, uri string) (*reply, error) {
	req, err := b.request(ctx, call{op: method + " session", session: true}, method, uri, nil)
	if err != nil {
		return nil, err
	}
	s.authorise(req.Header)
	return b.send(b.inner, req)
}

// logout deletes our session on a context of its own. Twice is harmless.
func (b *broker) logout(ctx context.Context) error {
	b.mu.Lock()
	s := b.sess
	b.sess = nil
	b.mu.Unlock()
	return b.end(ctx, s)
}

func (b *broker) end(ctx context.Context, s *session) error {
	if s == nil || s.basic || s.uri == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	_, err := b.asSession(ctx, s, http.MethodDelete, s.uri)
	var e *Error
	if err != nil && errors.As(err, &e) {
		switch e.Status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
			err = nil // it was over already
		}
	}
	if err != nil {
		return err
	}
	return b.change(ctx, func(st *state) {
		if sameURI(st.Session, s.uri) {
			st.Session, st.Created = "", ""
		}
	})
}

// refreshEvery: half the time-out, not below 10 s, not above 10 min.
func refreshEvery(idle time.Duration) time.Duration {
	return min(max(idle/2, 10*time.Second), 10*time.Minute)
}

// refresh reads our own session when it was unused for half its life. One at a
// time; a second call returns at once.
func (b *broker) refresh(ctx context.Context) {
	if !b.fresh.TryLock() {
		return
	}
	defer b.fresh.Unlock()
	b.mu.Lock()
	s := b.sess
	due := s != nil && !s.basic && s.uri != "" && time.Since(s.last) >= refreshEvery(b.idleLocked())
	b.mu.Unlock()
	if !due {
		return
	}
	_, err := b.asSession(ctx, s, http.MethodGet, s.uri)
	var e *Error
	switch {
	case err == nil:
		b.used(s)
	case errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound):
		b.drop(s)
	default:
		b.used(s) // asked; the next caller finds out more
		b.log.Debug("session not refreshed", "err", err)
	}
}

// idleLocked is the session time-out of this BMC; b.mu is held.
func (b *broker) idleLocked() time.Duration {
	if b.state.Facts.Idle > 0 {
		return time.Duration(b.state.Facts.Idle) * time.Second
	}
	return defaultIdle
}
