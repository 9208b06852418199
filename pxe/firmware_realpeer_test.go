//go:build realpeer

package pxe

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// guestUp is what our process 1 prints, followed by the kernel's command line.
const guestUp = "RACKWRIGHT-GUEST-UP"

// noBoot is SeaBIOS at the end of its boot order: there is no disk either.
const noBoot = "No bootable device"

// atOnce is how many guests run at the same time.
const atOnce = 2

// TestRealPeerFirmware boots real firmware in QEMU over the network, down to a
// kernel that says so on its serial console.
func TestRealPeerFirmware(t *testing.T) {
	guestFiles(t)
	t.Run("authoritative", firmwareAlone)
	t.Run("beside-dnsmasq", firmwareBeside)
}

type guestCase struct {
	name string
	fw   firmware
	i    int
	play func(*testing.T, *site, guestCase)
}

// boots demands a kernel with the right orders and the whole way in the ledger.
func (c guestCase) boots(t *testing.T, s *site) string {
	t.Helper()
	g := power(t, c.name, c.fw, c.i)
	defer g.off()
	if !g.until(t.Context(), guestUp+" ", 1, 150*time.Second) {
		return ""
	}
	eventually(t, "the end of the line", func() bool { return strings.Contains(g.console()[strings.Index(g.console(), guestUp):], "\n") })
	_, line, _ := strings.Cut(g.console(), guestUp+" ")
	line, _, _ = strings.Cut(line, "\n")
	n, err := s.record.Find(t.Context(), inventory.Hint{MAC: macOf(c.i)})
	if err != nil {
		t.Fatal(err)
	}
	token := NodeToken(testKey, macOf(c.i), n).Reveal()
	for _, word := range []string{"rackwright.server=https://10.77.0.1:8443", "rackwright.run=" + string(n.Operation.Run), "rackwright.token=" + token,
		"rackwright.mac=" + string(macOf(c.i)), "rackwright.image=" + string(s.digest), "console=ttyS0,115200n8"} {
		if !slices.Contains(strings.Fields(line), word) {
			t.Errorf("%s: the kernel got %q, want %s in it", c.name, line, strings.ReplaceAll(word, token, "…"))
		}
	}
	kernel := slices.ContainsFunc(s.lines(c.i), func(l inventory.BootLine) bool { return l.Stage == StageKernel && l.Bytes == int64(len(s.kernel)) })
	if !kernel || !s.has(c.i, StageScript, BranchServed) || !s.has(c.i, StageAck, BranchIPXEScript) || s.lines(c.i)[0].Simulated {
		t.Errorf("%s: ledger %+v", c.name, s.lines(c.i))
	}
	c.advertised(t, s)
	want := map[firmware]Branch{ovmfPXE: BranchPXEProgram, ovmfHTTP: BranchHTTPProgram}[c.fw]
	if want != "" && !s.has(c.i, StageAck, want) {
		t.Errorf("%s: no ACK of branch %s", c.name, want)
	}
	return token
}

// advertised demands that iPXE did not wait for a router: the answer to its
// solicitation spares it 13 to 16 seconds between ACK and script.
func (c guestCase) advertised(t *testing.T, s *site) {
	t.Helper()
	var ack, script time.Time
	for _, l := range s.lines(c.i) {
		switch {
		case l.Stage == StageAck && l.Branch == string(BranchIPXEScript):
			ack = l.At
		case l.Stage == StageScript:
			script = l.At
		}
	}
	t.Logf("%s: %s from ACK to script", c.name, script.Sub(ack).Round(10*time.Millisecond))
	if s.cfg.Advertise && script.Sub(ack) > 10*time.Second {
		t.Errorf("%s: %s from ACK to script: nobody answered its router solicitation", c.name, script.Sub(ack))
	}
}

// fails demands that the firmware comes to the end of its boot order.
func (c guestCase) fails(t *testing.T, s *site, stage string, b Branch) {
	t.Helper()
	g := power(t, c.name, c.fw, c.i)
	defer g.off()
	if !g.until(t.Context(), noBoot, 1, 120*time.Second) {
		return
	}
	if strings.Contains(g.console(), guestUp) || strings.Contains(g.console(), "/b/") {
		t.Errorf("%s: it booted:\n%s", c.name, tail(g.console()))
	}
	if stage != "" && !s.has(c.i, stage, b) {
		t.Errorf("%s: no line %s %s in %+v", c.name, stage, b, s.lines(c.i))
	}
}

func firmwareAlone(t *testing.T) {
	if !isolated(t, 8*time.Minute) {
		return
	}
	bridge(t, 8)
	s := serveFiles(t, openRecord(t), realFiles(t), func(c *Config) {
		onWire(ModeAuthoritative)(c)
		c.Args["looping"] = []string{"console=ttyS0,115200n8", "guest.end=reboot"}
	})
	for _, i := range []int{1, 2, 3, 5, 6} {
		s.expect(i)
	}
	s.record.change(func(r *record) {
		r.nodes[3].Operation = nil     // 5
		r.nodes[4].Profile = "looping" // 6
	})
	play(t, s, []guestCase{
		{"OVMF PXE, TFTP snponly, iPXE", ovmfPXE, 2, func(t *testing.T, s *site, c guestCase) { c.boots(t, s) }},
		{"SeaBIOS, iPXE ROM, then its token again", seabios, 1, tokenAgain},
		{"OVMF HTTP, snponly, iPXE", ovmfHTTP, 3, func(t *testing.T, s *site, c guestCase) { c.boots(t, s) }},
		{"three loops", seabios, 6, loops},
		{"unknown MAC", seabios, 4, unknownMachine},
		{"node without operation", seabios, 5, func(t *testing.T, s *site, c guestCase) { c.fails(t, s, StageAck, BranchLocalDisk) }},
	})
}

// play runs the cases, a few at once.
func play(t *testing.T, s *site, cases []guestCase) {
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for _, c := range cases {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.Run(c.name, func(t *testing.T) { c.play(t, s, c) })
		})
	}
	wg.Wait()
	if s.Counts()[BranchPanic] != 0 {
		t.Error("a panic was contained")
	}
}

func tokenAgain(t *testing.T, s *site, c guestCase) {
	token := c.boots(t, s)
	if token == "" {
		return
	}
	d := inventory.DigestOf([]byte(token))
	if err := s.Redeem(t.Context(), d, inventory.Hint{MAC: macOf(c.i)}); err != nil {
		t.Fatal(err)
	}
	want(t, s.Redeem(t.Context(), d, inventory.Hint{MAC: macOf(c.i)}), inventory.ErrConflict)
	c.name += " (second start)"
	c.fails(t, s, StageAck, BranchRedeemed)
}

func unknownMachine(t *testing.T, s *site, c guestCase) {
	c.fails(t, s, "", "")
	all, err := s.record.Sightings(t.Context())
	if err != nil || len(all) != 1 || all[0].MAC != macOf(c.i) || all[0].Class != string(ClassIPXE) || all[0].UUID == "" || all[0].Simulated {
		t.Errorf("sightings %+v %v", all, err)
	}
	rows, err := s.record.Bound(t.Context(), wireScope.Subnet)
	if err != nil || !slices.ContainsFunc(rows, func(b inventory.Binding) bool {
		return b.MAC == macOf(c.i) && b.State == inventory.BindingActive && time.Until(b.Until) <= unknownLease
	}) {
		t.Errorf("bindings %+v %v: want a short lease", rows, err)
	}
}

// loops is a guest whose kernel restarts and whose agent never calls: three
// boots are allowed, the fourth ends at the loop guard.
func loops(t *testing.T, s *site, c guestCase) {
	g := power(t, c.name, c.fw, c.i)
	defer g.off()
	if !g.until(t.Context(), noBoot, 1, 240*time.Second) {
		return
	}
	if n := strings.Count(g.console(), guestUp); n != 3 {
		t.Errorf("%d boots, want 3", n)
	}
	if !s.has(c.i, StageAck, BranchLoopGuard) {
		t.Errorf("ledger %+v", s.lines(c.i))
	}
}

// firmwareBeside is proxyDHCP with dnsmasq as the server of addresses.
func firmwareBeside(t *testing.T) {
	if !isolated(t, 6*time.Minute) {
		return
	}
	bridge(t, 8)
	ns := cable(t, 50)
	run(t, "ip", "-n", ns, "addr", "add", "10.77.0.2/24", "dev", "eth0")
	leases := t.TempDir() + "/leases"
	dnsmasq(t, ns, "--dhcp-range=10.77.0.20,10.77.0.60,1h", "--dhcp-leasefile="+leases)
	s := serveFiles(t, openRecord(t), realFiles(t), onWire(ModeProxy))
	s.expect(1)
	s.expect(2)
	play(t, s, []guestCase{
		{"OVMF PXE beside dnsmasq", ovmfPXE, 2, func(t *testing.T, s *site, c guestCase) { c.boots(t, s) }},
		{"SeaBIOS, iPXE ROM beside dnsmasq", seabios, 1, func(t *testing.T, s *site, c guestCase) { c.boots(t, s) }},
		{"unknown MAC beside dnsmasq", seabios, 4, func(t *testing.T, s *site, c guestCase) { c.fails(t, s, "", "") }},
	})
	if rows, err := s.record.Bound(t.Context(), wireScope.Subnet); err != nil || len(rows) != 0 {
		t.Errorf("bindings %v %v: a proxy gives no address", rows, err)
	}
	text, err := os.ReadFile(leases)
	if err != nil || !strings.Contains(string(text), string(macOf(1))) || !strings.Contains(string(text), string(macOf(2))) {
		t.Errorf("dnsmasq's leases: %v\n%s", err, text)
	}
}
