package pxe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pin/tftp/v3"

	"github.com/rackwright/rackwright/pxe/romsim"
)

// tftpClient is a raw client: what a ROM or an attacker may send.
type tftpClient struct {
	t    *testing.T
	conn *net.UDPConn
	to   netip.AddrPort
}

func dialTFTP(t *testing.T, s *site, from string) *tftpClient {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(from)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &tftpClient{t: t, conn: c, to: s.Addrs().TFTP}
}

func (c *tftpClient) send(packet []byte, to netip.AddrPort) {
	c.t.Helper()
	if _, err := c.conn.WriteToUDPAddrPort(packet, to); err != nil {
		c.t.Fatal(err)
	}
}

func rrq(name string, options ...string) []byte {
	out := []byte{0, 1}
	for _, p := range append([]string{name, "octet"}, options...) {
		out = append(append(out, p...), 0)
	}
	return out
}

func ackBlock(n uint16) []byte { return binary.BigEndian.AppendUint16([]byte{0, 4}, n) }

// next is the next packet within a time, nil for silence.
func (c *tftpClient) next(wait time.Duration) ([]byte, netip.AddrPort) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		c.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, from, err := c.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		return nil, from
	}
	return buf[:n], from
}

// TestTFTPBlockSize: the library's own clamp would fragment; 1,428 fits everywhere.
func TestTFTPBlockSize(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, c := range []struct{ option, value, want string }{
		{"blksize", "1468", "blksize\x001428\x00"}, {"blksize", "65464", "blksize\x001428\x00"}, {"blksize", "1024", "blksize\x001024\x00"},
		{"BLKSIZE", "1024", ""}, // the library knows lower case only: such a client gets 512
		{"windowsize", "4", ""}, {"timeout", "9", ""}} {
		x := dialTFTP(t, s, "127.9.0.60")
		x.send(rrq("snponly.efi", c.option, c.value), x.to)
		got, _ := x.next(2 * time.Second)
		if c.want == "" && (len(got) != 516 || got[1] != 3) {
			t.Errorf("%s: %d bytes of kind %d, want DATA of 512: an option that is not known is not there", c.option, len(got), got[1])
		}
		if c.want != "" && string(got) != "\x00\x06"+c.want {
			t.Errorf("%s %s: %q", c.option, c.value, got)
		}
	}
}

// TestTFTPSizeProbe: EDK2 asks for the size and ends with ERROR 8, on every boot.
func TestTFTPSizeProbe(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	if _, err := s.machine(1, romsim.PXE, romsim.ArchAMD64).Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.has(1, StageTFTPDone, BranchProbe) || !s.has(1, StageTFTPDone, BranchServed) || s.abortedNow(1) {
		t.Errorf("ledger %+v", s.lines(1))
	}
}

// TestTFTPRepeatedRequest: the library starts a second transfer for every
// repeated request, from a second port.
func TestTFTPRepeatedRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	x := dialTFTP(t, s, "127.9.0.60")
	x.send(rrq("snponly.efi"), x.to)
	first, from := x.next(time.Second)
	if len(first) != 516 {
		t.Fatalf("%d bytes", len(first))
	}
	x.send(rrq("snponly.efi"), x.to)
	for end := time.Now().Add(400 * time.Millisecond); time.Now().Before(end); {
		if got, other := x.next(100 * time.Millisecond); got != nil && other != from {
			t.Fatalf("a second transfer from %s beside %s", other, from)
		}
	}
	// A restarted client, from a new port, takes over; the old transfer ends.
	y := dialTFTP(t, s, "127.9.0.60")
	y.send(rrq("snponly.efi"), y.to)
	if got, _ := y.next(time.Second); len(got) != 516 {
		t.Fatalf("the restarted client got %q", got)
	}
	x.send(ackBlock(1), from)
	for {
		got, _ := x.next(2 * time.Second)
		if got == nil {
			t.Fatal("the old transfer goes on")
		}
		if got[1] == 5 {
			break
		}
	}
}

// TestTFTPTellsNothing: error texts reach the client, so they name no path.
func TestTFTPTellsNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, name := range []string{"../../etc/passwd", "/etc/shadow", "snponly.efi/..", "", `..\..\x`, "nothing", strings.Repeat("a", 400)} {
		x := dialTFTP(t, s, "127.9.0.61")
		x.send(rrq(name), x.to)
		got, _ := x.next(time.Second)
		if len(got) < 4 || got[1] != 5 || string(got[4:]) != errNoFile.Error()+"\x00" {
			t.Errorf("%q: %q", name, got)
		}
	}
	x := dialTFTP(t, s, "127.9.0.61") // writing is not served
	x.send(append([]byte{0, 2}, "x\x00octet\x00"...), x.to)
	if got, _ := x.next(time.Second); len(got) < 4 || got[1] != 5 {
		t.Errorf("a write request was answered by %q", got)
	}
	for _, spelled := range []string{"/snponly.efi", `\snponly.efi`, "snponly.efi"} {
		x := dialTFTP(t, s, "127.9.0.62")
		x.send(rrq(spelled), x.to)
		if got, _ := x.next(time.Second); len(got) != 516 {
			t.Errorf("%q: %q", spelled, got)
		}
	}
}

// TestTFTPGate: a stranger from outside every scope, and a machine whose gate is shut.
func TestTFTPGate(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	x := dialTFTP(t, s, "127.8.0.1")
	x.send(rrq("snponly.efi"), x.to)
	if got, _ := x.next(time.Second); len(got) < 4 || got[1] != 5 || string(got[4:]) != errNotNow.Error()+"\x00" {
		t.Errorf("outside every scope: %q", got)
	}
	m := s.machine(1, romsim.PXE, romsim.ArchAMD64)
	m.Faults.StopAfter = romsim.StageAck
	out, err := m.Boot(t.Context())
	want(t, err, romsim.ErrDark)
	s.record.change(func(r *record) { r.nodes[0].Operation.Boot.Until = time.Now().Add(-time.Second) })
	y := dialTFTP(t, s, out.Addr.String())
	y.send(rrq("snponly.efi"), y.to)
	if got, _ := y.next(time.Second); len(got) < 4 || got[1] != 5 {
		t.Errorf("gate shut: %q", got)
	}
	if !s.has(1, StageRRQ, BranchRefused) {
		t.Error("no ledger line")
	}
}

// TestTFTPHostile: what panics the library in single-port mode, on a live
// transfer and on the server's port.
func TestTFTPHostile(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	x := dialTFTP(t, s, "127.9.0.63")
	x.send(rrq("snponly.efi", "blksize", "1428"), x.to)
	_, from := x.next(time.Second)
	for _, junk := range [][]byte{bytes.Repeat([]byte{1}, 1000), bytes.Repeat([]byte{0, 4}, 700), {}, {0}, {0, 6}, {0, 5}} {
		x.send(junk, from)
		x.send(junk, x.to)
	}
	y := dialTFTP(t, s, "127.9.0.64")
	y.send(rrq("snponly.efi"), y.to)
	if got, _ := y.next(2 * time.Second); len(got) != 516 {
		t.Errorf("after hostile packets: %q", got)
	}
	if s.Counts()[BranchPanic] != 0 {
		t.Error("a panic was contained; it must not happen at all here")
	}
}

// broken stands for the library in a state that panics.
type broken struct{}

func (broken) ReadFrom(io.Reader) (int64, error) { panic("slice bounds out of range") }

func TestTFTPHandlerContainsPanics(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Scopes, c.Policy.Mode = nil, ModeProxy })
	if err := s.sendProgram(t.Context(), "snponly.efi", broken{}); !errors.Is(err, errOurFault) {
		t.Errorf("error %v", err)
	}
	if s.Counts()[BranchPanic] != 1 {
		t.Error("not counted")
	}
	if s.tftp.n != 0 {
		t.Error("the transfer stays in the table")
	}
}

// TestTFTPDeadClient: the library's defaults notice it after half a minute.
func TestTFTPDeadClient(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	x := dialTFTP(t, s, "127.9.0.65")
	began := time.Now()
	x.send(rrq("snponly.efi"), x.to)
	eventually(t, "a transfer", func() bool { return s.Counts()[BranchServed] == 1 })
	for s.Counts()[BranchTimeout] == 0 && time.Since(began) < 20*time.Second {
		time.Sleep(50 * time.Millisecond)
	}
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("a dead client was noticed after %s", took)
	}
}

// TestTFTPStops: Shutdown waits for transfers without a limit; ours does not.
func TestTFTPStops(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(c *Config) { c.Scopes, c.Policy.Mode = nil, ModeProxy })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.serveTFTP(ctx, conn) }()
	x := dialTFTP(t, s, "127.9.0.66")
	x.send(rrq("snponly.efi"), udpAddr(conn.LocalAddr()))
	if got, _ := x.next(time.Second); len(got) != 516 {
		t.Fatal("no transfer")
	}
	began := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > tftpStopping+time.Second {
		t.Errorf("stopped after %s", took)
	}
}

// TestTFTPLimit: more transfers than the limit are refused, not queued.
func TestTFTPLimit(t *testing.T) {
	t.Parallel()
	var x transfers
	for i := range tftpAtOnce {
		if _, err := x.begin(t.Context(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1000), "f"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.begin(t.Context(), netip.MustParseAddrPort("10.1.0.1:1000"), "f"); !errors.Is(err, errBusy) {
		t.Errorf("error %v", err)
	}
}

// TestTFTPLibraryClient: the library's own client is a second implementation.
func TestTFTPLibraryClient(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Scopes, c.Policy.Mode = nil, ModeProxy })
	for _, size := range []int{0, 512, 1428} {
		c, err := tftp.NewClient(s.Addrs().TFTP.String())
		if err != nil {
			t.Fatal(err)
		}
		if size > 0 {
			c.SetBlockSize(size)
		}
		c.RequestTSize(true)
		for _, mode := range []string{"octet", "netascii"} {
			r, err := c.Receive("snponly-arm64.efi", mode) // a multiple of the block size: ends with an empty block
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := r.WriteTo(&got); err != nil {
				t.Fatal(err)
			}
			if mode == "octet" && !bytes.Equal(got.Bytes(), s.deps.Programs.files["snponly-arm64.efi"].data) {
				t.Errorf("blksize %d: %d bytes differ", size, got.Len())
			}
		}
	}
}

func FuzzProgramName(f *testing.F) {
	p := programs()
	for _, name := range []string{"snponly.efi", "/snponly.efi", `\\snponly.efi`, "../snponly.efi", "autoexec.ipxe", "", "\x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r, ok := p.open(name)
		if !ok {
			if r.Len() != 0 {
				t.Error("bytes of a file that is not there")
			}
			return
		}
		base := strings.TrimPrefix(strings.ReplaceAll(name, `\`, "/"), "/")
		if strings.Contains(base, "/") || strings.Contains(base, "..") {
			t.Errorf("%q leads somewhere", name)
		}
	})
}
