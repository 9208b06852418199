package redfish

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bmc-toolbox/bmclib/v2/providers/openbmc"
	"github.com/go-logr/logr"

	"github.com/rackwright/rackwright/inventory"
)

func openbmcFake(t *testing.T) (*fake, *Dialer, inventory.Endpoint) {
	t.Helper()
	f := newFake(t)
	f.hook("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<title>OpenBMC</title>") })
	f.set("/redfish/v1/UpdateService", `{"@odata.id":"/redfish/v1/UpdateService","ServiceEnabled":true,"MultipartHttpPushUri":"`+pushURI+`"}`)
	d, _ := newDialer(t)
	ep := f.endpoint()
	ep.Profile = "openbmc"
	return f, d, ep
}

// TestOpenBMCDriver: the provider works inside our session, limits and guard,
// and opens no session of its own.
func TestOpenBMCDriver(t *testing.T) {
	f, d, ep := openbmcFake(t)
	asked := 0
	b := dial(t, d, ep, func(context.Context) error { asked++; return nil })
	file, sum := imageFile(t, 1<<20)
	f.hook("POST "+pushURI, func(w http.ResponseWriter, r *http.Request) {
		body := readAll(t, r)
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Auth-Token") != "token-1" || !strings.Contains(body, strings.Repeat("firmware", 1000)) {
			t.Errorf("token %q, authorization %q, %d bytes", r.Header.Get("X-Auth-Token"), r.Header.Get("Authorization"), len(body))
		}
		accept(w)
	})
	id, err := b.StartUpdate(soon(t), Update{File: file, Digest: sum})
	if err != nil || id != "/redfish/v1/TaskService/Tasks/7" {
		t.Fatalf("%q, %v", id, err)
	}
	if live, opened := f.live(); live != 1 || opened != 1 || asked != 1 || f.count("POST "+pushURI) != 1 {
		t.Errorf("%d sessions, %d logins, guard asked %d times, %d uploads; want one of each", live, opened, asked, f.count("POST "+pushURI))
	}
	if n := f.maxFlight.Load(); n > 2 {
		t.Errorf("%d in flight", n)
	}
}

func TestOpenBMCDriverErrors(t *testing.T) {
	lost := errors.New("lease lost")
	for _, c := range []struct {
		name  string
		hook  http.HandlerFunc
		guard Guard
		u     Update
		want  error
		posts int
	}{
		{"guard", nil, func(context.Context) error { return lost }, Update{}, lost, 0},
		{"busy", func(w http.ResponseWriter, r *http.Request) { _ = readAll(t, r); w.WriteHeader(503) }, free, Update{}, ErrBusy, 1},
		{"lost answer", func(w http.ResponseWriter, r *http.Request) {
			_ = readAll(t, r)
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		}, free, Update{}, ErrOutcomeUnknown, 1},
		{"wrong file", nil, free, Update{Digest: inventory.DigestOf([]byte("x"))}, errWrongFile, 0},
		{"targets", nil, free, Update{Targets: []string{"/x"}}, ErrUnsupported, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, d, ep := openbmcFake(t)
			if c.hook != nil {
				f.hook("POST "+pushURI, c.hook)
			}
			b := dial(t, d, ep, c.guard)
			c.u.File, _ = imageFile(t, 5000)
			_, err := b.StartUpdate(soon(t), c.u)
			var e *Error
			if !errors.Is(err, c.want) || !errors.As(err, &e) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if n := f.count("POST " + pushURI); n != c.posts {
				t.Errorf("%d uploads, want %d", n, c.posts)
			}
		})
	}
	f, d, ep := openbmcFake(t)
	f.hook("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<title>iDRAC</title>") })
	file, _ := imageFile(t, 10)
	if _, err := dial(t, d, ep, free).StartUpdate(soon(t), Update{File: file}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("another BMC: %v", err)
	}
}

// TestOpenBMCDriverCancel: without our context in the round tripper the call
// would end only when the server answers.
func TestOpenBMCDriverCancel(t *testing.T) {
	f, d, ep := openbmcFake(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.hook("GET /redfish/v1/UpdateService", func(http.ResponseWriter, *http.Request) { <-release })
	b := dial(t, d, ep, free)
	file, _ := imageFile(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	_, err := b.StartUpdate(ctx, Update{File: file})
	if err == nil || time.Since(start) > 3*time.Second {
		t.Errorf("ended after %s: %v", time.Since(start), err)
	}
	if n := f.count("POST " + pushURI); n != 0 {
		t.Errorf("%d uploads after a cancel", n)
	}
}

// TestOpenBMCProviderRefusesASelfSignedServer is the regression test for a bump
// of the pair: with gofish v0.22 the same call connects. The first part is the
// provider with its own client and an empty pool, the second through our chain.
func TestOpenBMCProviderRefusesASelfSignedServer(t *testing.T) {
	f, d, ep := openbmcFake(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn := openbmc.New(f.URL, "root", "factory", logr.Discard(), openbmc.WithPort(""), openbmc.WithRootCAs(x509.NewCertPool()),
		openbmc.WithHttpClient(&http.Client{Transport: &http.Transport{}}))
	var unknown x509.UnknownAuthorityError
	if err := conn.Open(ctx); !errors.As(err, &unknown) {
		t.Errorf("the provider connects, or fails otherwise: %v", err)
	}
	d.Trust, d.CA = TrustCA, x509.NewCertPool()
	b := &BMC{endpoint: ep, guard: free, profile: Profiles()["openbmc"], log: d.logger()}
	var err error
	if b.broker, _, err = d.broker(ep); err != nil {
		t.Fatal(err)
	}
	conn = openbmc.New(f.URL, "root", "factory", logr.Discard(), openbmc.WithPort(""), openbmc.WithHttpClient(b.provider(ctx, "update").client()))
	if err := conn.Open(ctx); err == nil {
		t.Error("the provider connects through our chain to a server we do not trust")
	}
	file, _ := imageFile(t, 10)
	if _, err := b.StartUpdate(ctx, Update{File: file}); err == nil {
		t.Error("an update began at a server we do not trust")
	}
	if _, opened := f.live(); opened != 0 || len(f.log) != 0 {
		t.Errorf("%d logins and %v reached an untrusted server", opened, f.log)
	}
}

// TestProviderStaysOnItsBMC: the token goes nowhere else, whatever bmclib asks.
func TestProviderStaysOnItsBMC(t *testing.T) {
	other := newFake(t)
	_, d, ep := openbmcFake(t)
	b := dial(t, d, ep, free)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, other.URL+"/redfish/v1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.provider(t.Context(), "update").client().Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, ErrUnsupported) || len(other.log) != 0 {
		t.Errorf("%v, and %v arrived elsewhere", err, other.log)
	}
}
