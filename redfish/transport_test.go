package redfish

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

const resetURI = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"

func TestReadOnlyHandleWritesNothing(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	ctx := soon(t)
	for name, write := range map[string]func() error{
		"power":    func() error { return b.SetPower(ctx, ActionOn) },
		"boot":     func() error { return b.SetNextBoot(ctx, BootPxe) },
		"locator":  func() error { return b.SetLocator(ctx, true) },
		"password": func() error { return b.SetPassword(ctx, "root", inventory.NewSecret("another-secret")) },
		"update":   func() error { _, err := b.StartUpdate(ctx, Update{URI: "http://x/y"}); return err },
		"activate": func() error { return b.Activate(ctx, activateBMCReset) },
	} {
		if err := write(); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
	}
	for _, line := range f.log {
		if !strings.HasPrefix(line, "GET ") {
			t.Errorf("a read-only handle sent %s", line)
		}
	}
}

// TestGuardIsAskedAtTheFirstByte: after all waiting, when the connection exists
// and the slot is held; a refusal sends nothing and is definite.
func TestGuardIsAskedAtTheFirstByte(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	lost := errors.New("lease lost")
	asked, refuse := 0, true
	guard := func(context.Context) error {
		asked++
		if n := len(dialerBroker(d).limiter.writer); n != 1 {
			t.Errorf("asked while %d writer slots are held, want 1", n)
		}
		if refuse {
			return lost
		}
		return nil
	}
	b := dial(t, d, f.endpoint(), guard)
	for _, way := range []string{"kept connection", "new connection"} {
		if way == "new connection" {
			b.broker.wire.transport.CloseIdleConnections()
		}
		_, err := b.post(soon(t), call{op: "reset"}, resetURI, map[string]any{"ResetType": "On"})
		if !errors.Is(err, lost) || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: got %v, want the guard's own error", way, err)
		}
	}
	if n := f.count("POST " + resetURI); n != 0 {
		t.Fatalf("%d writes arrived", n)
	}
	asked, refuse = 0, false
	if _, err := b.post(soon(t), call{op: "reset"}, resetURI, map[string]any{"ResetType": "On"}); err != nil || asked != 1 {
		t.Errorf("%v, guard asked %d times", err, asked)
	}
	if _, err := b.get(soon(t), systemURI); err != nil || asked != 1 {
		t.Errorf("a read asked the guard: %d, %v", asked, err)
	}
}

func dialerBroker(d *Dialer) *broker {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.brokers {
		return b
	}
	return nil
}

// TestWriteIsSentOnceOrNotAtAll: whatever happens after the first byte is
// unknown and not repeated; whatever happens before is definite.
func TestWriteIsSentOnceOrNotAtAll(t *testing.T) {
	hangUp := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		want error
		wait bool
	}{
		{"EOF", hangUp, ErrOutcomeUnknown, false},
		{"500", func(w http.ResponseWriter, _ *http.Request) { failWith(w, 500, "Base.1.8.InternalError", "oops") }, ErrOutcomeUnknown, false},
		{"502", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, ErrOutcomeUnknown, false},
		{"503", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(503) }, ErrBusy, true},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, ErrBusy, true},
		{"409 passing", func(w http.ResponseWriter, _ *http.Request) {
			failWith(w, 409, "Base.1.8.ResourceInUse", "in use")
		}, ErrBusy, true},
		{"400 SYS518", func(w http.ResponseWriter, _ *http.Request) { failWith(w, 400, "IDRAC.2.8.SYS518", "sources") }, ErrBusy, true},
		{"405", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(405) }, ErrUnsupported, false},
		{"403 licence", func(w http.ResponseWriter, _ *http.Request) { failWith(w, 403, "IDRAC.2.8.LIC501", "licence") }, ErrUnsupported, false},
		{"200 with a critical error", func(w http.ResponseWriter, _ *http.Request) {
			jsonWith(w, 200, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"X.1.0.Bad","Severity":"Critical"}]}}`)
		}, nil, false},
		{"200 with an unclear error", func(w http.ResponseWriter, _ *http.Request) {
			jsonWith(w, 200, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"X.1.0.Hm"}]}}`)
		}, ErrOutcomeUnknown, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.hook("POST "+resetURI, c.h)
			d, _ := newDialer(t)
			b := dial(t, d, f.endpoint(), free)
			_, err := b.post(soon(t), call{op: "reset"}, resetURI, map[string]any{"ResetType": "On"})
			var e *Error
			if !errors.As(err, &e) || (c.want != nil && !errors.Is(err, c.want)) || (e.Wait > 0) != c.wait {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want != ErrOutcomeUnknown && errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("a definite refusal is called unknown: %v", err)
			}
			if n := f.count("POST " + resetURI); n != 1 {
				t.Errorf("the write arrived %d times", n)
			}
		})
	}
}

func TestUnreachableIsDefinite(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	f.CloseClientConnections()
	f.Close()
	b.idle()
	_, err := b.post(soon(t), call{op: "reset"}, resetURI, map[string]any{})
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
	if _, err := b.get(soon(t), systemURI); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
}

// TestCancelEndsTheCallAtOnce: ours and, in driver_openbmc_test.go, bmclib's.
func TestCancelEndsTheCallAtOnce(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	hang := func(http.ResponseWriter, *http.Request) { <-release }
	f.hook("GET "+systemURI, hang)
	f.hook("POST "+resetURI, hang)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	for name, do := range map[string]func(context.Context) error{
		"read": func(ctx context.Context) error { _, err := b.get(ctx, systemURI); return err },
		"write": func(ctx context.Context) error {
			_, err := b.post(ctx, call{op: "reset"}, resetURI, map[string]any{})
			if !errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("a cut write is %v, want ErrOutcomeUnknown", err)
			}
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		start := time.Now()
		if err := do(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: ended %s after the cancel", name, took)
		}
	}
}

func TestTwoInFlightOneWriter(t *testing.T) {
	f := newFake(t)
	slow := func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(30 * time.Millisecond)
		jsonWith(w, 200, `{}`)
	}
	f.hook("GET "+systemURI, slow)
	f.hook("POST "+resetURI, slow)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := b.get(soon(t), systemURI); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := b.post(soon(t), call{op: "reset"}, resetURI, map[string]any{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, w := f.maxFlight.Load(), f.maxWriters.Load(); n != 2 || w != 1 {
		t.Errorf("%d in flight and %d writers at most; want exactly 2 and 1", n, w)
	}
}

func TestWaitingForASlotEndsWithTheContext(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	f.hook("GET "+systemURI, func(w http.ResponseWriter, _ *http.Request) { <-release; jsonWith(w, 200, `{}`) })
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := b.get(soon(t), systemURI); err != nil {
				t.Error(err)
			}
		})
	}
	for f.inFlight.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.get(ctx, managerURI); !errors.Is(err, ErrBusy) || errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	close(release)
	wg.Wait()
}

// TestUrgentWaitsForNothing: with every place of a BMC taken, by an upload that
// hangs and by readings, a safety watch still reads and still powers off.
func TestUrgentWaitsForNothing(t *testing.T) {
	f := newFake(t)
	hang := make(chan struct{})
	f.hook("POST /upload", func(w http.ResponseWriter, _ *http.Request) { <-hang; jsonWith(w, 200, `{}`) })
	off := make(chan string, 1)
	f.hook("POST "+resetURI, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		off <- string(body)
		w.WriteHeader(http.StatusNoContent)
	})
	f.docs[systemURI] = strings.Replace(f.docs[systemURI], `"PowerState":"Off"`, `"PowerState":"On"`, 1)
	d, _ := newDialer(t)
	d.PerBMC = 1
	b := dial(t, d, f.endpoint(), free)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.post(context.Background(), call{op: "upload"}, "/upload", map[string]any{}); err != nil {
			t.Error(err)
		}
	})
	for f.writers.Load() < 1 {
		time.Sleep(time.Millisecond)
	}
	brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.SetPower(brief, ActionForceOff); !errors.Is(err, ErrBusy) || len(off) != 0 {
		t.Errorf("a power-off without need went past an upload: %v", err)
	}
	if err := b.SetPower(Urgent(soon(t)), ActionForceOff); err != nil {
		t.Errorf("a power-off for safety: %v", err)
	}
	select {
	case body := <-off:
		if !strings.Contains(body, "ForceOff") {
			t.Errorf("sent %s", body)
		}
	default:
		t.Error("nothing was sent")
	}
	before := f.total()
	if err := b.ReadyOff(Urgent(soon(t))); err != nil {
		t.Error(err)
	}
	ready := f.total()
	if err := b.SetPower(Urgent(soon(t)), ActionForceOff); err != nil || f.total() != ready+1 || ready == before {
		t.Errorf("a power-off that was prepared took %d requests, its preparation %d: %v", f.total()-ready, ready-before, err)
	}
	close(hang)
	wg.Wait()
}

// TestUrgentLogsInPastAHungLogin: the session is over, a reading that took the
// only place hangs in its login, and the tray is wet. Both logins end in one session.
func TestUrgentLogsInPastAHungLogin(t *testing.T) {
	f := newFake(t)
	f.docs[systemURI] = strings.Replace(f.docs[systemURI], `"PowerState":"Off"`, `"PowerState":"On"`, 1)
	f.hook("POST "+resetURI, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	d, _ := newDialer(t)
	d.PerBMC = 1
	b := dial(t, d, f.endpoint(), free)
	if err := b.ReadyOff(Urgent(soon(t))); err != nil {
		t.Fatal(err)
	}
	hung, release := make(chan struct{}), make(chan struct{})
	var seen atomic.Bool
	f.hook("GET /redfish/v1/", func(w http.ResponseWriter, r *http.Request) {
		if seen.CompareAndSwap(false, true) {
			close(hung)
			<-release
		}
		jsonWith(w, 200, f.docs["/redfish/v1/"])
	})
	b.broker.patience = 10 * time.Millisecond
	if err := b.broker.logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.broker.mu.Lock()
	b.broker.root = nil
	b.broker.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.get(context.Background(), managerURI); err != nil {
			t.Error(err)
		}
	})
	<-hung
	if err := b.SetPower(Urgent(soon(t)), ActionForceOff); err != nil {
		t.Errorf("a power-off for safety: %v", err)
	}
	close(release)
	wg.Wait()
	until(t, "one session is left", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.sessions) == 1 })
}

// TestUrgentIsNoProof: an answer on the connections of the watch says nothing
// about those of work; a write there is still preceded by a read.
func TestUrgentIsNoProof(t *testing.T) {
	f := newFake(t)
	f.hook("POST "+resetURI, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	b.broker.mu.Lock()
	b.broker.heardAt = [2]time.Time{}
	b.broker.mu.Unlock()
	if _, err := b.get(Urgent(soon(t)), systemURI); err != nil {
		t.Fatal(err)
	}
	before := f.total()
	if _, err := b.post(soon(t), call{op: "reset"}, resetURI, map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if n := f.total() - before; n != 2 {
		t.Errorf("%d requests, want the proof and the write", n)
	}
}

func TestReadBodies(t *testing.T) {
	big := `{"x":"` + strings.Repeat("a", maxBody) + `"}`
	fine := `{"x":"` + strings.Repeat("a", 5<<20) + `"}`
	for _, c := range []struct {
		name, kind, body, want string
		tries                  int
	}{
		{"5 MB is real", "application/json", fine, "", 1},
		{"16 MiB and more", "application/json", big, "more than 16 MiB", 1},
		{"truncated", "application/json", `{"x":`, "truncated or invalid JSON", 2},
		{"wrong content type", "text/html", `{"x":1}`, `content type "text/html"`, 2},
		{"no content type", "", `{"x":1}`, "", 1},
		{"error in a 200", "application/json", `{"error":{"code":"Base.1.8.GeneralError","message":"it broke"}}`, "an error in a success answer: it broke", 1},
		{"error as an object", "application/json", `{"error":{"@Message.ExtendedInfo":{"MessageId":"A.1.B","Message":"one object"}}}`, "one object", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.hook("GET "+systemURI, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{c.kind}
				if c.kind == "" {
					w.Header()["Content-Type"] = nil
				}
				_, _ = io.WriteString(w, c.body)
			})
			d, _ := newDialer(t)
			b := dial(t, d, f.endpoint(), nil)
			body, err := b.get(soon(t), systemURI)
			if c.want == "" && (err != nil || len(body) != len(c.body)) {
				t.Errorf("%v, %d bytes", err, len(body))
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if n := f.count("GET " + systemURI); n != c.tries {
				t.Errorf("%d tries, want %d", n, c.tries)
			}
		})
	}
}

func TestTrailingSlashIsTriedOnceMore(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	if _, err := b.get(soon(t), systemURI+"/"); err != nil {
		t.Error(err)
	}
	var e *Error
	if _, err := b.get(soon(t), "/redfish/v1/Nothing/"); !errors.As(err, &e) || e.Status != 404 || e.MessageID == "" {
		t.Errorf("got %v", err)
	}
}

// TestNothingLeavesThisBMC: neither links nor redirects carry the token away.
func TestNothingLeavesThisBMC(t *testing.T) {
	other := newFake(t)
	other.hook("GET /steal", func(w http.ResponseWriter, _ *http.Request) { jsonWith(w, 200, `{}`) })
	f := newFake(t)
	f.hook("GET /away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/steal", http.StatusTemporaryRedirect)
	})
	f.hook("GET /home", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, systemURI, http.StatusTemporaryRedirect)
	})
	f.hook("POST /home", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, resetURI, http.StatusTemporaryRedirect)
	})
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	for _, uri := range []string{other.URL + "/steal", "//" + other.Listener.Addr().String() + "/steal", "/away", "steal"} {
		if _, err := b.get(soon(t), uri); err == nil {
			t.Errorf("%s was followed", uri)
		}
	}
	if n := len(other.log); n != 0 {
		t.Errorf("%d requests left for another host", n)
	}
	if _, err := b.get(soon(t), "/home"); err != nil {
		t.Errorf("a redirect at home: %v", err)
	}
	if _, err := b.post(soon(t), call{op: "x"}, "/home", nil); err == nil || f.count("POST "+resetURI) != 0 {
		t.Errorf("a redirected write was sent again: %v", err)
	}
}

func TestConnectionsAreKeptAndEnvironmentIgnored(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	f := newFake(t)
	f.hook("GET "+systemURI, func(w http.ResponseWriter, r *http.Request) {
		if enc := r.Header.Get("Accept-Encoding"); enc != "identity" || r.Proto != "HTTP/1.1" {
			t.Errorf("encoding %q over %s", enc, r.Proto)
		}
		jsonWith(w, 200, `{}`)
	})
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), nil)
	for range 20 {
		if _, err := b.get(soon(t), systemURI); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.handshakes.Load(); n != 1 {
		t.Errorf("%d connections for 20 reads, want 1", n)
	}
}

func TestClosedHandle(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.get(soon(t), systemURI); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
	if live, _ := f.live(); live != 1 {
		t.Error("Close ended the session that others use")
	}
}

func TestEndpointAddresses(t *testing.T) {
	for _, c := range []struct{ url, want, err string }{
		{"https://10.0.0.1", "https://10.0.0.1:443", ""},
		{"https://bmc.example/", "https://bmc.example:443", ""},
		{"https://[fd00::1]:8443", "https://[fd00::1]:8443", ""},
		{"http://127.0.0.1:8480", "http://127.0.0.1:8480", ""},
		{"http://[::1]", "http://[::1]:80", ""},
		{"http://10.0.0.1", "", "loopback addresses only"},
		{"http://localhost:80", "", "loopback addresses only"},
		{"ftp://10.0.0.1", "", "write https://"},
		{"10.0.0.1", "", "write https://"},
		{"https://root:calvin@10.0.0.1", "", "credentials belong in the vault"},
		{"https://10.0.0.1/redfish/v1", "", "only https://"},
	} {
		u, err := base(c.url)
		switch {
		case c.err == "" && (err != nil || u.String() != c.want):
			t.Errorf("%s: %v, %v", c.url, u, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "calvin")):
			t.Errorf("%s: %v, want %q", c.url, err, c.err)
		}
	}
}

// TestSilenceEndsARequest uses the watchdog itself: its clock starts with the
// connection and restarts with every byte.
func TestSilenceEndsARequest(t *testing.T) {
	barked := make(chan struct{})
	d := newWatchdog(func() { close(barked) })
	d.kick()
	d.timer.Reset(time.Millisecond)
	select {
	case <-barked:
	case <-time.After(5 * time.Second):
		t.Error("silence was not noticed")
	}
	d.stop()
	d.kick()
	a, b := net.Pipe()
	defer b.Close()
	g := &gateConn{Conn: a}
	g.arm(func() error { return errSilent }, func() {})
	if n, err := g.Write([]byte("x")); n != 0 || !errors.Is(err, errSilent) {
		t.Errorf("a refused write wrote %d bytes: %v", n, err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
