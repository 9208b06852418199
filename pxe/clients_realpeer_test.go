//go:build realpeer

package pxe

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// udhcpcScript configures the interface as distributions do, and says what it got.
const udhcpcScript = `#!/bin/sh
echo "EVENT $1 ip=$ip router=$router lease=$lease boot=$boot_file siaddr=$siaddr server=$serverid"
case "$1" in bound|renew) ip addr flush dev $interface; ip addr add $ip/24 dev $interface ;; esac
`

const dhclientScript = `#!/bin/sh
echo "EVENT $reason ip=$new_ip_address router=$new_routers file=$new_filename server=$new_dhcp_server_identifier"
case "$reason" in BOUND|RENEW|REBOOT) ip addr flush dev $interface; ip addr add $new_ip_address/24 dev $interface ;; esac
exit 0
`

var boundLine = regexp.MustCompile(`EVENT (?:bound|BOUND) ip=([0-9.]+)`)

func addressIn(t *testing.T, out string) netip.Addr {
	t.Helper()
	m := boundLine.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no address:\n%s", out)
	}
	a, err := netip.ParseAddr(m[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", m[0])
	return a
}

// TestRealPeerDHCPClients: busybox udhcpc and ISC dhclient get, renew and
// release an address, and never a boot option.
func TestRealPeerDHCPClients(t *testing.T) {
	if !isolated(t, 3*time.Minute) {
		return
	}
	bridge(t, 0)
	s := serveOn(t, openRecord(t), onWire(ModeAuthoritative))
	s.expect(1) // wants a network boot: an operating system on it gets none all the same
	one, two := cable(t, 1), cable(t, 2)

	script := tempFile(t, "script.sh", udhcpcScript, 0o755)
	out := run(t, "ip", "netns", "exec", one, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "2", "-s", script)
	a := addressIn(t, out)
	if !wireScope.inPool(a) || !strings.Contains(out, "router=10.77.0.1") || !strings.Contains(out, "boot= ") || !strings.Contains(out, "lease=3600") {
		t.Errorf("udhcpc:\n%s", out)
	}
	again := addressIn(t, run(t, "ip", "netns", "exec", one, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "2", "-s", script, "-r", a.String()))
	if again != a {
		t.Errorf("udhcpc got %s, then %s", a, again)
	}

	dir := t.TempDir()
	sh := tempFile(t, "dhclient.sh", dhclientScript, 0o755)
	common := []string{"netns", "exec", two, "dhclient", "-v", "-sf", sh, "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "-cf", "/dev/null"}
	out = run(t, "ip", append(common, "-1", "eth0")...)
	b := addressIn(t, out)
	if b == a || !wireScope.inPool(b) || !strings.Contains(out, "file= ") || !strings.Contains(out, "server=10.77.0.1") {
		t.Errorf("dhclient:\n%s", out)
	}
	leases, err := os.ReadFile(filepath.Join(dir, "leases"))
	if err != nil || !bytes.Contains(leases, []byte(b.String())) {
		t.Errorf("leases: %v\n%s", err, leases)
	}
	out = run(t, "ip", append(common, "-r", "eth0")...)
	if !strings.Contains(out, "DHCPRELEASE") {
		t.Errorf("dhclient -r:\n%s", out)
	}
	eventually(t, "the release in the record", func() bool {
		rows, err := s.record.Bound(t.Context(), wireScope.Subnet)
		if err != nil {
			return false
		}
		for _, r := range rows {
			if r.Addr == b && r.State == "released" {
				return true
			}
		}
		return false
	})
	all, err := s.record.Sightings(t.Context())
	if err != nil || len(all) == 0 || all[0].MAC != macOf(2) || all[0].Simulated {
		t.Errorf("sightings %+v %v: want the machine that nobody expects", all, err)
	}
}

// TestRealPeerTransfers: Debian's TFTP clients and curl, with options and ranges.
func TestRealPeerTransfers(t *testing.T) {
	if !isolated(t, 3*time.Minute) {
		return
	}
	bridge(t, 0)
	s := serveOn(t, openRecord(t), onWire(ModeAuthoritative))
	n := s.expect(1)
	ns := cable(t, 1)
	script := tempFile(t, "script.sh", udhcpcScript, 0o755)
	addressIn(t, run(t, "ip", "netns", "exec", ns, "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "2", "-s", script))
	want := s.deps.Programs.files["snponly.efi"].data
	dir := t.TempDir()
	fetch := func(name string, args ...string) {
		t.Helper()
		path := filepath.Join(dir, name)
		out, err := try(t, 30*time.Second, "ip", append([]string{"netns", "exec", ns}, append(args, path)...)...)
		got, rerr := os.ReadFile(path)
		if err != nil || rerr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v %v, %d of %d bytes\n%s", name, err, rerr, len(got), len(want), out)
			return
		}
		t.Logf("%s: %d bytes, as served", name, len(got))
	}
	server := wireServer.String()
	fetch("tftp-hpa", "sh", "-c", `exec tftp -m binary `+server+` -c get snponly.efi "$0"`)
	fetch("atftp-512", "sh", "-c", `exec atftp --get -r snponly.efi -l "$0" `+server)
	fetch("atftp-options", "sh", "-c", `exec atftp --option "blksize 1428" --option "tsize 0" --get -r snponly.efi -l "$0" `+server)
	fetch("atftp-too-large", "sh", "-c", `exec atftp --option "blksize 8192" --option "windowsize 8" --get -r snponly.efi -l "$0" `+server)
	fetch("curl-tftp", "curl", "-sS", "--tftp-blksize", "1468", "tftp://"+server+"/snponly.efi", "-o")
	out, err := try(t, 20*time.Second, "ip", "netns", "exec", ns, "curl", "-sS", "tftp://"+server+"/../../etc/passwd", "-o", "/dev/null")
	if err == nil || !strings.Contains(err.Error(), "exit status 68") { // CURLE_TFTP_NOTFOUND
		t.Errorf("a file that is not served: %v %s", err, out)
	}

	base := s.endpoints().base(macOf(1), NodeToken(testKey, macOf(1), n))
	want = s.kernel[100:5000]
	fetch("curl-range", "curl", "-sSf", "-r", "100-4999", base+"/f/"+s.digest.Hex()+"/kernel", "-o")
	want = s.kernel
	half := filepath.Join(dir, "curl-resume")
	if err := os.WriteFile(half, s.kernel[:len(s.kernel)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	fetch("curl-resume", "curl", "-sSf", "-C", "-", base+"/f/"+s.digest.Hex()+"/kernel", "-o")
	head := run(t, "ip", "netns", "exec", ns, "curl", "-sSI", base+"/amd64/boot.efi")
	if !strings.Contains(head, "Content-Length: 173792") || !strings.Contains(head, "application/efi") || !strings.Contains(head, "Accept-Ranges: bytes") {
		t.Errorf("HEAD:\n%s", head)
	}
	code := run(t, "ip", "netns", "exec", ns, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", strings.Replace(base, "/b/", "/b/../b/", 1)+"/f/"+s.digest.Hex()+"/kernel", "--path-as-is")
	if code != "404" {
		t.Errorf("a path with dots: %s", code)
	}
}
