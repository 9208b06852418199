//go:build realpeer

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// vmImageEnv names a folder that keeps the burn-in image between test runs.
const vmImageEnv = "RACKWRIGHT_TEST_IMAGE"

// vmDeadline bounds image, boots and burn-in on two shared cores.
const vmDeadline = 25 * time.Minute

// TestRealPeerDemoVM runs the product as a user does, built by make: three QEMU
// machines behind simulated BMCs. One boots by PXE, two by UEFI HTTP, the image
// runs its smoke plan with the real tools, the machine with the unreadable
// sector fails for its drive, the others are handed over. Exit 0 says that the
// package verifies, and that the demo's own checks of it hold.
func TestRealPeerDemoVM(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), vmDeadline)
	defer cancel()
	build := exec.CommandContext(ctx, "make", "build")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	program, err := filepath.Abs(filepath.Join(build.Dir, "bin", "rackwright"))
	if err != nil {
		t.Fatal(err)
	}
	data, image := t.TempDir(), os.Getenv(vmImageEnv)
	if image == "" {
		image = filepath.Join(t.TempDir(), "image")
	}
	cmd := exec.CommandContext(ctx, program, "demo", "--vm", "--quick", "--data", data, "--image", image)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 40 * time.Second
	began := time.Now()
	out, err := cmd.CombinedOutput()
	text := string(out)
	t.Logf("demo --vm took %s:\n%s", time.Since(began).Round(time.Second), text)
	if err != nil {
		t.Fatalf("demo --vm: %v", err)
	}
	for _, want := range []string{"rack A12 is handed_over", "verify: verified", "SIMULATED", "certificate.json, cited.image: sha256:",
		"A12/C01: DMI serial SIMA12C01", "A12/C02: DMI serial SIMA12C02", "certificate.json, excluded: C03",
		"A12/C01 booted: pxe-program, ipxe-script", "A12/C02 booted: http-program, ipxe-script", "A12/C03 booted: http-program, ipxe-script",
		"A12/C01 plan smoke: pass", "A12/C02 plan smoke: pass", "A12/C03 plan smoke: fail"} {
		if !strings.Contains(text, want) {
			t.Errorf("it never says %q", want)
		}
	}
	console, err := os.ReadFile(filepath.Join(data, "machines", vmBadSlot, "console.log"))
	if err != nil || !strings.Contains(string(console), "critical medium error, dev nvme0n1, sector 4096") {
		t.Errorf("nothing was injected: %s's kernel log has no medium error (%v)", vmBadSlot, err)
	}
	healthy, err := os.ReadFile(filepath.Join(data, "machines", vmPXESlot, "console.log"))
	if err != nil || strings.Contains(string(healthy), "critical medium error") {
		t.Errorf("%s's kernel log has a medium error (%v)", vmPXESlot, err)
	}
	left, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range left {
		if at, err := os.Readlink(link); err == nil && strings.HasPrefix(at, data) {
			t.Errorf("process %s still runs in %s", link, at)
		}
	}
}
