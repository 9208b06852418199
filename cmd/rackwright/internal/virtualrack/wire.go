package virtualrack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// isolated marks the copy of this program that has a network of its own.
const isolated = "RACKWRIGHT_ISOLATED"

// Isolated reports whether this is the copy that Isolate started.
func Isolated() bool { return os.Getenv(isolated) != "" }

// Isolate runs this program again with the given arguments in a network
// namespace of its own, and returns its exit code. Nothing of this machine's
// network is touched; the namespace ends with the copy.
func Isolate(ctx context.Context, args []string, stdout, stderr *os.File) (int, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("network namespace: %w", err)
	}
	return 0, nil
}

// Missing says what real machines need and this machine lacks, a line each
// with the way to get it.
func Missing() error {
	var faults []error
	lacks := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf(format+": %w", append(args, inventory.ErrNotFound)...))
	}
	if os.Getuid() != 0 {
		lacks("real machines need a network of their own: run it as root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		lacks("/dev/net/tun is not there: modprobe tun, or give this container the device")
	}
	for _, p := range [][2]string{{qemuProgram, "qemu-system-x86"}, {"ip", "iproute2"}} {
		if _, err := exec.LookPath(p[0]); err != nil {
			lacks("%s is not installed: apt-get install %s", p[0], p[1])
		}
	}
	for _, f := range [][2]string{{ovmfCode, "ovmf"}, {ovmfVars, "ovmf"}, {BootPrograms + "/snponly.efi", "ipxe"}} {
		if _, err := os.Stat(f[0]); err != nil {
			lacks("%s is not there: apt-get install %s", f[0], f[1])
		}
	}
	return errors.Join(faults...)
}

// BootPrograms is where Debian's package ipxe puts its programs.
const BootPrograms = "/usr/lib/ipxe"

// Bridge is the name of the provisioning link that Wire makes.
const Bridge = "rwboot0"

// TapOf is the network device of a slot's machine on the bridge.
func TapOf(slot string) string { return "rwtap" + strings.ToLower(slot) }

// Wire makes the provisioning link in the namespace of this process: a bridge
// with our address, a tap for each slot, and the loopback for BMCs and pages.
func Wire(ctx context.Context, at netip.Prefix, slots ...string) error {
	steps := []string{"link set lo up", "link add " + Bridge + " type bridge stp_state 0 forward_delay 0",
		"addr add " + at.String() + " dev " + Bridge, "link set " + Bridge + " up"}
	for _, s := range slots {
		steps = append(steps, "tuntap add "+TapOf(s)+" mode tap", "link set "+TapOf(s)+" master "+Bridge+" up")
	}
	for _, step := range steps {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(step)...).CombinedOutput(); err != nil {
			return fmt.Errorf("provisioning link: ip %s: %w: %s", step, err, strings.TrimSpace(string(out)))
		}
	}
	return linkLocal(ctx)
}

// linkLocal waits until the bridge has its IPv6 address: without it nobody
// advertises a router, and iPXE waits for one.
func linkLocal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, "ip", "-6", "addr", "show", "dev", Bridge, "scope", "link").CombinedOutput()
		if err == nil && strings.Contains(string(out), "fe80") && !strings.Contains(string(out), "tentative") {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil // a kernel without IPv6: booting takes longer, and works
		case <-time.After(100 * time.Millisecond):
		}
	}
}
