//go:build realpeer

package imagebuild

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

// desk is a real record with one node, the product's burn-in server over it,
// and a run that waits for the node.
type desk struct {
	store *sqlstore.Store
	book  *burnin.Book
	url   string // as the guest sees it, through QEMU's user network
	token string
	run   inventory.RunID
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDesk(t *testing.T, mac inventory.MAC) *desk {
	t.Helper()
	ctx := t.Context()
	store, err := sqlstore.Open(ctx, sqlstore.Options{DSN: filepath.Join(t.TempDir(), "record.db"), Site: "lab", Lease: time.Minute, Grace: time.Second})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	kind := inventory.RackType{Name: "one", Version: 1, Slots: []inventory.Slot{{Path: "C01", Kind: inventory.KindCompute, U: 1, Height: 1, Required: true}}}
	raw, err := json.Marshal(kind)
	must(t, err)
	digest, err := store.Put(ctx, inventory.DocRackType, raw)
	must(t, err)
	must(t, store.Expect(ctx, inventory.Manifest{Source: inventory.DigestOf([]byte("list")), Name: "list",
		Racks: []inventory.Rack{{ID: "A12", Name: "A12", Site: "lab", Type: inventory.Ref{Kind: inventory.DocRackType, Name: kind.Name, Digest: digest, Version: 1}}},
		Nodes: []inventory.Node{{ID: "C01", Rack: "A12", Kind: inventory.KindCompute, Address: "A12/C01", Slot: "C01", Serial: "QEMU0001", MACs: []inventory.MAC{mac}}}}, "ann"))
	d := &desk{store: store}
	d.book = &burnin.Book{Store: store, Token: func(h inventory.Hint, run inventory.RunID, attempt int) inventory.Secret {
		if h.MAC == "" {
			return inventory.Secret{}
		}
		return inventory.NewSecret(inventory.DigestOf(fmt.Appendf(nil, "%s %s %d", h.MAC, run, attempt)).Hex()[:32])
	}}
	d.begin(t, mac)
	srv := httptest.NewServer(&burnin.Ingest{Desk: d.book, Key: inventory.NewSecret("site key"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	t.Cleanup(srv.Close)
	d.url = strings.Replace(srv.URL, "127.0.0.1", "10.0.2.2", 1)
	return d
}

func (d *desk) begin(t *testing.T, mac inventory.MAC) {
	t.Helper()
	ctx := t.Context()
	n, err := d.store.Find(ctx, inventory.Hint{MAC: mac})
	must(t, err)
	p, err := plan.Embedded("smoke")
	must(t, err)
	raw, err := p.JSON()
	must(t, err)
	digest, err := d.store.Put(ctx, inventory.DocProfile, raw)
	must(t, err)
	on := inventory.NodeSubject(n.ID)
	claims, err := d.store.Claim(ctx, "server", 10)
	must(t, err)
	i := slices.IndexFunc(claims, func(c inventory.Claim) bool { return c.Subject == on })
	if i < 0 {
		t.Fatal("the node is not due")
	}
	d.run, err = d.store.StartRun(ctx, claims[i], inventory.OpBurnIn, "", digest)
	must(t, err)
	must(t, d.store.Apply(ctx, claims[i], inventory.Change{Operation: &inventory.Operation{Run: d.run, Kind: inventory.OpBurnIn, Plan: digest, Step: "run",
		Boot: &inventory.Boot{Image: "burnin", Run: d.run, Attempt: 1, Until: time.Now().Add(time.Hour)}}}))
	d.token = d.book.Token(inventory.Hint{MAC: mac}, d.run, 1).Reveal()
}

// console is the guest's serial line.
type console struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

const (
	badSector   = 4096 // 2 MiB into the drive; the smoke plan reads 64 MiB
	driveBytes  = 128 << 20
	guestBudget = 8 * time.Minute // software emulation on two shared cores
)

// blockdev is an NVMe drive's backend: raw over blkdebug over the file. Above
// raw, blkdebug injects nothing.
func blockdev(file string, bad bool) string {
	leaf := fmt.Sprintf(`{"driver":"file","filename":%q}`, file)
	if bad {
		leaf = fmt.Sprintf(`{"driver":"blkdebug","inject-error":[{"event":"none","iotype":"read","errno":5,"sector":%d,"once":false,"immediately":false}],"image":%s}`, badSector, leaf)
	}
	return fmt.Sprintf(`{"driver":"raw","node-name":"disk0","file":%s}`, leaf)
}

// burn boots the image on a machine with one drive and waits until the server
// has the whole run.
func burn(t *testing.T, mac inventory.MAC, serial string, bad bool) (burnin.Verdict, []burnin.Sample, string) {
	t.Helper()
	b, d, dir := image(t), newDesk(t, mac), t.TempDir()
	kernel, initrd, disk := filepath.Join(dir, "kernel"), filepath.Join(dir, "initrd"), filepath.Join(dir, "disk.img")
	must(t, os.WriteFile(kernel, b.result.Kernel, 0o600))
	must(t, os.WriteFile(initrd, b.result.Initrd, 0o600))
	must(t, os.WriteFile(disk, bytes.Repeat([]byte("rackwright burn-in test drive...")[:32], driveBytes/32), 0o600))
	line := strings.Join(append(slices.Clone(b.result.Args), "console=ttyS0", "loglevel=6", "BOOTIF=01-"+strings.ReplaceAll(string(mac), ":", "-"),
		"rackwright.server="+d.url, "rackwright.token="+d.token, "rackwright.image="+string(inventory.DigestOf(b.result.Initrd))), " ")
	cmd := exec.CommandContext(t.Context(), qemu, "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "1536", "-nographic", "-no-reboot", "-monitor", "none", "-serial", "stdio",
		"-smbios", "type=1,manufacturer=Rackwright,product=Lab,serial=QEMU0001", "-nic", "user,model=virtio-net-pci,mac="+string(mac),
		"-blockdev", blockdev(disk, bad), "-device", "nvme,drive=disk0,serial="+serial, "-kernel", kernel, "-initrd", initrd, "-append", line)
	var out console
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	began := time.Now()
	must(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill() // the run is over, or the test is
		_ = cmd.Wait()
	}()
	for {
		state, err := d.book.State(t.Context(), d.run)
		must(t, err)
		if state.Ended {
			t.Logf("%d of %d steps, %d samples, %s after power-on", state.Done, state.Total, state.Next-1, time.Since(began).Round(time.Second))
			break
		}
		if time.Since(began) > guestBudget {
			t.Fatalf("the run did not end; state %+v, the console ends with:\n%s", state, tail(out.String(), 40))
		}
		time.Sleep(500 * time.Millisecond)
	}
	v, _, err := d.book.Judge(t.Context(), d.run)
	must(t, err)
	samples, err := d.book.Samples(t.Context(), d.run)
	must(t, err)
	return v, samples, out.String()
}

func report(t *testing.T, v burnin.Verdict) {
	t.Helper()
	for _, g := range v.Gates {
		t.Logf("%-19s %-14s %d/%d %s", g.Gate, g.Result, g.Measured, g.Expected, g.Sentences(3))
	}
}

func kernelLines(samples []burnin.Sample) (out []burnin.KernelLine) {
	for _, s := range samples {
		if s.Kernel != nil {
			out = append(out, *s.Kernel)
		}
	}
	return out
}

// TestRealPeerHealthyMachinePasses: the booted image runs the smoke plan with
// the real tools and every gate passes; what QEMU is says simulated.
func TestRealPeerHealthyMachinePasses(t *testing.T) {
	v, samples, text := burn(t, "52:54:00:12:34:01", "GOODDRIVE0001", false)
	report(t, v)
	if v.Result != inventory.ResultPass || !v.Simulated {
		t.Errorf("verdict %s, simulated %t; the console ends with:\n%s", v.Result, v.Simulated, tail(text, 40))
	}
	if strings.Contains(text, "critical medium error") {
		t.Error("the healthy twin's kernel log has a medium error")
	}
	var tools []string
	for _, u := range v.Tools {
		tools = append(tools, u.Name+" "+u.Version)
		if u.Digest == "" || u.Version == "" {
			t.Errorf("tool %+v", u)
		}
	}
	t.Logf("tools %v, boots %v, image %s, %d samples", tools, v.Boots, v.Image, len(samples))
	if len(v.Tools) < 4 || v.Image == "" {
		t.Errorf("the verdict cites tools %v, image %q", tools, v.Image)
	}
}

// TestRealPeerBadDriveFails: one unreadable sector under the raw driver. The
// guest's own kernel log shows it first; then the verdict fails, names the
// drive by its serial, and SMART, which says passed, is not the reason.
func TestRealPeerBadDriveFails(t *testing.T) {
	const serial = "BADDRIVE0001"
	v, samples, text := burn(t, "52:54:00:12:34:02", serial, true)
	report(t, v)
	want := fmt.Sprintf("critical medium error, dev nvme0n1, sector %d", badSector)
	if !strings.Contains(text, want) {
		t.Fatalf("nothing was injected: the guest's kernel log lacks %q; it ends with:\n%s", want, tail(text, 40))
	}
	drive := burnin.Entity{Kind: burnin.EntityDrive, ID: serial}
	lines := kernelLines(samples)
	if !slices.ContainsFunc(lines, func(k burnin.KernelLine) bool {
		return k.Class == burnin.KernelIO && k.Entity == drive && strings.Contains(k.Text, want)
	}) {
		t.Errorf("no sample carries the kernel's line with the drive's serial: %+v", lines)
	}
	if v.Result != inventory.ResultFail || !slices.Equal(v.Suspects, []burnin.Entity{drive}) {
		t.Errorf("verdict %s, suspects %v", v.Result, v.Suspects)
	}
	for _, g := range []inventory.Gate{burnin.GateSuite, burnin.GateErrors} {
		if got := v.Gate(g); got.Result != inventory.ResultFail || !strings.Contains(got.Sentences(9), "nvme0n1") && !strings.Contains(got.Sentences(9), serial) {
			t.Errorf("%s is %s: %s", g, got.Result, got.Sentences(9))
		}
	}
	health := 0
	for _, c := range v.Checks {
		if c.Test != "disk-health" || c.Observe {
			continue
		}
		health++
		if c.Result != inventory.ResultPass {
			t.Errorf("SMART must say passed here: %+v", c)
		}
	}
	if health < 3 {
		t.Errorf("%d health checks", health)
	}
}
