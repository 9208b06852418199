//go:build realpeer

package pxe

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inside marks the copy of the test binary that runs in its own network namespace.
const inside = "RACKWRIGHT_PXE_NETNS"

// isolated runs the calling test in a copy of this program that has a network
// namespace of its own: real ports, real broadcasts, nothing of this machine.
// It returns true in the copy. The namespace ends with the process.
func isolated(t *testing.T, limit time.Duration) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	if os.Getuid() != 0 {
		t.Fatal("real peers need root for network namespaces")
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout="+limit.String())
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("in its own network namespace:\n%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("%s: %v", t.Name(), err)
	}
	return false
}

// run runs a program to its end and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := try(t, 60*time.Second, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(t *testing.T, limit time.Duration, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var (
	wireServer = netip.MustParseAddr("10.77.0.1")
	wireScope  = Scope{Subnet: netip.MustParsePrefix("10.77.0.0/24"), First: netip.MustParseAddr("10.77.0.100"), Last: netip.MustParseAddr("10.77.0.199"), Router: wireServer, Lease: time.Hour}
)

// bridge makes the provisioning link with n taps for virtual machines.
func bridge(t *testing.T, n int) {
	t.Helper()
	run(t, "ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0")
	run(t, "ip", "addr", "add", wireServer.String()+"/24", "dev", "br0")
	run(t, "ip", "link", "set", "br0", "up")
	for i := range n {
		tap := fmt.Sprintf("t%d", i)
		run(t, "ip", "tuntap", "add", tap, "mode", "tap")
		run(t, "ip", "link", "set", tap, "master", "br0", "up")
	}
	settle(t, "br0")
}

// settle waits for the link-local address: without it nobody advertises a router.
func settle(t *testing.T, dev string) {
	t.Helper()
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out := run(t, "ip", "-6", "addr", "show", "dev", dev, "scope", "link")
		if strings.Contains(out, "fe80") && !strings.Contains(out, "tentative") {
			return
		}
	}
	t.Logf("%s has no IPv6 link-local address: router advertisements are not tested", dev)
}

// cable makes a second namespace with one cable to the bridge; programs run
// in it by ip netns exec.
func cable(t *testing.T, i int) string {
	t.Helper()
	ns := fmt.Sprintf("rwpxe-%d-%d", os.Getpid(), i)
	run(t, "ip", "netns", "add", ns)
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", ns).CombinedOutput(); err != nil {
			t.Errorf("namespace %s stays: %v %s", ns, err, out)
		}
	})
	near := fmt.Sprintf("v%d", i)
	run(t, "ip", "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", ns)
	run(t, "ip", "link", "set", near, "master", "br0", "up")
	run(t, "ip", "-n", ns, "link", "set", "lo", "up")
	run(t, "ip", "-n", ns, "link", "set", "eth0", "address", string(macOf(i)), "up")
	return ns
}

// onWire is the configuration of a service on the bridge, with the real ports.
func onWire(mode Mode) func(*Config) {
	return func(c *Config) {
		c.Policy.Mode = mode
		c.Listen, c.Interfaces = netip.IPv4Unspecified(), []string{"br0"}
		c.DHCPPort, c.ProxyPort, c.TFTPPort, c.HTTPPort = 0, 0, 0, 0
		c.Scopes = []Scope{wireScope}
		c.Endpoints = Endpoints{Server: wireServer, API: "https://10.77.0.1:8443"}
		c.Args = map[string][]string{"": {"console=ttyS0,115200n8"}}
		c.Advertise = mode == ModeAuthoritative
	}
}

// tempFile writes a file of the test and returns its path.
func tempFile(t *testing.T, name, text string, perm os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), perm); err != nil {
		t.Fatal(err)
	}
	return path
}

// dnsmasq runs Debian's dnsmasq as DHCP server in a namespace, until the test ends.
func dnsmasq(t *testing.T, ns string, args ...string) {
	t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", ns, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0",
		"--bind-interfaces", "--log-facility=-", "--user=root", "--pid-file="}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: its status says nothing
		if t.Failed() {
			t.Logf("dnsmasq:\n%s", out.String())
		}
	})
	eventually(t, "dnsmasq listening", func() bool { return strings.Contains(out.String(), "DHCP, IP range") })
}
