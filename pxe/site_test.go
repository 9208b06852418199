package pxe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/pxe/romsim"
)

// record is the real record for bindings, ledger, tokens and sightings; its
// nodes are the test's. failing makes every read of a node fail.
type record struct {
	*sqlstore.Store
	mu       sync.Mutex
	nodes    []inventory.Node
	failing  error
	noCommit error
	noLine   error // of a redemption
	confirms int
}

func (r *record) Find(_ context.Context, h inventory.Hint) (inventory.Node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return inventory.Node{}, r.failing
	}
	for _, n := range r.nodes {
		if n.BMC.MAC == h.MAC || slices.Contains(n.MACs, h.MAC) {
			return copyOf(n), nil
		}
	}
	return inventory.Node{}, inventory.ErrNotFound
}

func (r *record) Note(ctx context.Context, l inventory.BootLine) error {
	r.mu.Lock()
	err := r.noLine
	r.mu.Unlock()
	if err != nil && l.Stage == StageAgent {
		return err
	}
	return r.Store.Note(ctx, l)
}

// copyOf shares nothing with the test's node, as rows of a database do not.
func copyOf(n inventory.Node) inventory.Node {
	n.Holds = slices.Clone(n.Holds)
	if n.Operation != nil {
		op := *n.Operation
		if op.Boot != nil {
			boot := *op.Boot
			op.Boot = &boot
		}
		n.Operation = &op
	}
	return n
}

func (r *record) Confirm(ctx context.Context, b inventory.Binding) (inventory.Binding, error) {
	r.mu.Lock()
	r.confirms++
	err := r.noCommit
	r.mu.Unlock()
	if err != nil {
		return b, err
	}
	return r.Store.Confirm(ctx, b)
}

func (r *record) change(f func(*record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

// site is a running service on loopback.
type site struct {
	*Service
	t      *testing.T
	record *record
	image  images.Image
	digest images.Digest
	kernel []byte
	initrd []byte
	logs   *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var (
	loopScope  = Scope{Subnet: netip.MustParsePrefix("127.9.0.0/24"), First: netip.MustParseAddr("127.9.0.100"), Last: netip.MustParseAddr("127.9.0.199"), Lease: time.Hour}
	loopRelay  = netip.MustParseAddr("127.9.0.2")
	loopServer = netip.MustParseAddr("127.0.0.1")
)

// programs are files in the place of real boot programs: romsim only checks their bytes.
func programs() Programs {
	big := func(seed byte, n int) []byte { return bytes.Repeat([]byte{seed, 1, 2, 3, 5, 8, 13}, n/7+1)[:n] }
	return NewPrograms(map[string][]byte{"undionly.kpxe": big(1, 7421), "snponly.efi": big(2, 173792), "snponly-arm64.efi": big(3, 1428*64)})
}

func openRecord(t *testing.T) *record {
	t.Helper()
	st, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: filepath.Join(t.TempDir(), "record.db"), Site: "ams1", Lease: time.Minute, Grace: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &record{Store: st}
}

// serve runs a service with one published image until the test ends.
func serve(t *testing.T, mod func(*Config)) *site {
	t.Helper()
	return serveOn(t, openRecord(t), mod)
}

func serveOn(t *testing.T, rec *record, mod func(*Config)) *site {
	t.Helper()
	return serveFiles(t, rec, bootFiles{kernel: bytes.Repeat([]byte("kernel "), 40000), initrd: bytes.Repeat([]byte("initrd "), 30000),
		args: []string{"panic=10"}, programs: programs()}, mod)
}

// bootFiles are what machines of a site boot.
type bootFiles struct {
	kernel, initrd []byte
	args           []string
	programs       Programs
}

func serveFiles(t *testing.T, rec *record, files bootFiles, mod func(*Config)) *site {
	t.Helper()
	s := &site{t: t, record: rec, logs: &safeBuffer{}, kernel: files.kernel, initrd: files.initrd}
	blobs, err := images.Open(filepath.Join(t.TempDir(), "images"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cat := &images.Catalogue{Store: blobs, Documents: rec.Store}
	s.image = images.Image{Name: "burnin", Version: "1", Arch: images.ArchAMD64, Files: map[string]images.Digest{}, Args: files.args}
	for name, data := range map[string][]byte{"kernel": s.kernel, "initrd": s.initrd} {
		if s.image.Files[name], err = blobs.Put(t.Context(), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	if s.digest, err = cat.Publish(t.Context(), s.image); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Policy: Policy{Mode: ModeAuthoritative}, Listen: loopServer, DHCPPort: Ephemeral, ProxyPort: Ephemeral, TFTPPort: Ephemeral, HTTPPort: Ephemeral,
		Scopes: []Scope{loopScope}, Endpoints: Endpoints{Server: loopServer, API: "https://127.0.0.1:8443"}}
	if mod != nil {
		mod(&cfg)
	}
	s.Service, err = New(cfg, Deps{Store: rec, Images: cat, Blobs: blobs, Programs: files.programs, Key: testKey,
		Log: slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the service does not stop")
		}
		if t.Failed() {
			t.Logf("service log:\n%s", s.logs)
		}
	})
	return s
}

// expect adds a node whose operation wants the image now.
func (s *site) expect(i int) inventory.Node {
	n := inventory.Node{ID: inventory.NodeID(fmt.Sprintf("01NODE%02d", i)), Address: fmt.Sprintf("A12/C%02d", i), MACs: []inventory.MAC{macOf(i)},
		BMC: inventory.Endpoint{MAC: inventory.MAC(fmt.Sprintf("02:00:00:00:00:%02x", i))},
		Operation: &inventory.Operation{Run: inventory.RunID(fmt.Sprintf("01RUN%02d", i)), Boot: &inventory.Boot{Image: "burnin",
			Run: inventory.RunID(fmt.Sprintf("01RUN%02d", i)), Attempt: 1, Until: time.Now().Add(15 * time.Minute)}}}
	s.record.change(func(r *record) { r.nodes = append(r.nodes, copyOf(n)) })
	return n
}

func macOf(i int) inventory.MAC { return inventory.MAC(fmt.Sprintf("52:54:00:00:00:%02x", i)) }

// machine is a simulated machine on its own relay address.
func (s *site) machine(i int, mode romsim.Mode, arch uint16) romsim.Machine {
	a := s.Addrs()
	return romsim.Machine{MAC: macOf(i), UUID: fmt.Sprintf("00112233-4455-6677-8899-aabbccddee%02x", i), Arch: arch, Mode: mode,
		Server: a.DHCP, Relay: loopRelay, TFTPPort: a.TFTP.Port(), Timeout: 2 * time.Second}
}

// lines reads the ledger of a machine, waiting for the lines behind the answers.
// noted waits for a ledger line: the server writes the last one of a file after
// the client has its last byte.
func (s *site) noted(i int, is func(inventory.BootLine) bool) bool {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if slices.ContainsFunc(s.lines(i), is) {
			return true
		}
	}
	return false
}

// abortedNow looks once: a transfer that was noted as cut so far.
func (s *site) abortedNow(i int) bool {
	s.t.Helper()
	return slices.ContainsFunc(s.lines(i), func(l inventory.BootLine) bool { return l.Stage == StageTFTPDone && l.Branch == string(BranchAbort) })
}

func (s *site) lines(i int) []inventory.BootLine {
	s.t.Helper()
	l, err := s.ledger.lines(s.t.Context(), inventory.Hint{MAC: macOf(i)}, time.Now().Add(-time.Hour))
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *site) has(i int, stage string, b Branch) bool {
	return s.noted(i, func(l inventory.BootLine) bool { return l.Stage == stage && l.Branch == string(b) })
}

// want demands that a boot ended with this error.
func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error %v, want %v", err, target)
	}
}

// eventually waits for what happens behind an answer.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Errorf("never happened: %s", what)
}
