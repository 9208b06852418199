package server_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
)

// TestFirstStart: keys are mode 0600 in a folder 0700, one admin token is made
// once, it works, and a second start makes nothing and changes no key.
func TestFirstStart(t *testing.T) {
	c := settings(t)
	s := serve(t, server.Options{Config: c})
	if s.Bootstrap.IsZero() {
		t.Fatal("the first start made no token")
	}
	s.tokens["admin"] = s.Bootstrap.Reveal()
	me, err := s.as(t, "admin").Me(t.Context())
	if err != nil || len(me.Grants) != 1 || me.Grants[0].Role != inventory.RoleAdmin {
		t.Fatalf("the bootstrap token gives %+v %v", me, err)
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(c.Data, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && info.Mode().Perm() != 0o700, !d.IsDir() && info.Mode().Perm() != 0o600 && filepath.Ext(path) != ".crt":
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		case !d.IsDir():
			files++
		}
		return nil
	})
	if err != nil || files < 4 { // sealing, signing, management key and certificate
		t.Fatalf("%d key files, %v", files, err)
	}
	if info, err := filepath.Glob(filepath.Join(c.Data, "record.db")); err != nil || len(info) != 1 {
		t.Fatalf("no record: %v", err)
	}
}

// TestSecondStart: nothing is made anew; nobody is locked out.
func TestSecondStart(t *testing.T) {
	c := settings(t)
	first, err := server.New(t.Context(), server.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	token, pin := first.Bootstrap, first.Pin()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := serve(t, server.Options{Config: c})
	if !again.Bootstrap.IsZero() || again.Pin() != pin {
		t.Fatalf("a second start made a token or a key: pin %s, was %s", again.Pin(), pin)
	}
	again.tokens["admin"] = token.Reveal()
	if _, err := again.as(t, "admin").Me(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestLostAdminToken: who can start the server gets in again; nobody loses a token.
func TestLostAdminToken(t *testing.T) {
	c := settings(t)
	first, err := server.New(t.Context(), server.Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	old := first.Bootstrap
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := serve(t, server.Options{Config: c, NewAdmin: true})
	if again.Bootstrap.IsZero() || again.Bootstrap.Reveal() == old.Reveal() {
		t.Fatal("no new token")
	}
	for _, token := range []string{old.Reveal(), again.Bootstrap.Reveal()} {
		again.tokens["admin"] = token
		if me, err := again.as(t, "admin").Me(t.Context()); err != nil || me.Person != "admin" {
			t.Fatal(me, err)
		}
	}
}

// TestListenersApart: people's paths and machines' paths are never on one listener.
func TestListenersApart(t *testing.T) {
	c := settings(t)
	c.Provisioning.Address = freeAddress(t)
	s := serve(t, server.Options{Config: c})
	for _, path := range []string{"/", "/login", "/v1/health", "/v1/racks", "/v1/openapi.json", "/static/style.css"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Provisioning.Address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("provisioning answers %s with %s", path, resp.Status)
		}
	}
	for _, path := range []string{"/images/sha256:" + strings.Repeat("0", 64), "/b/020000000101/x", "/agent/v1/hello", "/boot/ipxe.efi"} {
		if a := s.ask(t, s.Bootstrap.Reveal(), http.MethodGet, path, ""); a.status != http.StatusNotFound {
			t.Errorf("management answers %s with %d", path, a.status)
		}
	}
	if !strings.HasPrefix(s.ask(t, "", http.MethodGet, "/v1/health", "").body, "{") {
		t.Error("health needs no token")
	}
	if a := s.ask(t, s.Bootstrap.Reveal(), http.MethodDelete, "/v1/racks", ""); a.status != http.StatusNotFound || problemOf(t, a).Code != "no_endpoint" {
		t.Errorf("an endpoint that does not exist got %d %s", a.status, a.body)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestBackupOfARunningServer: the copy is whole, and only an admin gets it.
func TestBackupOfARunningServer(t *testing.T) {
	s, _ := roleSite(t)
	var copied strings.Builder
	if _, err := s.as(t, "adam").Backup(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(copied.String(), "SQLite format 3\x00") || copied.Len() < 100<<10 {
		t.Fatalf("the backup has %d bytes and starts %q", copied.Len(), copied.String()[:15])
	}
}

// TestStreamStartsAtOnce: a watcher knows that it listens before anything happens.
func TestStreamStartsAtOnce(t *testing.T) {
	s, _ := roleSite(t)
	begun := time.Now()
	if a := s.ask(t, s.tokens["vic"], http.MethodGet, "/v1/events?chains=A12,B13", ""); a.status != http.StatusOK || time.Since(begun) > 3*time.Second {
		t.Fatalf("the stream's head came after %s with %d", time.Since(begun), a.status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	seen := make(chan inventory.Entry, 1)
	d, err := s.as(t, "vic").Rack(t.Context(), "A12")
	if err != nil {
		t.Fatal(err)
	}
	var asked sync.WaitGroup
	defer asked.Wait() // the event may come before the answer
	asked.Go(func() {
		if a := s.ask(t, s.tokens["tess"], http.MethodPost, "/v1/holds", `{"on":"A12","name":"maintenance","reason":"look"}`); a.status != http.StatusOK {
			t.Errorf("hold: %d %s", a.status, a.body)
		}
	})
	err = s.as(t, "vic").Watch(ctx, fmt.Sprintf("A12:%d", d.Head), func(e inventory.Entry) bool {
		if e.Kind != "hold.set" {
			return true
		}
		seen <- e
		return false
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if e := <-seen; e.Kind != "hold.set" || e.By != "tess" || e.Via != "api" {
		t.Fatalf("saw %+v", e)
	}
}

// full is a record on a disk that takes no more.
type full struct {
	inventory.Store
	now *atomic.Bool
}

func (f full) Hold(ctx context.Context, on inventory.Subject, h inventory.Hold) error {
	if f.now.Load() {
		return fmt.Errorf("hold: %w", inventory.ErrReadOnly)
	}
	return f.Store.Hold(ctx, on, h)
}

// TestFullDiskIsSaid: 503 with the reason, what to do and when to come back;
// reading goes on, and so does writing when there is room again.
func TestFullDiskIsSaid(t *testing.T) {
	var now atomic.Bool
	s := serve(t, server.Options{Config: settings(t), Store: func(in inventory.Store) inventory.Store { return full{in, &now} }})
	s.hire(t, "tess", inventory.Grant{Role: inventory.RoleTechnician})
	s.rack(t, "A12")
	hold := func() answer {
		return s.ask(t, s.tokens["tess"], http.MethodPost, "/v1/holds", `{"on":"A12","name":"maintenance","reason":"disk"}`)
	}
	now.Store(true)
	a := hold()
	p := problemOf(t, a)
	if a.status != http.StatusServiceUnavailable || p.Code != "read_only" || !strings.Contains(p.Fix, "Free disk space") || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	if a := s.ask(t, s.tokens["tess"], http.MethodGet, "/v1/racks/A12", ""); a.status != http.StatusOK || strings.Contains(a.body, "maintenance") {
		t.Errorf("reading: %d %s", a.status, a.body)
	}
	now.Store(false)
	if a := hold(); a.status != http.StatusOK {
		t.Errorf("with room again: %d %s", a.status, a.body)
	}
}

// TestStreamEndsWithTheRight: a stream does not outlive the vendor's grant, nor
// a person who was disabled.
func TestStreamEndsWithTheRight(t *testing.T) {
	s, _ := roleSite(t)
	s.hire(t, "guest", inventory.Grant{Role: inventory.RoleVendor, Racks: []inventory.RackID{"A12"}, Until: time.Now().Add(3 * time.Second)})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, who := range []string{"guest", "vic"} {
		if who == "vic" {
			time.AfterFunc(time.Second, func() {
				if err := s.Store().SavePerson(context.Background(), inventory.Person{ID: "vic", Name: "Vic", Disabled: true}); err != nil {
					t.Error(err)
				}
			})
		}
		err := s.as(t, who).Watch(ctx, "A12", func(inventory.Entry) bool { return true })
		if err == nil || ctx.Err() != nil {
			t.Fatalf("%s's stream: %v", who, err)
		}
		if a := s.ask(t, s.tokens[who], http.MethodGet, "/v1/events?chains=A12", ""); a.status == http.StatusOK {
			t.Errorf("%s still reads", who)
		}
	}
}
