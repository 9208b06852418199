//go:build realpeer

package imagebuild

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// debsEnv names a folder that keeps the packages between test runs.
const debsEnv = "RACKWRIGHT_TEST_DEBS"

// built is the image of this test run: fetched and built once.
type built struct {
	dir    string // of the .deb files
	agent  []byte
	result Result
	err    error
}

var once = sync.OnceValue(func() built {
	var b built
	fetch := true
	if b.dir = os.Getenv(debsEnv); b.dir != "" {
		have, err := filepath.Glob(filepath.Join(b.dir, "*.deb"))
		fetch = err != nil || len(have) == 0
	} else if b.dir, b.err = os.MkdirTemp("", "rackwright-debs-"); b.err != nil {
		return b
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if b.agent, b.err = buildAgent(ctx); b.err != nil {
		return b
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	o := Options{Debs: b.dir, Agent: b.agent, Log: log}
	if fetch {
		o.Fetch = &Fetcher{Dir: b.dir, Log: log}
	}
	b.result, b.err = Build(ctx, o)
	return b
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("RACKWRIGHT_REBUILD") != "" || code == 0 && os.Getenv(debsEnv) != "" {
		os.Exit(code) // nothing of its own to remove
	}
	if b := once(); b.dir != "" && os.Getenv(debsEnv) == "" {
		os.RemoveAll(b.dir)
	}
	os.Exit(code)
}

func buildAgent(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "rackagent-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "rackagent")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, "github.com/rackwright/rackwright/cmd/rackagent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

func image(t *testing.T) built {
	t.Helper()
	b := once()
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b
}

// TestRealPeerImageStarts: the image of Debian's packages boots and every tool
// starts in it.
func TestRealPeerImageStarts(t *testing.T) {
	b := image(t)
	t.Logf("kernel %s %d bytes, initrd %d bytes of %d allowed, %d unpacked, %d files, %d packages", b.result.KernelRelease, len(b.result.Kernel),
		len(b.result.Initrd), MaxInitrd, b.result.Unpacked, b.result.Files, len(b.result.Lock.Packages))
	list, err := Check(t.Context(), b.result, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		t.Logf("%-14s %s", s.Tool, s.Version)
	}
	if len(list) < len(programs()) {
		t.Errorf("only %d tools were started", len(list))
	}
	found := false
	for _, p := range b.result.Lock.Packages {
		found = found || p.Name == "librados2"
	}
	if !found {
		t.Error("fio's RUNPATH library libceph-common was not followed: librados2 is not in the lock")
	}
}

// TestRealPeerBrokenToolFailsTheCheck: an image whose fio lost a library boots,
// and the check refuses it by name.
func TestRealPeerBrokenToolFailsTheCheck(t *testing.T) {
	b := image(t)
	p, packed, err := Options{Debs: b.dir, Lock: &b.result.Lock}.gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for path := range packed {
		if strings.Contains(path, "libceph-common") {
			delete(packed, path)
		}
	}
	k, err := readKernel(p)
	if err != nil {
		t.Fatal(err)
	}
	broken := b.result
	if err := broken.pack(entries(packed, k, b.agent)); err != nil {
		t.Fatal(err)
	}
	_, err = Check(t.Context(), broken, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "fio cannot start") || strings.Contains(err.Error(), "stress-ng") {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
}

// TestRealPeerSameLockSameBytes builds again from the lock and the kept
// packages: in another process, as another user, with another TMPDIR, umask,
// time zone and locale, at another time.
func TestRealPeerSameLockSameBytes(t *testing.T) {
	const inner = "RACKWRIGHT_REBUILD"
	if dir := os.Getenv(inner); dir != "" {
		rebuild(t, dir)
		return
	}
	b, dir := image(t), t.TempDir()
	lock, err := b.result.Lock.JSON()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "lock"), lock, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "agent"), b.agent, 0o644))
	opened(t, b.dir, dir)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	cmd := exec.CommandContext(t.Context(), copied(t, dir), "-test.run", "^TestRealPeerSameLockSameBytes$")
	cmd.Env = []string{inner + "=" + dir, debsEnv + "=" + b.dir, "TMPDIR=" + dir, "TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8", "HOME=/nowhere"}
	cmd.Dir = dir
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	want := "INNER " + string(inventory.DigestOf(b.result.Initrd)) + " " + string(inventory.DigestOf(b.result.Kernel)) + " " + b.result.Version + "\n"
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, want %s:\n%s", err, want, out)
	}
	t.Log(want)
}

func rebuild(t *testing.T, dir string) {
	t.Helper()
	l, err := ReadLock(filepath.Join(dir, "lock"))
	must(t, err)
	agent, err := os.ReadFile(filepath.Join(dir, "agent"))
	must(t, err)
	r, err := Build(t.Context(), Options{Debs: os.Getenv(debsEnv), Lock: &l, Agent: agent})
	must(t, err)
	os.Stdout.WriteString("INNER " + string(inventory.DigestOf(r.Initrd)) + " " + string(inventory.DigestOf(r.Kernel)) + " " + r.Version + "\n")
}
