package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// accountDoc is what the flow needs of a ManagerAccount.
type accountDoc struct {
	odata
	UserName string
	Actions  map[string]rawJSON
}

const changePassword = "#ManagerAccount.ChangePassword"

// PasswordLength gives AccountService.Min/MaxPasswordLength; 0 where the BMC
// does not say or does not let us look yet.
func (b *BMC) PasswordLength(ctx context.Context) (shortest, longest int, err error) {
	if f := b.broker.facts(); f.MaxPassword > 0 {
		return f.MinPassword, f.MaxPassword, nil
	}
	var s struct{ MinPasswordLength, MaxPasswordLength int }
	root, err := b.broker.document(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = b.broker.read(ctx, call{op: "password length", account: true}, root.AccountService.ID, &s)
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusForbidden || errors.Is(err, ErrUnsupported)) {
		return 0, 0, nil
	}
	return s.MinPasswordLength, s.MaxPasswordLength, err
}

// SetPassword changes the password of one account and proves it: a second login
// on a new connection with the new secret. If the account is the one we are
// logged in as, that login becomes the session and the old one is logged out.
//
// Before the call the caller has sealed the new secret (phase "made"); after nil
// it marks it "active" and lets its CredentialSource answer with it. After
// ErrOutcomeUnknown, or a crash, it reads back with [Dialer.Prove]: the new
// secret once, then the old one once. The journal is the caller's: this package
// keeps no secret.
func (b *BMC) SetPassword(ctx context.Context, user string, secret inventory.Secret) error {
	op := "set password of " + user
	if err := b.open(); err != nil {
		return err
	}
	if b.guard == nil {
		return b.broker.refuse(op, ErrReadOnly, "dial with a guard to write")
	}
	shortest, longest, err := b.PasswordLength(ctx)
	if err != nil {
		return err
	}
	if n := len(secret.Reveal()); n < shortest || (longest > 0 && n > longest) {
		return b.broker.refuse(op, fmt.Errorf("the new password has %d characters, the BMC takes %d to %d", n, shortest, longest), "make one of that length")
	}
	account, err := b.account(ctx, op, user)
	if err != nil {
		return err
	}
	defer b.broker.rotate()()
	c := call{op: op, account: true}
	err = b.patch(ctx, c, account.ID, map[string]any{"Password": secret.Reveal()})
	if a, ok := actionOf(account.Actions, changePassword); ok && errors.Is(err, ErrUnsupported) {
		err = b.changeByAction(ctx, c, a, secret)
	}
	if err != nil {
		return scrub(err, secret)
	}
	if err := scrub(b.broker.proveLogin(ctx, user, secret), secret); err != nil {
		// The BMC took the change: whatever kept the proof away, "not done" would be a lie.
		return &Error{Op: op, Endpoint: b.broker.name, Err: fmt.Errorf("%w: taken, and not proven: %w", ErrOutcomeUnknown, err), Hint: hintReadBack}
	}
	return nil
}

// rotate keeps everybody else from logging in with the old secret meanwhile.
func (b *broker) rotate() (done func()) {
	set := func(on bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rotating = on
	}
	set(true)
	return func() { set(false) }
}

// changeByAction is the way of BMCs whose accounts are not writable; it wants
// the session's own password as well.
func (b *BMC) changeByAction(ctx context.Context, c call, a action, secret inventory.Secret) error {
	b.broker.mu.Lock()
	name := b.broker.credential
	b.broker.mu.Unlock()
	_, old, err := b.broker.source.Credential(ctx, name)
	if err != nil {
		return b.broker.refuse(c.op, fmt.Errorf("credential %q: %w", name, err), "")
	}
	_, err = b.post(ctx, c, a.Target, map[string]any{"NewPassword": secret.Reveal(), "SessionAccountPassword": old.Reveal()})
	return scrub(err, old)
}

// account finds the resource to change: the one PasswordChangeRequired named,
// since that session may read nothing else, else by its user name.
func (b *BMC) account(ctx context.Context, op, user string) (*accountDoc, error) {
	b.broker.mu.Lock()
	var named string
	if s := b.broker.sess; s != nil && s.mustChange && s.user == user {
		named = s.account
	}
	b.broker.mu.Unlock()
	c := call{op: op, account: true}
	if named != "" {
		a := &accountDoc{odata: odata{named}}
		var e *Error
		if err := b.broker.read(ctx, c, named, a); err != nil && (!errors.As(err, &e) || e.Status != http.StatusForbidden) {
			return nil, err
		}
		a.ID = named
		return a, nil
	}
	root, err := b.broker.document(ctx)
	if err != nil {
		return nil, err
	}
	var service struct{ Accounts odata }
	if err := b.broker.read(ctx, c, root.AccountService.ID, &service); err != nil {
		return nil, err
	}
	all, err := b.broker.members(ctx, c, service.Accounts.ID)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		a := &accountDoc{}
		if err := b.broker.loadMember(ctx, c, m, a); err != nil {
			return nil, err
		}
		if a.UserName == user {
			a.ID = m.uri
			return a, nil
		}
	}
	return nil, b.broker.refuse(op, fmt.Errorf("%w: none of its %d accounts is %q", ErrUnsupported, len(all), user), "name an account the BMC has")
}

// proveLogin logs in once more, over a connection of its own, with the given secret.
func (b *broker) proveLogin(ctx context.Context, user string, secret inventory.Secret) error {
	w := newWire(b.trust.config(b.profile.OldTLS), b.rates.handshakes, 1)
	defer w.transport.CloseIdleConnections()
	l := *b.limiter // the same slots: the proof counts like any request
	l.next = guarded{pinned{w, b.url}}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
	defer cancel()
	if err := b.mayTry(user, secret); err != nil {
		return err
	}
	root, err := b.service(ctx)
	if err != nil {
		return err
	}
	s, err := b.openSession(ctx, retrier{next: &l, fresh: w.transport.CloseIdleConnections}, root, user, secret)
	if err != nil {
		return err
	}
	b.mu.Lock()
	foreign := b.sess != nil && b.sess.user != user
	b.mu.Unlock()
	if foreign {
		return b.end(ctx, s) // the proof of another account; our own session stays
	}
	if err := b.adopt(ctx, s, root); err != nil {
		return err
	}
	if s.mustChange {
		return &Error{Op: "prove the password", Endpoint: b.name, Err: fmt.Errorf("%w: %w", ErrAuth, ErrChangeRequired), Hint: hintRotate}
	}
	return nil
}

// Prove sends one login with this secret, under the lock-out guard, and nothing
// else: the read-back of a password change. On success that login is the
// session of the BMC from now on. ErrAuth: it is not this secret; with
// ErrChangeRequired: it is, and the BMC wants it changed before anything else.
func (d *Dialer) Prove(ctx context.Context, ep inventory.Endpoint, user string, secret inventory.Secret) error {
	b, _, err := d.broker(ep)
	if err != nil {
		return err
	}
	if err := b.load(ctx); err != nil {
		return b.refuse("prove the password", err, "")
	}
	return scrub(b.proveLogin(ctx, user, secret), secret)
}

// scrub removes a secret that a BMC quoted in its refusal.
func scrub(err error, secret inventory.Secret) error {
	if err == nil || secret.Reveal() == "" || !strings.Contains(err.Error(), secret.Reveal()) {
		return err
	}
	clean := func(s string) string { return strings.ReplaceAll(s, secret.Reveal(), "REDACTED") }
	out := &Error{Op: "set password", Err: errors.New(clean(err.Error()))}
	var e *Error
	if errors.As(err, &e) {
		out = &Error{Op: e.Op, Endpoint: e.Endpoint, MessageID: e.MessageID, Hint: clean(e.Hint), Status: e.Status, Wait: e.Wait, Err: errors.New(clean(e.Err.Error()))}
	}
	for _, s := range []error{ErrAuth, ErrLocked, ErrBusy, ErrUnsupported, ErrUnreachable, ErrOutcomeUnknown} {
		if errors.Is(err, s) {
			out.Err = &scrubbed{text: out.Err.Error(), is: s}
		}
	}
	return out
}

// scrubbed keeps what callers branch on, without the text.
type scrubbed struct {
	text string
	is   error
}

func (s *scrubbed) Error() string { return s.text }
func (s *scrubbed) Unwrap() error { return s.is }
