package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// mayTry asks the lock-out guard for one login.
func (b *broker) mayTry(user string, secret inventory.Secret) error {
	b.mu.Lock()
	wait, ok := b.state.Lock.allow(time.Now(), b.state.Lock.tag(user, secret))
	b.mu.Unlock()
	if ok {
		return nil
	}
	return &Error{Op: "login", Endpoint: b.name, Err: fmt.Errorf("%w: %w", ErrAuth, ErrLocked), Wait: wait,
		Hint: "this secret was refused; no further login is sent until then, so that the BMC does not lock the account"}
}

// refused turns the answer to a login into the package's error, and tells the
// guard if it was the credentials.
func (b *broker) refused(ctx context.Context, user string, secret inventory.Secret, r reply) error {
	ms := messagesOf(r.body)
	switch {
	case sessionsFull(ms), r.status == http.StatusServiceUnavailable, r.status == http.StatusTooManyRequests:
		return b.tableFull(r, sessionsFull(ms))
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		return b.wrong(ctx, user, secret, r)
	}
	err := verdict("login", b.name, false, r.status, r.header, r.body)
	if err == nil {
		err = b.refuse("login", fmt.Errorf("unexpected answer HTTP %d", r.status), "")
	}
	return err
}

// wrong notes a refused login: one per secret, then the guard holds everybody.
func (b *broker) wrong(ctx context.Context, user string, secret inventory.Secret, r reply) error {
	err := verdict("login", b.name, false, r.status, r.header, r.body)
	out := &Error{Op: "login", Endpoint: b.name, Status: r.status}
	var e *Error
	if errors.As(err, &e) {
		out.MessageID = e.MessageID
	}
	var saved error
	var until time.Time
	saved = b.change(ctx, func(s *state) {
		s.Lock.refuse(time.Now(), s.Lock.tag(user, secret), time.Duration(s.Facts.Lockout)*time.Second)
		until = s.Lock.Until
	})
	out.Err, out.Wait = errors.Join(fmt.Errorf("%w: the BMC refused the password of %q", ErrAuth, user), saved), time.Until(until)
	out.Hint = "not tried again: give the right password, or wait for one probe"
	b.log.Warn("login refused; all callers of this BMC are stopped", "until", until.UTC().Format(time.RFC3339))
	return out
}

// tableFull is ErrBusy, never ErrAuth: the credentials were not judged.
func (b *broker) tableFull(r reply, full bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := &Error{Op: "login", Endpoint: b.name, Status: r.status, Wait: min(retryAfter(r.header, time.Now()), retryAfterCap)}
	if ms := messagesOf(r.body); len(ms) > 0 {
		out.MessageID = ms[0].ID
	}
	out.Err = fmt.Errorf("%w: the BMC takes no login now", ErrBusy)
	if full {
		b.full = min(max(2*b.full, fullWait), max(b.idleLocked(), fullWait))
		out.Wait = max(out.Wait, b.full)
		out.Err = fmt.Errorf("%w: the session table of the BMC is full", ErrBusy)
		out.Hint = "foreign sessions end at their idle time-out; ours is never more than one"
	} else if out.Wait == 0 {
		out.Wait = 2 * time.Second
	}
	return out
}

// learn reads, once per service, how long sessions and lock-outs last and which
// passwords are taken. What cannot be read stays at its default.
func (b *broker) learn(ctx context.Context, s *session, root *serviceRoot) {
	b.mu.Lock()
	done := b.state.Facts.Idle > 0 || s.mustChange
	b.mu.Unlock()
	if done {
		return
	}
	var session struct{ SessionTimeout int }
	b.peekService(ctx, s, root.SessionService.ID, &session)
	var account struct {
		AccountLockoutDuration, MinPasswordLength, MaxPasswordLength int
	}
	b.peekService(ctx, s, root.AccountService.ID, &account)
	if err := b.change(ctx, func(st *state) {
		st.Facts.Idle, st.Facts.Lockout = session.SessionTimeout, account.AccountLockoutDuration
		st.Facts.MinPassword, st.Facts.MaxPassword = account.MinPasswordLength, account.MaxPasswordLength
	}); err != nil {
		b.log.Warn("learned facts not stored", "err", err)
	}
}

func (b *broker) peekService(ctx context.Context, s *session, uri string, v any) {
	if uri == "" {
		return
	}
	r, err := b.asSession(ctx, s, http.MethodGet, uri)
	if err == nil {
		err = json.Unmarshal(r.body, v)
	}
	if err != nil {
		b.log.Debug("not learned", "uri", uri, "err", err)
	}
}
