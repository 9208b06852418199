package server_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
)

// site is a real server on loopback with people of every role.
type site struct {
	*server.Server
	http     *http.Client
	tokens   map[string]string // person → token
	run      string            // a request on A12
	plan     string            // a firmware plan of A12/C01
	findings map[string]string // person → a finding to dispose
}

func settings(t *testing.T) config.Config {
	t.Helper()
	c := config.Default()
	c.Site, c.Data, c.Management.Address = "ams1", t.TempDir(), "127.0.0.1:0"
	c.Conductor.Poll = 20 * time.Millisecond
	return c
}

// serve runs a server until the test ends, and fails the test when the server
// does not end cleanly.
func serve(t *testing.T, o server.Options) *site {
	t.Helper()
	s, err := server.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return &site{Server: s, tokens: map[string]string{}, findings: map[string]string{}, http: &http.Client{Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// hire makes a person with one grant and a token.
func (s *site) hire(t *testing.T, id string, g inventory.Grant) {
	t.Helper()
	ctx := inventory.WithCause(t.Context(), inventory.Cause{By: "admin", Via: "cli"})
	p := inventory.Person{ID: inventory.PersonID(id), Name: strings.ToUpper(id), Grants: []inventory.Grant{g}}
	if err := s.Store().SavePerson(ctx, p); err != nil {
		t.Fatal(err)
	}
	secret, token, err := auth.NewToken(p, p.Grants, time.Now().Add(time.Hour), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store().SaveToken(ctx, token); err != nil {
		t.Fatal(err)
	}
	s.tokens[id] = secret.Reveal()
}

func (s *site) as(t *testing.T, id string) *client.Client {
	t.Helper()
	c, err := client.New(client.Login{Server: "https://" + s.Address(), Pin: s.Pin(), Token: inventory.NewSecret(s.tokens[id])})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rack imports the paper rack under a name; its serials carry the name.
func (s *site) rack(t *testing.T, name string) {
	t.Helper()
	if _, err := s.as(t, "tess").Import(t.Context(), manifest(t, name), false); err != nil {
		t.Fatal(err)
	}
}

func manifest(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "demo", "paper.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.ReplaceAll(raw, []byte("site: demo"), []byte("site: ams1"))
	raw = bytes.ReplaceAll(raw, []byte("EX4SN"), []byte(name+"SN"))
	raw = bytes.ReplaceAll(raw, []byte("02:00:00:00:01"), fmt.Appendf(nil, "02:00:00:00:%02x", name[0]))
	return bytes.ReplaceAll(raw, []byte("A12"), []byte(name))
}

// answer is what a raw request got.
type answer struct {
	status int
	body   string
	header http.Header
}

// ask sends one raw request; streams are read for their head only.
func (s *site) ask(t *testing.T, token, method, path, body string) answer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+s.Address()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	req.Header.Set("X-Signature", "not base64!") // only the import of baselines looks at it
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		return a
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.body = string(raw)
	return a
}

// baselineKey is a minisign key that the site trusts.
func baselineKey(t *testing.T) string {
	t.Helper()
	public, _, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := public.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(text), "\n")
	return key
}
