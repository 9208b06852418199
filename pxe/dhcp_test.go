package pxe

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

// asks sends one packet as a relay and returns the answer, nil for silence.
func asks(t *testing.T, s *site, mac inventory.MAC, kind dhcpv4.MessageType, mod func(*dhcpv4.DHCPv4)) *dhcpv4.DHCPv4 {
	t.Helper()
	p, err := dhcpv4.New(dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr(mac.Hardware()), dhcpv4.WithGatewayIP(ip(loopRelay)),
		dhcpv4.WithOption(dhcpv4.OptRelayAgentInfo(dhcpv4.OptGeneric(relaySourcePort, nil), dhcpv4.OptGeneric(dhcpv4.AgentCircuitIDSubOption, []byte("swp7")))))
	if err != nil {
		t.Fatal(err)
	}
	if mod != nil {
		mod(p)
	}
	raw := answerTo(t, s, p.ToBytes(), 2*time.Second)
	if raw == nil {
		return nil
	}
	out, err := dhcpv4.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tells sends a message that has no answer, and gives the server the time to act on it.
func tells(t *testing.T, s *site, mac inventory.MAC, kind dhcpv4.MessageType, mod func(*dhcpv4.DHCPv4)) {
	t.Helper()
	p, err := dhcpv4.New(dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr(mac.Hardware()), dhcpv4.WithGatewayIP(ip(loopRelay)))
	if err != nil {
		t.Fatal(err)
	}
	mod(p)
	if answerTo(t, s, p.ToBytes(), 300*time.Millisecond) != nil {
		t.Errorf("%s was answered", kind)
	}
}

func answerTo(t *testing.T, s *site, packet []byte, wait time.Duration) []byte {
	t.Helper()
	c, err := net.DialUDP("udp4", &net.UDPAddr{IP: ip(loopRelay)}, net.UDPAddrFromAddrPort(s.Addrs().DHCP))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(packet); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, err := c.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

func requested(a netip.Addr) func(*dhcpv4.DHCPv4) {
	return func(p *dhcpv4.DHCPv4) { p.UpdateOption(dhcpv4.OptRequestedIPAddress(ip(a))) }
}

func selecting(a, server netip.Addr) func(*dhcpv4.DHCPv4) {
	return func(p *dhcpv4.DHCPv4) {
		requested(a)(p)
		p.UpdateOption(dhcpv4.OptServerIdentifier(ip(server)))
	}
}

// TestAddressRules is RFC 2131 tables 3 and 4 with the rules of netboot.md §7.
func TestAddressRules(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.expect(1)
	mac, other := macOf(1), macOf(2)
	offer := asks(t, s, mac, dhcpv4.MessageTypeDiscover, nil)
	if offer == nil || offer.MessageType() != dhcpv4.MessageTypeOffer {
		t.Fatalf("offer %v", offer)
	}
	if v := offer.RelayAgentInfo(); v == nil || string(v.Get(dhcpv4.AgentCircuitIDSubOption)) != "swp7" {
		t.Error("option 82 is not echoed")
	}
	mine := addr4(offer.YourIPAddr)
	if rows, _ := s.record.Bound(t.Context(), loopScope.Subnet); len(rows) != 0 {
		t.Errorf("an OFFER wrote %v", rows)
	}
	again := asks(t, s, mac, dhcpv4.MessageTypeDiscover, nil)
	if again == nil || addr4(again.YourIPAddr) != mine {
		t.Errorf("the second OFFER is %v, want %s", again, mine)
	}
	free := loopScope.First
	if free == mine {
		free = free.Next()
	}
	out := netip.MustParseAddr("10.1.1.1")
	for _, c := range []struct {
		name string
		mac  inventory.MAC
		mod  func(*dhcpv4.DHCPv4)
		want dhcpv4.MessageType // none: silence
	}{
		{"selecting ours", mac, selecting(mine, loopServer), dhcpv4.MessageTypeAck},
		{"the same REQUEST again", mac, selecting(mine, loopServer), dhcpv4.MessageTypeAck},
		{"selecting another server", other, selecting(free, netip.MustParseAddr("127.0.0.9")), dhcpv4.MessageTypeNone},
		{"selecting another's address", other, selecting(mine, loopServer), dhcpv4.MessageTypeNak},
		{"selecting outside the pool", other, selecting(netip.MustParseAddr("127.9.0.9"), loopServer), dhcpv4.MessageTypeNak},
		{"init-reboot, right", mac, requested(mine), dhcpv4.MessageTypeAck},
		{"init-reboot, wrong network", mac, requested(out), dhcpv4.MessageTypeNak},
		{"init-reboot, other address", mac, requested(free), dhcpv4.MessageTypeNak},
		{"init-reboot, another's address", other, requested(mine), dhcpv4.MessageTypeNak},
		{"renewing", mac, func(p *dhcpv4.DHCPv4) { p.ClientIPAddr = ip(mine) }, dhcpv4.MessageTypeAck},
		{"renewing another's address", other, func(p *dhcpv4.DHCPv4) { p.ClientIPAddr = ip(mine) }, dhcpv4.MessageTypeNak},
		{"no address at all", other, nil, dhcpv4.MessageTypeNak},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := asks(t, s, c.mac, dhcpv4.MessageTypeRequest, c.mod)
			switch {
			case c.want == dhcpv4.MessageTypeNone && got != nil:
				t.Errorf("answer %s, want silence", got.MessageType())
			case c.want != dhcpv4.MessageTypeNone && got == nil:
				t.Errorf("silence, want %s", c.want)
			case got != nil && (got.MessageType() != c.want || addr4(got.ServerIdentifier()) != loopServer):
				t.Errorf("answer %s from %s, want %s", got.MessageType(), got.ServerIdentifier(), c.want)
			case c.want == dhcpv4.MessageTypeAck && addr4(got.YourIPAddr) != mine:
				t.Errorf("address %s, want %s", got.YourIPAddr, mine)
			case c.want == dhcpv4.MessageTypeNak && !got.IsBroadcast():
				t.Error("a NAK through a relay must ask for a broadcast")
			}
		})
	}
	if inform := asks(t, s, mac, dhcpv4.MessageTypeInform, func(p *dhcpv4.DHCPv4) { p.ClientIPAddr = ip(mine) }); inform == nil || inform.MessageType() != dhcpv4.MessageTypeAck || addr4(inform.YourIPAddr).IsValid() {
		t.Errorf("INFORM was answered by %v", inform)
	}
	if s.Counts()[BranchForeign] != 1 {
		t.Errorf("foreign servers seen: %d, want 1", s.Counts()[BranchForeign])
	}
}

func TestDeclineAndRelease(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	stranger := macOf(77)
	get := func(mac inventory.MAC) netip.Addr {
		t.Helper()
		offer := asks(t, s, mac, dhcpv4.MessageTypeDiscover, nil)
		if offer == nil {
			t.Fatal("no offer")
		}
		ack := asks(t, s, mac, dhcpv4.MessageTypeRequest, selecting(addr4(offer.YourIPAddr), loopServer))
		if ack == nil || ack.MessageType() != dhcpv4.MessageTypeAck {
			t.Fatalf("ack %v", ack)
		}
		return addr4(ack.YourIPAddr)
	}
	first := get(stranger)
	tells(t, s, stranger, dhcpv4.MessageTypeDecline, selecting(first, loopServer))
	second := get(stranger)
	if second == first {
		t.Errorf("%s was declined and given again", first)
	}
	rows, err := s.record.Bound(t.Context(), loopScope.Subnet)
	if err != nil || !slices.ContainsFunc(rows, func(b inventory.Binding) bool {
		return b.Addr == first && b.State == inventory.BindingQuarantined
	}) {
		t.Errorf("no quarantine of %s: %v %v", first, rows, err)
	}
	tells(t, s, macOf(78), dhcpv4.MessageTypeDecline, selecting(second, loopServer)) // not its address
	tells(t, s, stranger, dhcpv4.MessageTypeRelease, func(p *dhcpv4.DHCPv4) {
		p.ClientIPAddr = ip(second)
		p.UpdateOption(dhcpv4.OptServerIdentifier(ip(loopServer)))
	})
	if rows, _ = s.record.Bound(t.Context(), loopScope.Subnet); !slices.ContainsFunc(rows, func(b inventory.Binding) bool {
		return b.Addr == second && b.State == inventory.BindingReleased
	}) {
		t.Errorf("%s was not released: %v", second, rows)
	}
	s.expect(1) // a node's address stays its own
	bound := get(macOf(1))
	tells(t, s, macOf(1), dhcpv4.MessageTypeRelease, func(p *dhcpv4.DHCPv4) {
		p.ClientIPAddr = ip(bound)
		p.UpdateOption(dhcpv4.OptServerIdentifier(ip(loopServer)))
	})
	tells(t, s, macOf(1), dhcpv4.MessageTypeDecline, selecting(bound, loopServer))
	if rows, _ = s.record.Bound(t.Context(), loopScope.Subnet); !slices.ContainsFunc(rows, func(b inventory.Binding) bool {
		return b.Addr == bound && b.State == inventory.BindingBound && b.Node == "01NODE01"
	}) {
		t.Errorf("%s is not the node's any more: %v", bound, rows)
	}
	eventually(t, "a sighting of the duplicate address", func() bool {
		all, err := s.record.Sightings(t.Context())
		return err == nil && slices.ContainsFunc(all, func(x inventory.Sighting) bool { return x.Class == "duplicate-address" && x.MAC == macOf(1) })
	})
}

// TestRestartKeepsAddresses: a second server on the same record gives the same address.
func TestRestartKeepsAddresses(t *testing.T) {
	t.Parallel()
	rec := openRecord(t)
	var first netip.Addr
	for range 2 {
		s := serveOn(t, rec, nil)
		offer := asks(t, s, macOf(5), dhcpv4.MessageTypeDiscover, nil)
		if offer == nil {
			t.Fatal("no offer")
		}
		a := addr4(offer.YourIPAddr)
		if first.IsValid() && a != first {
			t.Errorf("the second server offers %s, the first gave %s", a, first)
		}
		first = a
		asks(t, s, macOf(5), dhcpv4.MessageTypeRequest, selecting(a, loopServer))
	}
}

func TestPoolFull(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Scopes[0].Last = c.Scopes[0].First.Next() })
	for i := range 3 {
		offer := asks(t, s, macOf(i), dhcpv4.MessageTypeDiscover, nil)
		if (offer != nil) != (i < 2) {
			t.Errorf("machine %d: offer %v", i, offer)
		}
	}
	if s.Counts()[BranchPoolFull] != 1 {
		t.Errorf("branches %v", s.Counts())
	}
}

// TestHostilePackets: whatever comes, the next packet is answered.
func TestHostilePackets(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	good := clients[0].packet(dhcpv4.MessageTypeDiscover).ToBytes()
	for _, raw := range [][]byte{nil, {1}, bytes.Repeat([]byte{0xff}, 300), good[:241], append(good[:240:240], bytes.Repeat([]byte{52, 1, 3}, 40)...), bytes.Repeat(good, 4)} {
		answerTo(t, s, raw, 100*time.Millisecond)
	}
	if offer := asks(t, s, macOf(1), dhcpv4.MessageTypeDiscover, nil); offer == nil {
		t.Error("no answer after hostile packets")
	}
	if s.Counts()[BranchPanic] != 0 || s.Counts()[BranchMalformed] == 0 {
		t.Errorf("branches %v", s.Counts())
	}
}

// TestFloodIsLimited: one machine gets so many answers a second and no more.
func TestFloodIsLimited(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for range 40 {
		asks0(t, s, macOf(3))
	}
	eventually(t, "a refused packet", func() bool { return s.Counts()[BranchLimited] > 0 })
	if offer := asks(t, s, macOf(4), dhcpv4.MessageTypeDiscover, nil); offer == nil {
		t.Error("another machine is not answered")
	}
}

func asks0(t *testing.T, s *site, mac inventory.MAC) {
	t.Helper()
	p, err := dhcpv4.NewDiscovery(mac.Hardware(), dhcpv4.WithGatewayIP(ip(loopRelay)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp4", s.Addrs().DHCP.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(p.ToBytes()); err != nil {
		t.Fatal(err)
	}
}

// TestPortInUse: a second server must not start silently beside the first.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	taken := s.Addrs()
	for name, mod := range map[string]func(*Config){
		"dhcp": func(c *Config) { c.DHCPPort = int(taken.DHCP.Port()) }, "tftp": func(c *Config) { c.TFTPPort = int(taken.TFTP.Port()) },
		"http": func(c *Config) { c.HTTPPort = int(taken.HTTP.Port()) }} {
		cfg := s.cfg
		cfg.DHCPPort, cfg.TFTPPort, cfg.HTTPPort = Ephemeral, Ephemeral, Ephemeral
		mod(&cfg)
		second, err := New(cfg, s.deps)
		if err != nil {
			t.Fatal(err)
		}
		err = second.Listen(t.Context())
		if err == nil {
			second.close()
			t.Errorf("%s: two servers on one port", name)
			continue
		}
		if !bytes.Contains([]byte(err.Error()), []byte("is in use: stop the other server")) {
			t.Errorf("%s: %v: does not say what to do", name, err)
		}
	}
}
