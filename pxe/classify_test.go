package pxe

import (
	"errors"
	"net"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/images"
)

func TestClassifyFingerprints(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParsePacket(c.packet(dhcpv4.MessageTypeDiscover).ToBytes())
			if err != nil {
				t.Fatal(err)
			}
			r, err := Classify(p, Arrival{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Class != c.want || r.MAC != testMAC {
				t.Errorf("class %s of %s, want %s", r.Class, r.MAC, c.want)
			}
			if len(c.arch) > 0 && r.UUID != "00112233-4455-6677-8899-aabbccddeeff" {
				t.Errorf("uuid %q", r.UUID)
			}
			if r.NeedsBuild != (c.name == "ipxe-without-http") || r.Simulated != (c.name == "sim-ipxe") {
				t.Errorf("needsBuild %v simulated %v", r.NeedsBuild, r.Simulated)
			}
		})
	}
}

func TestArchTable(t *testing.T) {
	for code := range uint16(64) {
		arch, bios, ok := machine(code)
		switch code {
		case 0, 20:
			ok = ok && bios && arch == images.ArchAMD64
		case 7, 9, 16, 17:
			ok = ok && !bios && arch == images.ArchAMD64
		case 11, 19:
			ok = ok && !bios && arch == images.ArchARM64
		default:
			ok = !ok && arch == ""
		}
		if !ok {
			t.Errorf("arch code %d gives %q bios %v", code, arch, bios)
		}
	}
}

func TestClassifyRefuses(t *testing.T) {
	good := clients[0]
	for name, mod := range map[string]dhcpv4.Modifier{
		"reply":          func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootReply },
		"multicast":      dhcpv4.WithHwAddr(net.HardwareAddr{1, 0, 0, 0, 0, 1}),
		"zero mac":       dhcpv4.WithHwAddr(make(net.HardwareAddr, 6)),
		"eight bytes":    dhcpv4.WithHwAddr(make(net.HardwareAddr, 8)),
		"bootp, no type": dhcpv4.WithoutOption(dhcpv4.OptionDHCPMessageType),
	} {
		if _, err := Classify(good.packet(dhcpv4.MessageTypeDiscover, mod), Arrival{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want ErrMalformed", name, err)
		}
	}
	if _, err := Classify(nil, Arrival{}); !errors.Is(err, ErrMalformed) {
		t.Error("nil packet was accepted")
	}
}

// TestClassifyUUID: boards that never got a UUID share one, it names nobody.
func TestClassifyUUID(t *testing.T) {
	fill := func(b byte) []byte {
		v := make([]byte, 17)
		for i := 1; i < 17; i++ {
			v[i] = b
		}
		return v
	}
	for name, v := range map[string][]byte{"zeros": fill(0), "ones": fill(0xff), "short": {0, 1, 2}, "type 1": append([]byte{1}, testUUID[1:]...)} {
		if got := uuidText(v); got != "" {
			t.Errorf("%s: %q, want none", name, got)
		}
	}
}

// TestParsePacketRepairs: netboot.md §13.1, missing End and overload.
func TestParsePacketRepairs(t *testing.T) {
	whole := clients[0].packet(dhcpv4.MessageTypeDiscover).ToBytes()
	end := len(whole)
	for end > 0 && whole[end-1] == 0 {
		end--
	}
	if whole[end-1] != 0xff {
		t.Fatal("the library no longer ends packets with 255")
	}
	if _, err := dhcpv4.FromBytes(whole[:end-1]); err == nil {
		t.Error("the library accepts a missing End now: drop the repair")
	}
	if _, err := ParsePacket(whole[:end-1]); err != nil {
		t.Errorf("missing End: %v", err)
	}
	over := append([]byte(nil), whole...)
	over = append(over[:240], append([]byte{52, 1, 3}, over[240:]...)...)
	copy(over[108:], append([]byte{60, 9}, "PXEClient\xff"...))
	copy(over[44:], []byte{12, 3, 'a', 'b', 'c', 0xff})
	p, err := ParsePacket(over)
	if err != nil {
		t.Fatal(err)
	}
	if p.HostName() != "abc" || p.BootFileName != "" || p.ServerHostName != "" {
		t.Errorf("overload: host name %q, file %q, sname %q", p.HostName(), p.BootFileName, p.ServerHostName)
	}
	for _, n := range []int{0, 1, 239, 240, 300} {
		if _, err := ParsePacket(make([]byte, n)); err == nil {
			t.Errorf("%d zero bytes were accepted", n)
		}
	}
}

// FuzzClassify: nothing from the wire may panic, and what is classified can be
// decided and answered.
func FuzzClassify(f *testing.F) {
	for _, c := range clients {
		f.Add(c.packet(dhcpv4.MessageTypeDiscover).ToBytes())
		f.Add(c.packet(dhcpv4.MessageTypeRequest, dhcpv4.WithGeneric(optOverload, []byte{3})).ToBytes())
	}
	f.Add([]byte{})
	f.Add(make([]byte, 1000))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePacket(b)
		if err != nil {
			return
		}
		for _, mode := range []Mode{ModeAuthoritative, ModeProxy} {
			r, err := Classify(p, Arrival{Subnet: testScope.Subnet, Proxy: mode == ModeProxy})
			if err != nil {
				return
			}
			n := testNode()
			a := Decide(r, Facts{Node: n, Now: testNow}, DefaultPolicy(mode))
			if a.Branch == "" {
				t.Fatal("decision without a branch")
			}
			token := NodeToken(testKey, r.MAC, *n)
			out, err := Offer(p, Reply{Request: r, Answer: a, Scope: testScope, Endpoints: testEnds, Token: token, Now: testNow})
			if err != nil {
				continue
			}
			if _, err := dhcpv4.FromBytes(out.ToBytes()); err != nil {
				t.Fatalf("our own reply cannot be parsed: %v", err)
			}
		}
	})
}
