//go:build realpeer

package pxe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/images"
)

// bootDir tells the isolated copy where kernel and initramfs lie.
const bootDir = "RACKWRIGHT_PXE_BOOT"

// guestFiles makes what the guests boot, once: Debian's kernel out of its
// package, not installed, and an initramfs with our own process 1.
func guestFiles(t *testing.T) {
	t.Helper()
	if os.Getenv(bootDir) != "" {
		return
	}
	dir := t.TempDir()
	t.Setenv(bootDir, dir)
	name := ""
	for line := range strings.Lines(run(t, "apt-cache", "depends", "linux-image-amd64")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "Depends:" {
			name = f[1]
		}
	}
	if name == "" {
		t.Fatal("linux-image-amd64 names no kernel: run apt-get update")
	}
	out, err := try(t, 5*time.Minute, "sh", "-c", `cd "$0" && chmod 755 . && apt-get -q download "$1" && dpkg-deb --fsys-tarfile "$1"_*.deb | tar -xO --wildcards './boot/vmlinuz-*' >kernel && test -s kernel`, dir, name)
	if err != nil {
		t.Fatalf("kernel: %v\n%s", err, out)
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "init"), "./testdata/guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("guest init: %v\n%s", err, out)
	}
	program, err := os.Open(filepath.Join(dir, "init"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	var initrd bytes.Buffer
	if err := images.WriteInitramfs(&initrd, []images.Entry{{Path: "init", Mode: 0o755, File: program}, {Path: "proc", Mode: os.ModeDir | 0o755},
		{Path: "dev", Mode: os.ModeDir | 0o755}, {Path: "dev/console", Mode: os.ModeDevice | os.ModeCharDevice | 0o600, Major: 5, Minor: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "initrd"), initrd.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("guests boot %s", name)
}

// realFiles are the files of guestFiles and Debian's boot programs.
func realFiles(t *testing.T) bootFiles {
	t.Helper()
	f := bootFiles{args: []string{"quiet", "nokaslr", "mitigations=off", "no_timer_check", "random.trust_cpu=on", "panic=-1"}}
	for name, to := range map[string]*[]byte{"kernel": &f.kernel, "initrd": &f.initrd} {
		var err error
		if *to, err = os.ReadFile(filepath.Join(os.Getenv(bootDir), name)); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if f.programs, err = LoadPrograms("/usr/lib/ipxe", "undionly.kpxe", "snponly.efi"); err != nil {
		t.Fatal(err)
	}
	return f
}

// guest is a virtual machine without disk: one virtual CPU, software emulation.
type guest struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	serial string
	gone   chan error
	began  time.Time
}

// firmware names what a guest has in ROM.
type firmware string

const (
	seabios  firmware = "SeaBIOS with iPXE ROM"
	ovmfPXE  firmware = "OVMF PXE"
	ovmfHTTP firmware = "OVMF HTTP"
)

// power starts a guest on tap i; it is ended by its pid when the test ends.
func power(t *testing.T, name string, fw firmware, i int) *guest {
	t.Helper()
	dir := t.TempDir()
	g := &guest{t: t, name: name, serial: filepath.Join(dir, "serial"), gone: make(chan error, 1), began: time.Now()}
	args := []string{"-accel", "tcg", "-m", "512", "-smp", "1", "-display", "none", "-serial", "file:serial", "-monitor", "none", "-nodefaults",
		"-uuid", fmt.Sprintf("00112233-4455-6677-8899-aabbccddee%02x", i), "-netdev", fmt.Sprintf("tap,id=n0,ifname=t%d,script=no,downscript=no", i)}
	nic := fmt.Sprintf("virtio-net-pci,netdev=n0,mac=%s,bootindex=1", macOf(i))
	if fw == seabios {
		args = append(args, "-machine", "pc,graphics=off", "-device", nic)
	} else {
		vars, err := os.ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "vars"), vars, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-machine", "q35", "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
			"-drive", "if=pflash,format=raw,unit=1,file=vars", "-device", nic+",romfile=", "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n")
		if fw == ovmfHTTP {
			args = append(args, "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")
		}
	}
	g.cmd = exec.Command("qemu-system-x86_64", args...)
	g.cmd.Dir = dir // plain file names: a comma in a path would be an option
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out safeBuffer
	g.cmd.Stdout, g.cmd.Stderr = &out, &out
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := g.cmd.Wait()
		if err != nil && out.String() != "" {
			err = errors.New(err.Error() + ": " + out.String())
		}
		g.gone <- err
	}()
	t.Cleanup(func() {
		_ = g.cmd.Process.Kill() // this guest, by its pid
		<-ended
	})
	return g
}

// console is what the guest has printed so far.
func (g *guest) console() string {
	f, err := os.Open(g.serial)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	return string(b)
}

// until waits for a text on the console, n times; it fails with the console's end.
func (g *guest) until(ctx context.Context, text string, n int, limit time.Duration) bool {
	g.t.Helper()
	for end := g.began.Add(limit); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		if strings.Count(g.console(), text) >= n {
			g.t.Logf("%s: %q after %s", g.name, text, time.Since(g.began).Round(100*time.Millisecond))
			return true
		}
		select {
		case err := <-g.gone:
			g.gone <- err
			if strings.Count(g.console(), text) >= n {
				g.t.Logf("%s: %q after %s", g.name, text, time.Since(g.began).Round(100*time.Millisecond))
				return true
			}
			g.t.Errorf("%s ended without %q: %v\n%s", g.name, text, err, tail(g.console()))
			return false
		default:
		}
	}
	g.t.Errorf("%s: no %q within %s:\n%s", g.name, text, limit, tail(g.console()))
	return false
}

// off ends a guest.
func (g *guest) off() {
	_ = g.cmd.Process.Kill()
	g.gone <- <-g.gone
}

func tail(s string) string {
	return s[max(0, len(s)-2500):]
}
