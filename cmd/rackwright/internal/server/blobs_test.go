package server_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// kept lists what stands in the image store, uploads under way included.
func kept(t *testing.T, data string) []string {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(data, "images", "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	half, err := filepath.Glob(filepath.Join(data, "images", "incoming", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return append(blobs, half...)
}

// put sends a raw body under a claimed digest.
func (s *site) put(t *testing.T, who string, body []byte, claimed string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.Address()+"/v1/blobs", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.tokens[who])
	req.Header.Set("X-Digest", claimed)
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestBlobs: a payload larger than any document streams in, with progress, and
// reads back; a wrong digest, a missing one and a wrong role leave nothing.
func TestBlobs(t *testing.T) {
	c := settings(t)
	s := serve(t, server.Options{Config: c})
	s.hire(t, "tess", inventory.Grant{Role: inventory.RoleTechnician})
	s.hire(t, "vic", inventory.Grant{Role: inventory.RoleViewer})
	raw := make([]byte, 24<<20) // documents may have 20 MiB
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	digest := inventory.DigestOf(raw)
	for _, row := range []struct {
		who, claimed string
		want         int
	}{{"tess", string(inventory.DigestOf([]byte("other"))), 422}, {"tess", "", 422}, {"tess", "sha256:xyz", 422}, {"vic", string(digest), 403}} {
		if got := s.put(t, row.who, raw, row.claimed); got != row.want {
			t.Errorf("%s with X-Digest %q got %d, want %d", row.who, row.claimed, got, row.want)
		}
	}
	if left := kept(t, c.Data); len(left) > 0 {
		t.Fatalf("refused uploads left %v", left)
	}
	file := filepath.Join(t.TempDir(), "bundle.fwpkg")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var told, calls int64
	progress := func(sent, total int64) {
		calls++
		if sent <= told || total != int64(len(raw)) {
			t.Errorf("progress went from %d to %d of %d", told, sent, total)
		}
		told = sent
	}
	tess := s.as(t, "tess")
	got, err := tess.PutBlob(t.Context(), file, progress)
	if err != nil || got.Digest != digest || got.Size != int64(len(raw)) || told != got.Size || calls < 2 {
		t.Fatalf("stored %+v after %d bytes in %d calls: %v", got, told, calls, err)
	}
	calls = 0
	if again, err := tess.PutBlob(t.Context(), file, progress); err != nil || again != got || calls != 0 {
		t.Errorf("the same file again: %+v, %d pieces sent, %v", again, calls, err)
	}
	var back bytes.Buffer
	if n, err := s.as(t, "vic").Blob(t.Context(), digest, &back); err != nil || n != got.Size || !bytes.Equal(back.Bytes(), raw) {
		t.Errorf("read back %d bytes, %v", n, err)
	}
}

// TestBlobTooLarge: what announces more than the limit is refused before a byte
// of it is read.
func TestBlobTooLarge(t *testing.T) {
	c := settings(t)
	s := serve(t, server.Options{Config: c})
	s.hire(t, "tess", inventory.Grant{Role: inventory.RoleTechnician})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.Address()+"/v1/blobs", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 9 << 30
	req.Header.Set("Authorization", "Bearer "+s.tokens["tess"])
	req.Header.Set("X-Digest", string(inventory.DigestOf([]byte("x"))))
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge || len(kept(t, c.Data)) > 0 {
		t.Errorf("got %d, kept %v", resp.StatusCode, kept(t, c.Data))
	}
}

// TestImages: an image names blobs that are here; the newest of a name counts.
func TestImages(t *testing.T) {
	s := serve(t, server.Options{Config: settings(t)})
	s.hire(t, "tess", inventory.Grant{Role: inventory.RoleTechnician})
	tess := s.as(t, "tess")
	file := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(file, []byte("kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	blob, err := tess.PutBlob(t.Context(), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	img := images.Image{Name: "burnin", Version: "1", Arch: images.ArchAMD64, Files: map[string]images.Digest{"kernel": blob.Digest}}
	for what, spoil := range map[string]func(*images.Image){
		"is not here":         func(i *images.Image) { i.Files = map[string]images.Digest{"kernel": inventory.DigestOf([]byte("?"))} },
		"no boot program":     func(i *images.Image) { i.Files = map[string]images.Digest{"kernl": blob.Digest} },
		"no files":            func(i *images.Image) { i.Files = map[string]images.Digest{} },
		"arch":                func(i *images.Image) { i.Arch = "x86_64" },
		"version is empty":    func(i *images.Image) { i.Version = "" },
		"use a-z, 0-9, dot, ": func(i *images.Image) { i.Name = "../up" },
	} {
		bad := img
		spoil(&bad)
		if _, err := tess.PublishImage(t.Context(), bad); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
	if list, err := tess.Images(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("refused images are listed: %+v %v", list, err)
	}
	for _, version := range []string{"1", "2"} {
		img.Version = version
		if _, err := tess.PublishImage(t.Context(), img); err != nil {
			t.Fatal(err)
		}
	}
	list, err := tess.Images(t.Context())
	if err != nil || len(list) != 1 || list[0].Version != "2" || list[0].Digest == "" {
		t.Errorf("listed %+v %v", list, err)
	}
}

// noSuchPlan has the form of a plan's digest.
var noSuchPlan = "sha256:" + strings.Repeat("0", 64)

// storedPlan puts a firmware plan of A12/C01 into the record.
func (s *site) storedPlan(t *testing.T) string {
	t.Helper()
	n, err := s.Store().Node(t.Context(), "A12/C01")
	if err != nil {
		t.Fatal(err)
	}
	p := firmware.Plan{Baseline: inventory.DigestOf([]byte("baseline")), Name: "hgx@1", Node: n.ID}
	d, err := s.Store().Put(t.Context(), inventory.DocPlan, p.JSON())
	if err != nil {
		t.Fatal(err)
	}
	s.plan = string(d)
	return s.plan
}
