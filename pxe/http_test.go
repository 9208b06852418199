package pxe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/pxe/romsim"
)

// fetchFrom sends one request from an address of its own.
func fetchFrom(t *testing.T, from netip.Addr, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: ip(from)}}).DialContext}
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, data
}

// booted boots a machine and returns the base URL of its boot and its address.
func booted(t *testing.T, s *site, i int) (string, romsim.Result) {
	t.Helper()
	out, err := s.machine(i, romsim.IPXE, romsim.ArchBIOS).Boot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.endpoints().base(macOf(i), out.Token), out
}

// TestHTTPFiles: HEAD, Range, length, type and ETag of everything that scripts name.
func TestHTTPFiles(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	base, out := booted(t, s, 1)
	file := base + "/f/" + s.digest.Hex() + "/kernel"
	res, data := fetchFrom(t, out.Addr, "HEAD", file)
	if res.StatusCode != 200 || res.ContentLength != int64(len(s.kernel)) || len(data) != 0 || res.Header.Get("ETag") != fmt.Sprintf("%q", s.image.Files["kernel"]) {
		t.Errorf("HEAD: %s %v", res.Status, res.Header)
	}
	res, data = fetchFrom(t, out.Addr, "GET", file, "Range", "bytes=1000-1999")
	if res.StatusCode != http.StatusPartialContent || !bytes.Equal(data, s.kernel[1000:2000]) || res.Header.Get("Content-Range") != fmt.Sprintf("bytes 1000-1999/%d", len(s.kernel)) {
		t.Errorf("Range: %s, %d bytes, %s", res.Status, len(data), res.Header.Get("Content-Range"))
	}
	res, _ = fetchFrom(t, out.Addr, "GET", file, "Range", "bytes=99999999-")
	if res.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("Range beyond the end: %s", res.Status)
	}
	_, data = fetchFrom(t, out.Addr, "GET", file)
	if sum := sha256.Sum256(data); inventory.DigestOf(s.kernel).Hex() != fmt.Sprintf("%x", sum) {
		t.Error("the kernel differs")
	}
	res, _ = fetchFrom(t, out.Addr, "GET", base+"/amd64/boot.efi")
	if res.Header.Get("Content-Type") != "application/efi" || res.ContentLength != int64(len(s.deps.Programs.files["snponly.efi"].data)) {
		t.Errorf("program: %v", res.Header)
	}
	for _, p := range []string{"/autoexec.ipxe", "/amd64/autoexec.ipxe"} {
		if res, data := fetchFrom(t, out.Addr, "GET", base+p); res.StatusCode != 200 || string(data) != AutoexecScript {
			t.Errorf("%s: %s %q", p, res.Status, data)
		}
	}
	if res, _ := fetchFrom(t, out.Addr, "POST", file); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") == "" {
		t.Errorf("POST: %s", res.Status)
	}
	for _, p := range []string{"/f/" + s.digest.Hex() + "/uki", "/f/" + strings.Repeat("0", 64) + "/kernel", "/f/zz/kernel", "/../../", "/f/" + s.digest.Hex() + "/../kernel", "/x", "/event/else"} {
		if res, _ := fetchFrom(t, out.Addr, "GET", base+p); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s, want 404", p, res.Status)
		}
	}
}

// TestHTTPTokens: another machine's, an old one, an invented one, from another
// address, after redemption, redeemed twice.
func TestHTTPTokens(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for i := 1; i <= 4; i++ {
		s.expect(i)
	}
	base, out := booted(t, s, 1)
	_, two := booted(t, s, 2)
	refused := func(what, url string, from netip.Addr) {
		t.Helper()
		if res, data := fetchFrom(t, from, "GET", url); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s %q, want 403", what, res.Status, data)
		}
	}
	file := "/f/" + s.digest.Hex() + "/kernel"
	refused("invented", s.endpoints().base(macOf(1), inventory.NewSecret(strings.Repeat("0", 32)))+file, out.Addr)
	refused("another machine's", s.endpoints().base(macOf(1), two.Token)+file, out.Addr)
	refused("unknown machine", s.endpoints().base(macOf(9), out.Token)+file, out.Addr)
	s.record.change(func(r *record) { r.nodes[1].Operation.Boot.Attempt++ })
	refused("an old attempt's", s.endpoints().base(macOf(2), two.Token)+file, two.Addr)

	token := inventory.DigestOf([]byte(out.Token.Reveal()))
	full := errors.New("the disk is full")
	s.record.change(func(r *record) { r.noLine = full })
	this := inventory.Hint{MAC: macOf(1), Boot: "b1"}
	want(t, s.Redeem(t.Context(), token, this), full) // the agent asks again: without its line the gate would stay open
	s.record.change(func(r *record) { r.noLine = nil })
	if err := s.Redeem(t.Context(), token, this); err != nil {
		t.Fatal(err)
	}
	refused("a redeemed one", base+file, out.Addr)
	if res, data := fetchFrom(t, out.Addr, "GET", base+"/script.ipxe"); res.StatusCode != 200 || !strings.Contains(string(data), "exit 1") || strings.Contains(string(data), "kernel --name") {
		t.Errorf("script after redemption: %s %q: want the reason for the console", res.Status, data)
	}
	_, err := s.machine(1, romsim.IPXE, romsim.ArchBIOS).Boot(t.Context())
	want(t, err, romsim.ErrDisk) // the agent runs: its restart is from disk
	want(t, s.Redeem(t.Context(), token, inventory.Hint{MAC: macOf(1)}), inventory.ErrConflict)
	if !s.has(1, StageAgent, BranchRedeemed) || !s.has(1, StageAgent, BranchRevoked) || s.Counts()[BranchTwice] != 1 {
		t.Errorf("ledger %+v", s.lines(1))
	}

	base3, three := booted(t, s, 3)
	refused("from another address", base3+file, netip.MustParseAddr("127.9.0.77"))
	refused("after it was used from another address", base3+file, three.Addr)
	if !s.has(3, StageKernel, BranchRevoked) {
		t.Errorf("ledger %+v", s.lines(3))
	}
	base4, four := booted(t, s, 4)
	s.record.change(func(r *record) {
		r.nodes[3].Holds = append(r.nodes[3].Holds, inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak"})
	})
	refused("a held node", base4+file, four.Addr)
}

// TestHTTPTokenBesideAnotherServer: the first script fetch says whose it is.
func TestHTTPTokenBesideAnotherServer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Policy.Mode, c.Scopes = ModeProxy, nil })
	n := s.expect(1)
	base := s.endpoints().base(macOf(1), NodeToken(testKey, macOf(1), n))
	mine, other := netip.MustParseAddr("127.9.0.50"), netip.MustParseAddr("127.9.0.51")
	for _, c := range []struct {
		from netip.Addr
		path string
		want int
	}{{other, "/amd64/boot.efi", 200}, {mine, "/script.ipxe", 200}, {mine, "/f/" + s.digest.Hex() + "/initrd", 200},
		{other, "/f/" + s.digest.Hex() + "/kernel", 403}, {mine, "/f/" + s.digest.Hex() + "/kernel", 403}} {
		if res, _ := fetchFrom(t, c.from, "GET", base+c.path); res.StatusCode != c.want {
			t.Errorf("%s from %s: %s, want %d", c.path, c.from, res.Status, c.want)
		}
	}
}

// TestMissingImageSaysSo: on the console, in the ledger, and the boot goes on to the next entry.
func TestMissingImageSaysSo(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	s.record.change(func(r *record) { r.nodes[0].Operation.Boot.Image = "nowhere" })
	out, err := s.machine(1, romsim.IPXE, romsim.ArchBIOS).Boot(t.Context())
	want(t, err, romsim.ErrScript)
	if !strings.Contains(strings.Join(out.Console, "\n"), "Publish image nowhere") {
		t.Errorf("console %q", out.Console)
	}
	if !s.has(1, StageScript, BranchNoImage) {
		t.Errorf("ledger %+v", s.lines(1))
	}
}

// TestRecordFailureIsNotForbidden: firmware may try again, and the log says why.
func TestRecordFailureIsNotForbidden(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	base, out := booted(t, s, 1)
	s.record.change(func(r *record) { r.failing = context.DeadlineExceeded })
	if res, data := fetchFrom(t, out.Addr, "GET", base+"/script.ipxe"); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(string(data), "deadline") {
		t.Errorf("%s %q", res.Status, data)
	}
}

// TestSlowReaderIsServed: deadlines go by rate, not by total time, and a
// transfer that stops half way is told apart.
func TestSlowReaderIsServed(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	m := s.machine(1, romsim.IPXE, romsim.ArchBIOS)
	m.Faults.BytesPerSec = 400_000
	if _, err := m.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.expect(2)
	base, out := booted(t, s, 2)
	before := len(s.lines(2))
	c, err := net.DialTCP("tcp4", &net.TCPAddr{IP: ip(out.Addr)}, net.TCPAddrFromAddrPort(s.Addrs().HTTP))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadBuffer(2048); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(base, "http://"+s.endpoints().HTTP)
	fmt.Fprintf(c, "GET %s/f/%s/kernel HTTP/1.1\r\nHost: x\r\n\r\n", path, s.digest.Hex())
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	eventually(t, "a kernel line", func() bool {
		for _, l := range s.lines(2)[before:] {
			if l.Stage == StageKernel && l.Bytes > 0 {
				return true
			}
		}
		return false
	})
}

// TestHandlerOnAnotherListener: NoHTTP leaves the listener to the composition root.
func TestHandlerOnAnotherListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(c *Config) { c.HTTPPort, c.Endpoints.HTTP = NoHTTP, l.Addr().String() })
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	if s.Addrs().HTTP.IsValid() {
		t.Error("a listener of its own was opened")
	}
	s.expect(1)
	if _, err := s.machine(1, romsim.HTTP, romsim.ArchAMD64HTTP).Boot(t.Context()); err != nil {
		t.Error(err)
	}
}

func FuzzBootPath(f *testing.F) {
	good := "/b/52:54:00:00:00:01/" + strings.Repeat("a", 32)
	for _, p := range []string{good + "/script.ipxe", good + "/amd64/boot.efi", good + "/f/" + strings.Repeat("0", 64) + "/kernel", good + "/event/script", "/b/../../etc", "/", "", good + "//script.ipxe", "/b//x/y/z"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, path string) {
		b, ok := parsePath(path)
		if !ok {
			return
		}
		if b.mac.Hardware() == nil || len(b.token.Reveal()) != tokenDigits || b.kind == "" || strings.Contains(path, "..") || strings.Contains(path, "//") {
			t.Errorf("%q is read as %+v", path, b)
		}
		if (b.kind == pathFile) != (b.file != "") || b.kind == pathFile && len(b.image.Hex()) != 64 {
			t.Errorf("%q is read as %+v", path, b)
		}
	})
}
