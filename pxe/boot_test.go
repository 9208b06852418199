package pxe

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/pxe/romsim"
)

var bootWays = []struct {
	name    string
	mode    romsim.Mode
	arch    uint16
	program string
}{
	{"bios-pxe", romsim.PXE, romsim.ArchBIOS, "undionly.kpxe"},
	{"uefi-pxe", romsim.PXE, romsim.ArchAMD64, "snponly.efi"},
	{"uefi-http", romsim.HTTP, romsim.ArchAMD64HTTP, "snponly.efi"},
	{"arm64-pxe", romsim.PXE, romsim.ArchARM64, "snponly-arm64.efi"},
	{"arm64-http", romsim.HTTP, romsim.ArchARM64HTTP, "snponly-arm64.efi"},
	{"ipxe-rom", romsim.IPXE, romsim.ArchBIOS, ""},
}

// TestBootEveryWay is also the contract test: a simulated machine follows what
// DHCP advertises and nothing else, and compares every byte.
func TestBootEveryWay(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for i, w := range bootWays {
		t.Run(w.name, func(t *testing.T) {
			n := s.expect(i)
			out, err := s.machine(i, w.mode, w.arch).Boot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if w.program != "" && (out.Program.Digest != s.deps.Programs.files[w.program].digest || out.Program.Size != int64(len(s.deps.Programs.files[w.program].data))) {
				t.Errorf("program %+v", out.Program)
			}
			if out.Kernel.Digest != s.image.Files["kernel"] || out.Initrd.Digest != s.image.Files["initrd"] || out.Image != s.digest {
				t.Errorf("kernel %+v initrd %+v image %s", out.Kernel, out.Initrd, out.Image)
			}
			if out.Server != "https://127.0.0.1:8443" || out.Run != n.Operation.Run || !sameToken(out.Token, NodeToken(testKey, macOf(i), n)) {
				t.Errorf("server %q run %q", out.Server, out.Run)
			}
			if !loopScope.inPool(out.Addr) || out.Lease != time.Hour {
				t.Errorf("address %s for %s", out.Addr, out.Lease)
			}
			for _, stage := range []string{StageDiscover, StageOffer, StageRequest, StageAck, StageScript, StageKernel} {
				if !s.noted(i, func(l inventory.BootLine) bool { return l.Stage == stage && l.Node == n.ID && l.Simulated }) {
					t.Errorf("no ledger line of stage %s that says simulated", stage)
				}
			}
		})
	}
	if text := s.logs.String(); strings.Contains(text, "panic") {
		t.Error("a panic was logged")
	}
	for i := range bootWays { // a token never reaches a log or the ledger
		token := NodeToken(testKey, macOf(i), inventory.Node{Operation: &inventory.Operation{Run: s.record.nodes[i].Operation.Run, Boot: s.record.nodes[i].Operation.Boot}}).Reveal()
		if strings.Contains(s.logs.String(), token) {
			t.Error("a boot token is in the log")
		}
		for _, l := range s.lines(i) {
			if strings.Contains(l.Detail, token) {
				t.Error("a boot token is in the ledger")
			}
		}
	}
}

// TestBootBesideAnotherServer: proxyDHCP, with and without the dialogue on 4011.
func TestBootBesideAnotherServer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Policy.Mode = ModeProxy })
	for i, w := range bootWays {
		t.Run(w.name, func(t *testing.T) {
			n := s.expect(i)
			m := s.machine(i, w.mode, w.arch)
			m.Given, m.Proxy = netip.AddrFrom4([4]byte{127, 9, 0, byte(50 + i)}), s.Addrs().Proxy
			out, err := m.Boot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if out.Kernel.Digest != s.image.Files["kernel"] || out.Run != n.Operation.Run || out.Addr != m.Given {
				t.Errorf("result %+v", out)
			}
			if b, err := s.record.Bound(t.Context(), loopScope.Subnet); err != nil || len(b) != 0 {
				t.Errorf("bindings %v %v: a proxy gives no address", b, err)
			}
		})
	}
	for i, w := range bootWays { // one boot is one start, whatever the dialogue
		starts := boots(s.lines(i))
		if len(starts) != 1 {
			t.Errorf("%s: %d boots in the ledger, want 1", w.name, len(starts))
		}
	}
}

// TestBootByDialogueOnly: a DHCP server runs on this host, port 67 is its own.
func TestBootByDialogueOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Policy.Mode = ModeProxy4011 })
	if s.Addrs().DHCP.IsValid() {
		t.Fatal("port 67 was opened")
	}
	s.expect(1)
	m := s.machine(1, romsim.PXE, romsim.ArchAMD64)
	m.Given, m.Proxy, m.Server = netip.MustParseAddr("127.9.0.50"), s.Addrs().Proxy, netip.AddrPort{}
	out, err := m.Boot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Program.Name != "snponly.efi" || out.Kernel.Digest != s.image.Files["kernel"] {
		t.Errorf("result %+v", out)
	}
}

func TestLossyLinks(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for i, f := range []romsim.Faults{{LoseEvery: 3}, {DeafEvery: 3}, {Twice: true}, {LoseEvery: 4, DeafEvery: 5, Twice: true}} {
		s.expect(i)
		m := s.machine(i, romsim.PXE, romsim.ArchBIOS)
		m.Faults, m.Timeout, m.Tries = f, 60*time.Millisecond, 40
		if i > 0 { // a short file: each lost block costs a wait
			m.Arch = romsim.ArchBIOS
		}
		out, err := m.Boot(t.Context())
		if err != nil {
			t.Errorf("%+v: %v", f, err)
			continue
		}
		if out.Program.Digest != s.deps.Programs.files["undionly.kpxe"].digest || out.Kernel.Digest != s.image.Files["kernel"] {
			t.Errorf("%+v: program or kernel differ", f)
		}
		if !f.Twice && out.Seen.Lost == 0 {
			t.Errorf("%+v: nothing was lost, the fault was not tried", f)
		}
		if n := len(boots(s.lines(i))); n != 1 {
			t.Errorf("%+v: %d boots in the ledger, want 1", f, n)
		}
	}
	if rows, err := s.record.Bound(t.Context(), loopScope.Subnet); err != nil || len(rows) != 4 {
		t.Errorf("%d bindings for 4 machines (%v)", len(rows), err)
	}
}

// TestTwoMachinesOneAddress: many machines at once, and one that insists on an
// address that is another's.
func TestTwoMachinesOneAddress(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	const n = 12
	results := make([]romsim.Result, n)
	var wg sync.WaitGroup
	for i := range n {
		s.expect(i)
		wg.Go(func() {
			var err error
			if results[i], err = s.machine(i, romsim.IPXE, romsim.ArchBIOS).Boot(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[netip.Addr]bool{}
	for _, r := range results {
		if seen[r.Addr] {
			t.Errorf("%s was given twice", r.Addr)
		}
		seen[r.Addr] = true
	}
	taken := results[0].Addr
	x := asks(t, s, macOf(200), dhcpv4.MessageTypeRequest, func(p *dhcpv4.DHCPv4) {
		p.UpdateOption(dhcpv4.OptServerIdentifier(ip(loopServer)))
		p.UpdateOption(dhcpv4.OptRequestedIPAddress(ip(taken)))
	})
	if x == nil || x.MessageType() != dhcpv4.MessageTypeNak {
		t.Errorf("answer %v to a REQUEST for another machine's address, want a NAK", x)
	}
}

func TestUnknownMachineIsSighted(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	out, err := s.machine(9, romsim.PXE, romsim.ArchAMD64).Boot(t.Context())
	want(t, err, romsim.ErrDisk)
	if !out.Addr.IsValid() || out.Lease > unknownLease {
		t.Errorf("address %s for %s: unknown machines get one for %s at most", out.Addr, out.Lease, unknownLease)
	}
	eventually(t, "a sighting", func() bool {
		all, err := s.record.Sightings(t.Context())
		return err == nil && len(all) == 1 && all[0].MAC == macOf(9) && all[0].UUID != "" && all[0].Simulated && all[0].Class == string(ClassPXE)
	})
	quiet := serve(t, func(c *Config) { c.Policy.Unknown = ActionIgnore })
	m := quiet.machine(9, romsim.PXE, romsim.ArchAMD64)
	m.Timeout, m.Tries = 50*time.Millisecond, 2
	_, err = m.Boot(t.Context())
	want(t, err, romsim.ErrNoAnswer)
	eventually(t, "a sighting of a silent server", func() bool {
		all, err := quiet.record.Sightings(t.Context())
		return err == nil && len(all) == 1
	})
}

func TestNodeWithoutOperationStartsFromDisk(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	s.record.change(func(r *record) { r.nodes[0].Operation = nil })
	for _, w := range bootWays {
		_, err := s.machine(1, w.mode, w.arch).Boot(t.Context())
		want(t, err, romsim.ErrDisk)
	}
	if s.Counts()[BranchLocalDisk] == 0 {
		t.Error("branch local-disk was not counted")
	}
}

func TestUnreadableRecordMeansSilence(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	m := s.machine(1, romsim.PXE, romsim.ArchAMD64)
	m.Timeout, m.Tries = 50*time.Millisecond, 2
	s.record.change(func(r *record) { r.failing = errors.New("disk is gone") })
	_, err := m.Boot(t.Context())
	want(t, err, romsim.ErrNoAnswer)
	s.record.change(func(r *record) { r.failing, r.noCommit = nil, errors.New("disk is full") })
	_, err = m.Boot(t.Context())
	want(t, err, romsim.ErrNoAnswer) // an OFFER, but never an ACK that is not committed
	s.record.change(func(r *record) {
		if r.confirms == 0 {
			t.Error("no commit was tried")
		}
	})
	if rows, err := s.record.Bound(t.Context(), loopScope.Subnet); err != nil || len(rows) != 0 {
		t.Errorf("bindings %v %v", rows, err)
	}
}

// TestThreeLoops: the fourth boot without an agent gets no boot options.
func TestThreeLoops(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	for i := range 3 {
		if _, err := s.machine(1, romsim.PXE, romsim.ArchAMD64).Boot(t.Context()); err != nil {
			t.Fatalf("boot %d: %v", i+1, err)
		}
	}
	out, err := s.machine(1, romsim.PXE, romsim.ArchAMD64).Boot(t.Context())
	want(t, err, romsim.ErrDisk)
	if !out.Addr.IsValid() || s.Counts()[BranchLoopGuard] == 0 {
		t.Errorf("address %s, branches %v", out.Addr, s.Counts())
	}
	s.record.change(func(r *record) { r.nodes[0].Operation.Boot.Attempt++ })
	if _, err := s.machine(1, romsim.PXE, romsim.ArchAMD64).Boot(t.Context()); err != nil {
		t.Errorf("a new attempt by the conductor: %v", err)
	}
	s.expect(2) // never reaches its script
	m := s.machine(2, romsim.PXE, romsim.ArchAMD64)
	m.Faults.StopAfter = romsim.StageProgram
	for range 3 {
		_, err := m.Boot(t.Context())
		want(t, err, romsim.ErrDark)
	}
	_, err = m.Boot(t.Context())
	want(t, err, romsim.ErrDisk)
	if s.Counts()[BranchChainLoop] == 0 {
		t.Error("branch chain-loop was not counted")
	}
}
