package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cavaliergopher/cpio"

	"github.com/rackwright/rackwright/inventory"
)

func open(t *testing.T, remote Remote) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), remote)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPutOpenVerify(t *testing.T) {
	ctx, s := t.Context(), open(t, nil)
	d, err := s.Put(ctx, strings.NewReader("kernel"))
	if err != nil {
		t.Fatal(err)
	}
	if want := inventory.DigestOf([]byte("kernel")); d != want {
		t.Fatalf("digest %s, want %s", d, want)
	}
	if again, err := s.Put(ctx, strings.NewReader("kernel")); err != nil || again != d {
		t.Fatalf("second put: %s %v", again, err)
	}
	f, err := s.Open(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != "kernel" {
		t.Fatalf("read %q %v", b, err)
	}
	if err := s.Verify(ctx, d); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedBlobIsNamed(t *testing.T) {
	ctx, s := t.Context(), open(t, nil)
	d, err := s.Put(ctx, strings.NewReader("firmware"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.path(d), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(d), []byte("firmwarf"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(ctx, d); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v, want ErrDamaged", err)
	}
}

func TestMissingAndMalformedDigest(t *testing.T) {
	ctx, s := t.Context(), open(t, nil)
	if _, err := s.Open(ctx, inventory.DigestOf([]byte("nobody"))); !errors.Is(err, inventory.ErrNotFound) {
		t.Fatalf("got %v, want not found", err)
	}
	for _, bad := range []Digest{"", "sha256:", "sha256:../../etc/passwd", "md5:00"} {
		if _, err := s.Open(ctx, bad); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%q: got %v, want invalid", bad, err)
		}
	}
}

func TestInterruptedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, strings.NewReader("half")); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want canceled", err)
	}
	old := filepath.Join(dir, "incoming", "blob-crashed")
	if err := os.WriteFile(old, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * staleIncoming)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, nil); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "incoming"))
	if err != nil || len(left) != 0 {
		t.Fatalf("left behind: %v %v", left, err)
	}
}

// liar is a shared store that answers with other bytes than asked for.
type liar struct{ body string }

func (l liar) Get(context.Context, Digest) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader(l.body)), int64(len(l.body)), nil
}
func (l liar) Put(context.Context, Digest, io.Reader, int64) error { return nil }

func TestRemoteIsChecked(t *testing.T) {
	want := inventory.DigestOf([]byte("good"))
	if f, err := open(t, liar{"good"}).Open(t.Context(), want); err != nil {
		t.Fatal(err)
	} else {
		f.Close()
	}
	s := open(t, liar{"evil"})
	if _, err := s.Open(t.Context(), want); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v, want ErrDamaged", err)
	}
	if _, err := os.Stat(s.path(want)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the wrong bytes were kept: %v", err)
	}
}

func TestHandler(t *testing.T) {
	s := open(t, nil)
	d, err := s.Put(t.Context(), strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, method, path, rng string
		status                  int
		body                    string
	}{
		{"whole", "GET", "/" + string(d), "", 200, "0123456789"},
		{"hex", "GET", "/" + d.Hex(), "", 200, "0123456789"},
		{"range", "GET", "/" + d.Hex(), "bytes=2-4", 206, "234"},
		{"head", "HEAD", "/" + d.Hex(), "", 200, ""},
		{"beyond", "GET", "/" + d.Hex(), "bytes=99-", 416, "invalid range: failed to overlap\n"},
		{"unknown", "GET", "/" + inventory.DigestOf(nil).Hex(), "", 404, "no such blob\n"},
		{"write", "PUT", "/" + d.Hex(), "", 405, "blobs are read only: use GET or HEAD\n"},
		{"listing", "GET", "/", "", 400, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, nil)
			if c.rng != "" {
				r.Header.Set("Range", c.rng)
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != c.status || (c.body != "" && w.Body.String() != c.body) {
				t.Fatalf("%d %q, want %d %q", w.Code, w.Body, c.status, c.body)
			}
			if c.status == http.StatusOK && (w.Header().Get("Content-Length") != "10" || w.Header().Get("ETag") != `"`+string(d)+`"`) {
				t.Fatalf("headers %v", w.Header())
			}
		})
	}
}

// memory is a Documents in memory, with the version rule of the real one.
type memory struct {
	docs map[Digest][]byte
	refs map[string]inventory.Ref
}

func (m memory) Put(_ context.Context, _ inventory.DocKind, b []byte) (Digest, error) {
	d := inventory.DigestOf(b)
	m.docs[d] = b
	return d, nil
}
func (m memory) Document(_ context.Context, d Digest) ([]byte, error) {
	if b, ok := m.docs[d]; ok {
		return b, nil
	}
	return nil, inventory.ErrNotFound
}
func (m memory) Ref(_ context.Context, _ inventory.DocKind, n string) (inventory.Ref, error) {
	if r, ok := m.refs[n]; ok {
		return r, nil
	}
	return inventory.Ref{}, inventory.ErrNotFound
}
func (m memory) SetRef(_ context.Context, r inventory.Ref) (inventory.Ref, error) {
	if m.refs[r.Name].Version != r.Version {
		return r, inventory.ErrConflict
	}
	r.Version++
	m.refs[r.Name] = r
	return r, nil
}
func (m memory) Refs(context.Context, inventory.DocKind) ([]inventory.Ref, error) { return nil, nil }

func TestCatalogue(t *testing.T) {
	ctx, s := t.Context(), open(t, nil)
	c := &Catalogue{Store: s, Documents: memory{map[Digest][]byte{}, map[string]inventory.Ref{}}}
	img := Image{Name: "burnin", Version: "1", Arch: ArchAMD64, Files: map[string]Digest{"kernel": inventory.DigestOf([]byte("k"))}}
	if _, err := c.Publish(ctx, img); !errors.Is(err, inventory.ErrNotFound) {
		t.Fatalf("published an image whose kernel nobody has: %v", err)
	}
	if _, err := s.Put(ctx, strings.NewReader("k")); err != nil {
		t.Fatal(err)
	}
	first, err := c.Publish(ctx, img)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Publish(ctx, img); err != nil || again != first {
		t.Fatalf("same image again: %s %v", again, err)
	}
	img.Version = "2"
	second, err := c.Publish(ctx, img)
	if err != nil {
		t.Fatal(err)
	}
	got, d, err := c.Image(ctx, "burnin")
	if err != nil || d != second || got.Version != "2" {
		t.Fatalf("newest: %+v %s %v", got, d, err)
	}
	if old, err := c.ByDigest(ctx, first); err != nil || old.Version != "1" {
		t.Fatalf("old version: %+v %v", old, err)
	}
	for _, bad := range []string{"", "../x", "UPPER", strings.Repeat("a", 70)} {
		if _, err := c.Publish(ctx, Image{Name: bad, Files: img.Files}); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("name %q: %v", bad, err)
		}
	}
}

func TestInitramfs(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "tool")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("\x7fELF tool"); err != nil {
		t.Fatal(err)
	}
	entries := []Entry{
		{Path: "usr/bin/tool", Mode: 0o755, File: f},
		{Path: "/init", Mode: 0o755, Data: []byte("#!/bin/sh\n")},
		{Path: "bin", Mode: fs.ModeSymlink, Link: "usr/bin"},
		{Path: "dev/console", Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600, Major: 5, Minor: 1},
	}
	var a, b bytes.Buffer
	if err := WriteInitramfs(&a, entries); err != nil {
		t.Fatal(err)
	}
	entries[0], entries[3] = entries[3], entries[0]
	if err := WriteInitramfs(&b, entries); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatal("the order of the entries changed the bytes")
	}
	got := list(t, &a)
	want := []string{"bin -> usr/bin", "dev 40755", "dev/console 20600", "init 100755 #!/bin/sh\n", "usr 40755", "usr/bin 40755", "usr/bin/tool 100755 \x7fELF tool"}
	if g, w := mustJSON(got), mustJSON(want); g != w {
		t.Fatalf("\n got %s\nwant %s", g, w)
	}
}

// list reads the archive with a second implementation.
func list(t *testing.T, r io.Reader) []string {
	t.Helper()
	var out []string
	for cr := cpio.NewReader(r); ; {
		h, err := cr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Linkname != "" {
			out = append(out, h.Name+" -> "+h.Linkname)
			continue
		}
		body, err := io.ReadAll(cr)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h.Name+" "+strconv.FormatInt(int64(h.Mode), 8)+suffix(body))
	}
}

func suffix(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return " " + string(b)
}

func mustJSON(v any) string { b, _ := json.Marshal(v); return string(b) }

func TestInitramfsRefusals(t *testing.T) {
	cases := map[string][]Entry{
		"twice":      {{Path: "a", Data: []byte("1")}, {Path: "/a", Data: []byte("2")}},
		"empty path": {{Path: "/"}},
		"under file": {{Path: "a", Data: []byte("1")}, {Path: "a/b", Data: []byte("2")}},
	}
	for name, entries := range cases {
		if err := WriteInitramfs(io.Discard, entries); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
