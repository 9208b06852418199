package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/web"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// hall is the pages of a real record with racks A12 and B13; nothing works on
// it but the test itself.
type hall struct {
	*httptest.Server
	store  *sqlstore.Store
	tokens map[string]string
	claims map[inventory.Subject]inventory.Claim
}

func newHall(t *testing.T) *hall {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: filepath.Join(t.TempDir(), "record.db"), Site: "ams1", Lease: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	storetest.Rack(t, s)
	if err := s.Expect(t.Context(), storetest.Manifest(t, s, "B13", "doc-2"), "ann"); err != nil {
		t.Fatal(err)
	}
	h := &hall{store: s, tokens: map[string]string{}, claims: map[inventory.Subject]inventory.Claim{}}
	service := &api.Service{Store: s, Site: "ams1", Log: slog.New(slog.DiscardHandler)}
	serving, stop := context.WithCancel(context.Background())
	h.Server = httptest.NewUnstartedServer((&web.Pages{API: service, Log: service.Log}).Handler())
	h.Config.BaseContext = nil
	handler := h.Config.Handler
	h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // streams end with the test
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(serving, cancel)()
		handler.ServeHTTP(w, r.WithContext(ctx))
	})
	h.EnableHTTP2 = true
	h.StartTLS()
	t.Cleanup(func() {
		stop()
		h.Server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h.hire(t, "tess", inventory.Grant{Role: inventory.RoleTechnician})
	h.hire(t, "wes", inventory.Grant{Role: inventory.RoleVendor, Racks: []inventory.RackID{"B13"}, Until: time.Now().Add(time.Hour)})
	return h
}

func (h *hall) hire(t *testing.T, id string, g inventory.Grant) {
	t.Helper()
	p := inventory.Person{ID: inventory.PersonID(id), Name: id, Grants: []inventory.Grant{g}}
	secret, token, err := auth.NewToken(p, p.Grants, time.Now().Add(time.Hour), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.store.SavePerson(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := h.store.SaveToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	h.tokens[id] = secret.Reveal()
}

func (h *hall) node(t *testing.T, address string) inventory.Node {
	t.Helper()
	n, err := h.store.Node(t.Context(), inventory.NodeID(address))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// runs lets an operation run on a node with an abort class; an empty class
// ends it. It goes through the record as a conductor's turn does.
func (h *hall) runs(t *testing.T, address string, abort inventory.AbortClass) {
	t.Helper()
	on := inventory.NodeSubject(h.node(t, address).ID)
	if err := h.store.Wake(t.Context(), on); err != nil {
		t.Fatal(err)
	}
	all, err := h.store.Claim(t.Context(), "one", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		h.claims[c.Subject] = c
	}
	c, ok := h.claims[on]
	if !ok {
		t.Fatalf("%s was not claimed", address)
	}
	change := inventory.Change{}
	if abort != "" {
		run, err := h.store.StartRun(t.Context(), c, inventory.OpFirmware, "", "")
		if err != nil {
			t.Fatal(err)
		}
		change.Operation = &inventory.Operation{Run: run, Kind: inventory.OpFirmware, Step: "write BIOS", Percent: 40, Abort: abort, Detail: "writing the second bank"}
	}
	if err := h.store.Apply(t.Context(), c, change); err != nil {
		t.Fatal(err)
	}
	delete(h.claims, on)
}

// browser is a client with a cookie jar, signed in as somebody.
func (h *hall) browser(t *testing.T, who string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := h.Client()
	b := &http.Client{Transport: c.Transport, Jar: jar, Timeout: 10 * time.Second}
	if who != "" {
		resp, err := b.PostForm(h.URL+"/login", url.Values{"token": {h.tokens[who]}})
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("log-in: %s %v", resp.Status, err)
		}
	}
	return b
}

func get(t *testing.T, b *http.Client, address string) (int, string, http.Header) {
	t.Helper()
	resp, err := b.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.ReplaceAll(string(raw), "\n", " "), resp.Header
}
