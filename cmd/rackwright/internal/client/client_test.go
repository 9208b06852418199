package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// answering is a server that is not ours, or is ours on a bad day.
func answering(t *testing.T, h http.HandlerFunc) (*client.Client, *httptest.Server) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(client.Login{Server: s.URL, Pin: client.KeyPin(s.Certificate()), Token: inventory.NewSecret("rw_secret")})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{"https://h:8443": true, "https://h": true, "http://127.0.0.1:1": true, "http://localhost": true, "http://[::1]:1": true,
		"http://h:8443": false, "h:8443": false, "ftp://h": false, "": false, "https://": false} {
		_, err := client.New(client.Login{Server: address})
		if (err == nil) != ok || err != nil && !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestProblems: an error keeps its status, code, fix and blockers; what is no
// problem document says so, and never looks like success.
func TestProblems(t *testing.T) {
	c, _ := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer rw_secret" || r.Header.Get("X-Rackwright-Via") != "cli" {
			t.Errorf("headers: %v", r.Header)
		}
		switch r.URL.EscapedPath() {
		case "/v1/racks/A12%2FC01":
			w.WriteHeader(http.StatusConflict)
			if err := json.NewEncoder(w).Encode(api.Problem{Status: 409, Code: "blocked", Detail: "shut", Fix: "open it", Blockers: []inventory.Blocker{{Gate: "bom"}}}); err != nil {
				t.Error(err)
			}
		case "/v1/me":
			http.Error(w, "<html>proxy</html>", http.StatusBadGateway)
		default:
			fmt.Fprint(w, "not json")
		}
	})
	var p *api.Problem
	if _, err := c.Rack(t.Context(), "A12/C01"); !errors.As(err, &p) || p.Status != 409 || p.Code != "blocked" || p.Fix != "open it" || len(p.Blockers) != 1 {
		t.Errorf("a problem came as %v", err)
	}
	if _, err := c.Me(t.Context()); !errors.As(err, &p) || p.Status != 502 || p.Code != "unreadable" || !strings.Contains(p.Fix, "management address") {
		t.Errorf("a proxy's page came as %v", err)
	}
	if _, err := c.Health(t.Context()); err == nil || !strings.Contains(err.Error(), "not readable") {
		t.Errorf("an answer that is no JSON came as %v", err)
	}
}

// TestOtherKey: the token does not leave for a server whose key is not pinned.
func TestOtherKey(t *testing.T) {
	asked := false
	_, s := answering(t, func(http.ResponseWriter, *http.Request) { asked = true })
	for _, pin := range []string{strings.Repeat("0", 64), ""} { // another key, and no public CA
		c, err := client.New(client.Login{Server: s.URL, Pin: pin, Token: inventory.NewSecret("rw_secret")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Me(t.Context()); !errors.Is(err, client.ErrUnreachable) || asked {
			t.Errorf("pin %q: %v, asked %v", pin, err, asked)
		}
	}
}

// TestCutFile: half a package is an error, not a package.
func TestCutFile(t *testing.T) {
	c, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	var to bytes.Buffer
	if n, err := c.Package(t.Context(), "A12", &to); err == nil || n != 4 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestWatchEnds: a stream that breaks is an error, a context that ends is its
// own, and a comment is no event.
func TestWatchEnds(t *testing.T) {
	c, s := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": still here\n\nid: A12:7\ndata: {\"seq\":7,\"kind\":\"hold.set\"}\n\n")
		w.(http.Flusher).Flush()
		if r.URL.Query().Get("chains") == "A12:6" {
			<-r.Context().Done()
		}
	})
	seen := 0
	count := func(e inventory.Entry) bool { seen++; return e.Seq == 7 }
	if err := c.Watch(t.Context(), "A12", count); err == nil || seen != 1 {
		t.Errorf("a broken stream: %v after %d events", err, seen)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := c.Watch(ctx, "A12:6", count); !errors.Is(err, context.DeadlineExceeded) || seen != 2 {
		t.Errorf("an ended context: %v after %d events", err, seen)
	}
	s.Close()
	if _, err := c.Me(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a server that is gone: %v", err)
	}
}
