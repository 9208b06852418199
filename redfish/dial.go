package redfish

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/rackwright/rackwright/inventory"
)

// Guard is asked right before the first byte of a write leaves: is the lease of
// the caller still good for it? An error stops the write, definitely unsent.
type Guard func(context.Context) error

// CredentialSource opens the sealed credential of that name: user and secret.
type CredentialSource interface {
	Credential(ctx context.Context, name string) (user string, secret inventory.Secret, err error)
}

// Memory keeps what must survive a restart, one small JSON document per BMC:
// the session to delete after a crash, the lock-out state, the recorded pin and
// learned facts. Load of an unknown name answers nil or inventory.ErrNotFound.
type Memory interface {
	Load(ctx context.Context, endpoint string) ([]byte, error)
	Save(ctx context.Context, endpoint string, state []byte) error
}

const (
	defaultPerBMC  = 2
	siteRequests   = 500 // per second, all BMCs of the dialer
	siteHandshakes = 64  // new TLS connections per second: the storm after a power event
	refreshTick    = time.Second
	parallelIdle   = 64 // sessions refreshed or closed at once
)

// Dialer makes handles on BMCs. Its fields are set before the first Dial.
type Dialer struct {
	Credentials CredentialSource
	Profiles    map[string]Profile // by Endpoint.Profile; nil: Profiles(). An unknown name is an error
	PerBMC      int                // requests in flight per BMC, default 2; one of them writes
	Log         *slog.Logger       // default: discard
	Memory      Memory             // default: in this process only
	Trust       Trust              // default: pin where one is known, else first use
	CA          *x509.CertPool     // for TrustCA

	mu      sync.Mutex
	brokers map[string]*broker
	rates   rates
	closed  bool
}

// BMC is a handle on one BMC with the guard of one caller. It is safe for
// concurrent use; all handles of one BMC share its session and limits.
type BMC struct {
	broker   *broker
	endpoint inventory.Endpoint
	guard    Guard
	profile  Profile
	log      *slog.Logger
	closed   atomic.Bool
}

// Dial gives a handle and makes sure that there is a session: a BMC that answers
// a port is not ready, one that takes a login is. A nil guard makes the handle
// read-only. At first use, with no pin known, the caller dials only after MAC or
// switch port agree with the manifest, since the login sends the factory
// password to whoever answers. Where a password change is required Dial succeeds, and everything
// but SetPassword answers ErrAuth.
func (d *Dialer) Dial(ctx context.Context, ep inventory.Endpoint, guard Guard) (*BMC, error) {
	b, p, err := d.broker(ep)
	if err != nil {
		return nil, err
	}
	if _, err := b.session(ctx); err != nil {
		return nil, err
	}
	return &BMC{broker: b, endpoint: ep, guard: guard, profile: p, log: b.log}, nil
}

// broker gives the one broker of an endpoint's BMC.
func (d *Dialer) broker(ep inventory.Endpoint) (*broker, Profile, error) {
	p, err := d.profile(ep.Profile)
	if err != nil {
		return nil, p, &Error{Op: "dial", Endpoint: ep.URL, Err: err}
	}
	u, err := base(ep.URL)
	if err != nil {
		return nil, p, &Error{Op: "dial", Endpoint: ep.URL, Err: err}
	}
	if d.Credentials == nil {
		return nil, p, &Error{Op: "dial", Endpoint: u.String(), Err: errors.New("the dialer has no CredentialSource")}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, p, &Error{Op: "dial", Endpoint: u.String(), Err: ErrUnreachable, Hint: hintClosed}
	}
	if d.brokers == nil {
		d.brokers = map[string]*broker{}
		d.rates = rates{rate.NewLimiter(siteRequests, siteRequests), rate.NewLimiter(siteHandshakes, siteHandshakes)}
	}
	b := d.brokers[u.String()]
	if b == nil {
		b = newBroker(u, d, p, ep, d.rates)
		d.brokers[u.String()] = b
	}
	b.trust.confirm(ep.Pin)
	b.mu.Lock()
	b.credential = ep.Credential
	b.mu.Unlock()
	return b, p, nil
}

func (d *Dialer) profile(name string) (Profile, error) {
	known := d.Profiles
	if known == nil {
		known = Profiles()
	}
	if name == "" {
		name = GenericProfile
	}
	p, ok := known[name]
	if !ok && name == GenericProfile {
		return Profile{Name: GenericProfile}, nil
	}
	if !ok {
		return Profile{}, fmt.Errorf("%w: no Redfish profile %q; known: %s", ErrUnsupported, name,
			strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return p, nil
}

func (d *Dialer) mode(p Profile) Trust {
	if p.Trust != "" {
		return p.Trust
	}
	return d.Trust
}

func (d *Dialer) logger() *slog.Logger {
	if d.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Log
}

// Run keeps sessions fresh until the context ends, then logs all of them out on
// a context of its own and refuses further dials. Its error is what could not be
// logged out; those sessions are removed by the next login.
func (d *Dialer) Run(ctx context.Context) error {
	tick := time.NewTicker(refreshTick)
	defer tick.Stop()
	var g errgroup.Group
	g.SetLimit(parallelIdle)
	for {
		select {
		case <-ctx.Done():
			return errors.Join(g.Wait(), d.Logout(ctx))
		case <-tick.C:
		}
		for _, b := range d.all() { // a BMC that does not answer holds up nobody
			g.TryGo(func() error { b.refresh(ctx); return nil })
		}
	}
}

// Logout ends all sessions and closes the dialer. Twice is fine.
func (d *Dialer) Logout(ctx context.Context) error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	return d.each(func(b *broker) error {
		b.mu.Lock()
		b.closed = true
		b.mu.Unlock()
		// A login under way sees that and logs itself out: wait for it.
		for _, flight := range []string{"login", "urgent login"} {
			_, _, _ = b.logins.Do(flight, func() (any, error) { return nil, nil })
		}
		err := b.logout(ctx)
		b.hangUp()
		return err
	})
}

func (d *Dialer) all() []*broker {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.brokers))
}

func (d *Dialer) each(do func(*broker) error) error {
	var mu sync.Mutex
	var errs []error
	var g errgroup.Group
	g.SetLimit(parallelIdle)
	for _, b := range d.all() {
		g.Go(func() error {
			if err := do(b); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
			return nil
		})
	}
	return errors.Join(append(errs, g.Wait())...)
}

// Close gives the handle back; the session stays for the next one. Twice is fine.
func (b *BMC) Close() error {
	b.closed.Store(true)
	return nil
}

// Certificate is what the BMC showed at the last handshake; zero for plain http.
func (b *BMC) Certificate() Certificate { return b.broker.trust.seen() }

// PasswordChangeRequired: the BMC took the login and refuses everything else
// until SetPassword.
func (b *BMC) PasswordChangeRequired() bool {
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	return b.broker.sess != nil && b.broker.sess.mustChange
}

// get reads one JSON resource under the full policy of this package.
func (b *BMC) get(ctx context.Context, uri string) (json.RawMessage, error) {
	if err := b.open(); err != nil {
		return nil, err
	}
	r, err := b.broker.get(ctx, call{}, uri)
	if err != nil {
		return nil, err
	}
	return r.body, nil
}

func (b *BMC) open() error {
	if b.closed.Load() {
		return &Error{Op: "use", Endpoint: b.endpoint.URL, Err: errClosed}
	}
	return nil
}

var errClosed = errors.New("the handle is closed")
