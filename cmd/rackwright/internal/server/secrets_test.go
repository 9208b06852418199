package server_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	raw bytes.Buffer
}

func (k *journal) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.raw.Write(p)
}

// TestNoSecretLeaves: passwords of a packing list and every token are looked
// for in all that the server wrote (record, logs, blobs, backup) and answered.
func TestNoSecretLeaves(t *testing.T) {
	log := &journal{}
	c := settings(t)
	s := serve(t, server.Options{Config: c, Simulated: true, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	s.hire(t, "tess", inventory.Grant{Role: inventory.RoleTechnician})
	s.tokens["admin"] = s.Bootstrap.Reveal()
	list := bytes.ReplaceAll(manifest(t, "A12"), []byte("        manufacturer: Example"), []byte("        bmc: {url: \"https://192.0.2.7\", user: fac-user-9, password: Factory-Pa55word}\n        manufacturer: Example"))
	if _, err := s.as(t, "tess").Import(t.Context(), list, false); err != nil {
		t.Fatal(err)
	}
	broken := bytes.ReplaceAll(list, []byte("slot: C04"), []byte("slot: C99"))
	if _, err := s.as(t, "tess").Import(t.Context(), bytes.ReplaceAll(broken, []byte("A12"), []byte("B13")), false); err != nil {
		t.Logf("the broken list: %v", err)
	}
	said := &journal{}
	for _, path := range []string{"/v1/racks", "/v1/racks/A12", "/v1/racks/A12/events", "/v1/nodes", "/v1/nodes/A12%2FC01", "/v1/people", "/v1/me", "/v1/openapi.json", "/v1/health"} {
		a := s.ask(t, s.tokens["admin"], http.MethodGet, path, "")
		if a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
		if _, err := said.Write([]byte(a.body)); err != nil {
			t.Fatal(err)
		}
	}
	var copied bytes.Buffer
	if _, err := s.as(t, "admin").Backup(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	places := map[string][]byte{"answers": said.raw.Bytes(), "backup": copied.Bytes(), "log": []byte(log.String())}
	err := filepath.WalkDir(c.Data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			places[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(places) < 8 || !bytes.Contains(copied.Bytes(), []byte("A12SN0001")) {
		t.Fatalf("only %d places were searched", len(places))
	}
	for _, secret := range []string{"Factory-Pa55word", s.tokens["admin"], s.tokens["tess"], strings.TrimPrefix(s.tokens["tess"], "rw_")} {
		for place, raw := range places {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("%s holds %s…", place, secret[:6])
			}
		}
	}
}

func (k *journal) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.raw.String()
}
