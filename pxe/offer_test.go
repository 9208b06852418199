package pxe

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

func offer(t *testing.T, c client, mode Mode, kind dhcpv4.MessageType, mods ...dhcpv4.Modifier) (*dhcpv4.DHCPv4, error) {
	t.Helper()
	p := c.packet(kind, mods...)
	r, err := Classify(p, Arrival{Subnet: testScope.Subnet, Proxy: mode != ModeAuthoritative})
	if err != nil {
		t.Fatal(err)
	}
	n := testNode()
	a := Decide(r, Facts{Node: n, Now: testNow}, DefaultPolicy(mode))
	return Offer(p, Reply{Request: r, Answer: a, Scope: testScope, Endpoints: testEnds, Token: NodeToken(testKey, r.MAC, *n), Now: testNow,
		Binding: inventory.Binding{Addr: testScope.First, Until: testNow.Add(time.Hour)}, HostName: "a12-c07"})
}

func TestOfferEchoes(t *testing.T) {
	relay := dhcpv4.OptRelayAgentInfo(dhcpv4.OptGeneric(dhcpv4.AgentCircuitIDSubOption, []byte("Ethernet7")))
	out, err := offer(t, clients[0], ModeAuthoritative, dhcpv4.MessageTypeRequest, dhcpv4.WithOption(relay),
		dhcpv4.WithGatewayIP(net.IPv4(10, 9, 0, 9)), dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte{1, 2, 3})))
	if err != nil {
		t.Fatal(err)
	}
	if out.MessageType() != dhcpv4.MessageTypeAck || !out.IsBroadcast() || out.GatewayIPAddr.String() != "10.9.0.9" {
		t.Errorf("type %s broadcast %v giaddr %s", out.MessageType(), out.IsBroadcast(), out.GatewayIPAddr)
	}
	for code, want := range map[uint8]string{97: string(testUUID), 61: "\x01\x02\x03", 82: "\x01\x09Ethernet7"} {
		if got := string(out.Options[code]); got != want {
			t.Errorf("option %d is %q, want %q", code, got, want)
		}
	}
	b := out.ToBytes()
	if at := strings.Index(string(b), "\x52\x0b\x01\x09Ethernet7"); at < 0 || b[at+13] != 0xff {
		t.Error("option 82 is not the last one")
	}
}

// TestOfferNeverExceedsTheClient: netboot.md §13.1, the library enforces nothing.
func TestOfferNeverExceedsTheClient(t *testing.T) {
	small := clients[1]
	small.maxSize = 576
	out, err := offer(t, small, ModeAuthoritative, dhcpv4.MessageTypeDiscover)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(out.ToBytes()) + 28; n > 576 {
		t.Errorf("%d bytes to a client that takes 576", n)
	}
	if out.BootFileNameOption() == "" {
		t.Error("the boot option was dropped before the optional ones")
	}
	long := testEnds
	long.HTTP = strings.Repeat("9", 240) + ":80"
	p := small.packet(dhcpv4.MessageTypeDiscover)
	r, _ := Classify(p, Arrival{Subnet: testScope.Subnet})
	_, err = Offer(p, Reply{Request: r, Answer: Answer{Action: ActionProgram, HTTP: true}, Scope: testScope, Endpoints: long,
		Token: NodeToken(testKey, testMAC, *testNode()), Now: testNow})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

func TestOfferRefusesWhatWouldPanicOrCut(t *testing.T) {
	p := clients[0].packet(dhcpv4.MessageTypeDiscover)
	r, _ := Classify(p, Arrival{Subnet: testScope.Subnet})
	token := NodeToken(testKey, testMAC, *testNode())
	v6 := testEnds
	v6.Server = netip.MustParseAddr("2001:db8::1")
	if _, err := Offer(p, Reply{Request: r, Endpoints: v6, Scope: testScope}); err == nil {
		t.Error("an IPv6 server address was accepted")
	}
	long := Answer{Action: ActionProgram, Program: strings.Repeat("x", 128)}
	if _, err := Offer(p, Reply{Request: r, Endpoints: testEnds, Scope: testScope, Answer: long, Token: token}); err == nil {
		t.Error("a program name of 128 bytes was accepted: the library would cut it")
	}
	if _, err := Offer(p, Reply{Request: r, Endpoints: testEnds, Scope: testScope, Answer: Answer{Action: ActionScript}}); err == nil {
		t.Error("a boot answer without token was built")
	}
	if _, err := Offer(clients[0].packet(dhcpv4.MessageTypeRelease), Reply{Request: r, Endpoints: testEnds}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a RELEASE was answered: %v", err)
	}
}

func TestNAK(t *testing.T) {
	p := clients[0].packet(dhcpv4.MessageTypeRequest, dhcpv4.WithGatewayIP(net.IPv4(10, 9, 0, 9)), dhcpv4.WithBroadcast(false))
	out, err := NAK(p, testEnds.Server, "wrong subnet")
	if err != nil {
		t.Fatal(err)
	}
	if out.MessageType() != dhcpv4.MessageTypeNak || !out.IsBroadcast() || out.ServerIdentifier().String() != "10.9.0.1" || !out.YourIPAddr.IsUnspecified() {
		t.Errorf("nak: %s", out.Summary())
	}
}

func TestBootTokenBindsEveryPart(t *testing.T) {
	base := NodeToken(testKey, testMAC, *testNode()).Reveal()
	if len(base) != 32 || base != NodeToken(testKey, testMAC, *testNode()).Reveal() {
		t.Fatalf("token %q: want 32 hex digits, the same on every server", base)
	}
	other := testNode()
	other.Operation.Boot.Attempt++
	run := testNode()
	run.Operation.Boot.Run = "01OTHER"
	for name, got := range map[string]inventory.Secret{
		"key": NodeToken(inventory.NewSecret("another"), testMAC, *testNode()), "mac": NodeToken(testKey, "52:54:00:12:34:57", *testNode()),
		"attempt": NodeToken(testKey, testMAC, *other), "run": NodeToken(testKey, testMAC, *run)} {
		if got.Reveal() == base {
			t.Errorf("another %s gives the same token", name)
		}
	}
	if !NodeToken(inventory.Secret{}, testMAC, *testNode()).IsZero() || !NodeToken(testKey, testMAC, inventory.Node{}).IsZero() {
		t.Error("a token without key or without operation")
	}
	if sameToken(inventory.Secret{}, inventory.Secret{}) {
		t.Error("two empty tokens are the same")
	}
}

func testImage() images.Image {
	return images.Image{Name: "burnin", Version: "1", Arch: images.ArchAMD64, Args: []string{"panic=10"},
		Files: map[string]images.Digest{"kernel": inventory.DigestOf([]byte("k")), "initrd": inventory.DigestOf([]byte("i"))}}
}

func TestScriptGolden(t *testing.T) {
	n := testNode()
	b := Boot{Node: *n, MAC: testMAC, Image: testImage(), Digest: inventory.DigestOf([]byte("image")), Token: NodeToken(testKey, testMAC, *n), Args: []string{"console=ttyS0,115200n8"}}
	got, err := Script(b, testEnds)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "script.golden", append(append(got, FailScript("A12/C07: ${evil} && shell\nshell")...), AutoexecScript...))
}

func TestScriptRefuses(t *testing.T) {
	n := testNode()
	good := Boot{Node: *n, MAC: testMAC, Image: testImage(), Digest: inventory.DigestOf(nil), Token: NodeToken(testKey, testMAC, *n)}
	for name, change := range map[string]func(*Boot){
		"no token":        func(b *Boot) { b.Token = inventory.Secret{} },
		"no kernel":       func(b *Boot) { b.Image.Files = map[string]images.Digest{"uki": ""} },
		"blank in arg":    func(b *Boot) { b.Args = []string{"a b"} },
		"newline in arg":  func(b *Boot) { b.Args = []string{"a\nshell"} },
		"expansion":       func(b *Boot) { b.Image.Args = []string{"x=${net0/mac}"} },
		"too long a line": func(b *Boot) { b.Args = []string{"x=" + strings.Repeat("y", 2047)} },
	} {
		b := good
		change(&b)
		if _, err := Script(b, testEnds); err == nil {
			t.Errorf("%s: a script was written", name)
		}
	}
}

func TestScopeCheckNamesEveryFault(t *testing.T) {
	if err := testScope.Check(ModeAuthoritative); err != nil {
		t.Fatal(err)
	}
	bad := Scope{Subnet: netip.MustParsePrefix("10.9.0.7/24"), First: netip.MustParseAddr("10.8.0.1"), Last: netip.MustParseAddr("10.8.0.9"),
		Router: netip.MustParseAddr("2001:db8::1"), DNS: []netip.Addr{netip.MustParseAddr("::1")}, Routes: []Route{{}}, Lease: time.Second}
	err := bad.Check(ModeAuthoritative)
	for _, want := range []string{"host bits", "outside the subnet", "router", "dns or ntp", "route", "lease"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("fault %q is not named: %v", want, err)
		}
	}
}

func TestCandidatesCoverThePoolOnce(t *testing.T) {
	s := testScope
	s.First, s.Last = netip.MustParseAddr("10.9.0.250"), netip.MustParseAddr("10.9.0.255")
	s.Router = netip.MustParseAddr("10.9.0.251")
	seen := map[netip.Addr]bool{}
	for a := range s.candidates("52:54:00:12:34:56") {
		if seen[a] {
			t.Fatalf("%s twice", a)
		}
		seen[a] = true
	}
	if len(seen) != 4 || seen[s.Router] || seen[s.Last] {
		t.Errorf("candidates %v: want 4 without router and broadcast", seen)
	}
	for a := range testScope.candidates("x") {
		for b := range testScope.candidates("x") {
			if a != b {
				t.Error("two servers would offer different addresses")
			}
			break
		}
		break
	}
}

func TestRouterAdvertisement(t *testing.T) {
	ra := RouterAdvertisement(testMAC.Hardware())
	if len(ra) != 24 || ra[0] != 134 || ra[5] != 0 || ra[6] != 0 || ra[7] != 0 {
		t.Errorf("advertisement %x: want no flags and lifetime 0", ra)
	}
	if RouterSolicitation(ra) || !RouterSolicitation([]byte{133, 0, 0, 0, 0, 0, 0, 0}) || RouterSolicitation([]byte{133}) {
		t.Error("solicitations are not told apart")
	}
}
