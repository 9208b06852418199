package redfish

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func TestManyDialsShareOneSession(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			b, err := d.Dial(soon(t), f.endpoint(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := b.get(soon(t), systemURI); err != nil {
				t.Error(err)
			}
			if err := errors.Join(b.Close(), b.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if live, opened := f.live(); live != 1 || opened != 1 {
		t.Errorf("%d sessions, %d logins; want one of each", live, opened)
	}
	if n := f.maxFlight.Load(); n > 2 {
		t.Errorf("%d requests in flight, at most 2", n)
	}
	if n := f.handshakes.Load(); n > 2 {
		t.Errorf("%d handshakes for 20 callers, at most 2", n)
	}
}

func TestRunLogsOutOnADeadContext(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if live, _ := f.live(); live != 0 {
		t.Errorf("%d sessions left on the BMC", live)
	}
	if err := d.Logout(t.Context()); err != nil {
		t.Errorf("a second logout: %v", err)
	}
	if _, err := d.Dial(soon(t), f.endpoint(), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("dial after the end: %v", err)
	}
	if _, err := b.get(soon(t), systemURI); !errors.Is(err, ErrUnreachable) {
		t.Errorf("read after the end: %v", err)
	}
	if _, opened := f.live(); opened != 1 {
		t.Errorf("%d logins, want 1", opened)
	}
}

// TestLoginOutlivesItsCaller: the caller gets ErrBusy, the login goes on, and
// the next tick finds the session.
func TestLoginOutlivesItsCaller(t *testing.T) {
	f := newFake(t)
	hold := make(chan struct{})
	f.hook("POST /redfish/v1/SessionService/Sessions", func(w http.ResponseWriter, r *http.Request) {
		<-hold
		f.login(w, r)
	})
	d, _ := newDialer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := d.Dial(ctx, f.endpoint(), nil)
	var e *Error
	if !errors.Is(err, ErrBusy) || !errors.As(err, &e) || e.Wait == 0 {
		t.Fatalf("got %v, want ErrBusy with a wait", err)
	}
	close(hold)
	dial(t, d, f.endpoint(), nil)
	if live, opened := f.live(); live != 1 || opened != 1 {
		t.Errorf("%d sessions, %d logins", live, opened)
	}
}

// TestCrashLeavesNoSession: a killed process stored the URI, so the next login
// deletes that session, and only if it is ours.
func TestCrashLeavesNoSession(t *testing.T) {
	f := newFake(t)
	memory := &notes{}
	k := &keys{user: "root", secret: "factory"}
	first := &Dialer{Credentials: k, Memory: memory}
	dial(t, first, f.endpoint(), nil) // and never logged out
	if text := string(memory.m[f.URL]); !strings.Contains(text, "/Sessions/1") || strings.Contains(text, "token-1") || strings.Contains(text, "factory") {
		t.Fatalf("memory holds %s", text)
	}
	second := &Dialer{Credentials: k, Memory: memory}
	dial(t, second, f.endpoint(), nil)
	if live, opened := f.live(); live != 1 || opened != 2 {
		t.Errorf("%d sessions after %d logins, want 1 after 2", live, opened)
	}
	f.mu.Lock()
	f.user = "somebody" // the id of the old session belongs to somebody else now
	f.mu.Unlock()
	k.user = "somebody"
	third := &Dialer{Credentials: &keys{user: "somebody", secret: "factory"}, Memory: memory}
	f.hook("GET /redfish/v1/SessionService/Sessions/2", func(w http.ResponseWriter, _ *http.Request) {
		jsonWith(w, 200, `{"UserName":"a person"}`)
	})
	dial(t, third, f.endpoint(), nil)
	if n := f.count("DELETE /redfish/v1/SessionService/Sessions/2"); n != 0 {
		t.Error("a foreign session was deleted")
	}
	if err := third.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExpiredSessionIsRenewedForReadsOnly(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	f.expire()
	if _, err := b.get(soon(t), systemURI); err != nil {
		t.Fatalf("a read renews: %v", err)
	}
	if _, opened := f.live(); opened != 2 {
		t.Fatalf("%d logins, want 2", opened)
	}
	// Fresh connection, dead session, old enough to be an expiry: the write is a
	// definite refusal and is not repeated.
	f.expire()
	b.broker.mu.Lock()
	b.broker.sess.born = time.Now().Add(-time.Hour)
	b.broker.mu.Unlock()
	const target = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
	if _, err := b.post(soon(t), call{op: "reset"}, target, map[string]any{}); !errors.Is(err, ErrBusy) || errors.Is(err, ErrOutcomeUnknown) {
		t.Fatalf("got %v, want ErrBusy", err)
	}
	if n := f.count("POST " + target); n != 1 {
		t.Errorf("the write arrived %d times, want once", n)
	}
	if _, err := b.post(soon(t), call{op: "reset"}, target, map[string]any{}); err != nil {
		t.Errorf("the next tick: %v", err)
	}
}

// TestIdleConnectionIsProvenBeforeAWrite: the probe finds the session over, so
// nothing of the write was sent and it may follow a login.
func TestIdleConnectionIsProvenBeforeAWrite(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	f.expire()
	b.idle()
	if err := b.SetPower(soon(t), ActionOn); err != nil {
		t.Fatal(err)
	}
	f.expire()
	b.idle()
	const target = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
	if _, err := b.post(soon(t), call{op: "reset"}, target, map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if n := f.count("POST " + target); n != 2 {
		t.Errorf("%d writes arrived, want the two that were asked for", n)
	}
	if n := f.maxFlight.Load(); n > 2 {
		t.Errorf("%d in flight", n)
	}
}

func TestSessionTableFullIsBusy(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		id     string
	}{
		{"iDRAC", 503, "IDRAC.2.8.RAC0218"}, {"bmcweb", 503, "Base.1.8.ServiceTemporarilyUnavailable"},
		{"limit 400", 400, "Base.1.8.SessionLimitExceeded"}, {"limit 403", 403, "Base.1.8.SessionLimitExceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.hook("POST /redfish/v1/SessionService/Sessions", func(w http.ResponseWriter, _ *http.Request) {
				failWith(w, c.status, c.id, "no room")
			})
			d, _ := newDialer(t)
			_, err := d.Dial(soon(t), f.endpoint(), nil)
			var e *Error
			if !errors.Is(err, ErrBusy) || errors.Is(err, ErrAuth) || !errors.As(err, &e) || e.Wait < time.Second || e.Status != c.status {
				t.Fatalf("got %v", err)
			}
			full := c.id != "Base.1.8.ServiceTemporarilyUnavailable"
			if full && e.Wait != time.Minute {
				t.Errorf("first wait %s, want 1m", e.Wait)
			}
			_, err = d.Dial(soon(t), f.endpoint(), nil)
			if errors.As(err, &e); full && e.Wait != 2*time.Minute {
				t.Errorf("second wait %s, want 2m", e.Wait)
			}
		})
	}
}

func TestLoginShapes(t *testing.T) {
	token := func(w http.ResponseWriter) { w.Header().Set("X-Auth-Token", "token-x") }
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		want string // session URI
		err  error
	}{
		{"absolute location", func(w http.ResponseWriter, _ *http.Request) {
			token(w)
			w.Header().Set("Location", "https://10.0.0.9/redfish/v1/SessionService/Sessions/7")
			jsonWith(w, 201, `{"Id":"7"}`)
		}, "/redfish/v1/SessionService/Sessions/7", nil},
		{"204 with a token", func(w http.ResponseWriter, _ *http.Request) { token(w); w.WriteHeader(204) }, "", nil},
		{"body only", func(w http.ResponseWriter, _ *http.Request) {
			token(w)
			jsonWith(w, 200, `{"@odata.id":"/redfish/v1/Sessions/9"}`)
		}, "/redfish/v1/Sessions/9", nil},
		{"no token is no login", func(w http.ResponseWriter, _ *http.Request) { jsonWith(w, 201, `{"Id":"7"}`) }, "", errors.New("without an X-Auth-Token")},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.hook("POST /redfish/v1/SessionService/Sessions", c.h)
			d, _ := newDialer(t)
			b, err := d.Dial(soon(t), f.endpoint(), nil)
			if c.err != nil {
				if err == nil || !strings.Contains(err.Error(), c.err.Error()) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := b.broker.sess.uri; got != c.want {
				t.Errorf("session %q, want %q", got, c.want)
			}
		})
	}
}

// TestNoSessionServiceMeansBasic, and the POST that wants Basic itself.
func TestNoSessionServiceMeansBasic(t *testing.T) {
	f := newFake(t)
	f.hook("POST /redfish/v1/SessionService/Sessions", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(405) })
	f.hook("POST /redfish/v1/SessionService/Sessions/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	basic := func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != "root" || p != "factory" {
			w.WriteHeader(401)
			return
		}
		jsonWith(w, 200, `{"Members":[]}`)
	}
	f.hook("GET /redfish/v1/Systems", basic)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	if _, err := b.get(soon(t), "/redfish/v1/Systems"); err != nil || !b.broker.facts().Basic {
		t.Errorf("%v, facts %+v", err, b.broker.facts())
	}

	g := newFake(t)
	g.hook("POST /redfish/v1/SessionService/Sessions", func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="Redfish"`)
			w.WriteHeader(401)
			return
		}
		g.login(w, r)
	})
	b = dial(t, d, inventory.Endpoint{URL: g.URL}, nil)
	if !b.broker.facts().BasicPost || b.broker.facts().Basic {
		t.Errorf("facts %+v", b.broker.facts())
	}
}

func TestRefreshEvery(t *testing.T) {
	for idle, want := range map[time.Duration]time.Duration{
		30 * time.Second: 15 * time.Second, 5 * time.Second: 10 * time.Second, 30 * time.Minute: 10 * time.Minute, 300 * time.Second: 150 * time.Second,
	} {
		if got := refreshEvery(idle); got != want {
			t.Errorf("time-out %s: refresh each %s, want %s", idle, got, want)
		}
	}
}

func TestRefreshReadsOurOwnSession(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	b.broker.refresh(t.Context())
	if n := f.count("GET /redfish/v1/SessionService/Sessions/1"); n != 0 {
		t.Errorf("a fresh session was refreshed %d times", n)
	}
	b.broker.mu.Lock()
	b.broker.sess.last = time.Now().Add(-15 * time.Minute)
	b.broker.mu.Unlock()
	b.broker.refresh(t.Context())
	b.broker.refresh(t.Context())
	if n := f.count("GET /redfish/v1/SessionService/Sessions/1"); n != 1 {
		t.Errorf("refreshed %d times, want once", n)
	}
	f.expire()
	b.broker.mu.Lock()
	b.broker.sess.last = time.Now().Add(-15 * time.Minute)
	b.broker.mu.Unlock()
	b.broker.refresh(t.Context())
	if b.broker.sess != nil {
		t.Error("a session that is over is kept")
	}
}

// TestLogoutWaitsForALogin: one that ends after the dialer was closed must not
// stay on the BMC.
func TestLogoutWaitsForALogin(t *testing.T) {
	f := newFake(t)
	entered, hold := make(chan struct{}), make(chan struct{})
	f.hook("POST /redfish/v1/SessionService/Sessions", func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-hold
		f.login(w, r)
	})
	d, _ := newDialer(t)
	dialled := make(chan error, 1)
	go func() {
		_, err := d.Dial(context.WithoutCancel(t.Context()), f.endpoint(), nil)
		dialled <- err
	}()
	<-entered
	closed := make(chan error, 1)
	go func() { closed <- d.Logout(context.WithoutCancel(t.Context())) }()
	time.Sleep(50 * time.Millisecond)
	close(hold)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if live, opened := f.live(); live != 0 || opened != 1 {
		t.Errorf("%d sessions left of %d", live, opened)
	}
	if err := <-dialled; !errors.Is(err, ErrUnreachable) {
		t.Errorf("the caller got %v", err)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	if err := b.SetPower(soon(t), ActionOn); err != nil {
		t.Fatal(err)
	}
	if err := d.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Close()
	eventually(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
