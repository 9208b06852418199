package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

// desk is the API over a real SQLite record, without a conductor: the tests
// take its turns themselves. People: tess and tom are technicians, vic views,
// wes is the vendor of rack A12, fred the vendor of B13; auto is automation.
type desk struct {
	t      *testing.T
	store  *sqlstore.Store
	api    *api.Service
	http   *httptest.Server
	tokens map[string]string
	sign   minisign.PrivateKey
	extra  map[string]string // headers of the next request
}

// header sets one header of the next request.
func (d *desk) header(name, value string) { d.extra = map[string]string{name: value} }

type sealer struct{}

func (sealer) Seal(inventory.Secret) ([]byte, error) { return []byte("sealed"), nil }

func newDesk(t *testing.T) *desk {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: filepath.Join(t.TempDir(), "record.db"), Site: "ams1"})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := images.Open(filepath.Join(t.TempDir(), "images"), nil)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, store: store, tokens: map[string]string{}, sign: private, api: &api.Service{Store: store, Sealer: sealer{}, Site: "ams1",
		Images: &images.Catalogue{Store: blobs, Documents: store}, Log: slog.New(slog.DiscardHandler), Baselines: []minisign.PublicKey{public}}}
	d.http = httptest.NewServer(d.api.Handler())
	t.Cleanup(func() {
		d.http.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	later := time.Now().Add(time.Hour)
	for id, g := range map[string]inventory.Grant{"tess": {Role: inventory.RoleTechnician}, "tom": {Role: inventory.RoleTechnician}, "vic": {Role: inventory.RoleViewer},
		"auto": {Role: inventory.RoleAutomation}, "wes": {Role: inventory.RoleVendor, Racks: []inventory.RackID{"A12"}, Until: later},
		"fred": {Role: inventory.RoleVendor, Racks: []inventory.RackID{"B13"}, Until: later}} {
		d.hire(id, g)
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "demo", "paper.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d.ask("tess", http.MethodPost, "/manifests", bytes.ReplaceAll(raw, []byte("site: demo"), []byte("site: ams1")), http.StatusOK, nil)
	return d
}

func (d *desk) hire(id string, g inventory.Grant) {
	d.t.Helper()
	p := inventory.Person{ID: inventory.PersonID(id), Name: id, Grants: []inventory.Grant{g}}
	if err := d.store.SavePerson(d.t.Context(), p); err != nil {
		d.t.Fatal(err)
	}
	secret, token, err := auth.NewToken(p, p.Grants, time.Now().Add(time.Hour), "test", time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.store.SaveToken(d.t.Context(), token); err != nil {
		d.t.Fatal(err)
	}
	d.tokens[id] = secret.Reveal()
}

// ask sends in (JSON, or bytes as they are) and reads the answer into out; the
// text of the answer comes back for what is expected of a problem.
func (d *desk) ask(who, method, path string, in any, want int, out any) string {
	d.t.Helper()
	content, kind := []byte(nil), "application/json"
	switch v := in.(type) {
	case nil:
	case []byte:
		content, kind = v, "application/octet-stream"
	default:
		var err error
		if content, err = json.Marshal(v); err != nil {
			d.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.http.URL+"/v1"+path, bytes.NewReader(content))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "Bearer "+d.tokens[who])
	for name, value := range d.extra {
		req.Header.Set(name, value)
	}
	d.extra = nil
	resp, err := d.http.Client().Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if resp.StatusCode != want {
		d.t.Fatalf("%s %s as %s got %d, want %d: %s", method, path, who, resp.StatusCode, want, raw)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			d.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
	return string(raw)
}

// claim takes the turn of a node, as a conductor does.
func (d *desk) claim(address string) (inventory.Claim, inventory.Node) {
	d.t.Helper()
	n, err := d.store.Node(d.t.Context(), inventory.NodeID(address))
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.store.Wake(d.t.Context(), inventory.NodeSubject(n.ID)); err != nil {
		d.t.Fatal(err)
	}
	all, err := d.store.Claim(d.t.Context(), "test", 100)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, c := range all {
		if c.Subject == inventory.NodeSubject(n.ID) {
			return c, n
		}
	}
	d.t.Fatalf("no turn of %s among %d", address, len(all))
	return inventory.Claim{}, n
}

// works opens a run of an operation on a node and lets it stand there.
func (d *desk) works(ctx context.Context, address string, op inventory.OpKind, parent inventory.RunID, abort inventory.AbortClass) (inventory.Claim, inventory.RunID) {
	d.t.Helper()
	c, _ := d.claim(address)
	run, err := d.store.StartRun(ctx, c, op, parent, "")
	if err != nil {
		d.t.Fatal(err)
	}
	c.Run = run
	o := inventory.Operation{Run: run, Kind: op, Step: "flash bmc running", Abort: abort, Since: time.Now()}
	if err := d.store.Apply(ctx, c, inventory.Change{Operation: &o}); err != nil {
		d.t.Fatal(err)
	}
	return c, run
}

func says(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in %s", w, text)
		}
	}
}
