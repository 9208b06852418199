package pxe

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

// TestContract: every name and URL that an answer can advertise, for each real
// client and each mode, resolves where the client will look for it, with bytes.
func TestContract(t *testing.T) {
	t.Parallel()
	advertised := map[Mode]int{}
	for _, mode := range []Mode{ModeAuthoritative, ModeProxy, ModeProxy4011} {
		s := serve(t, func(c *Config) { c.Policy.Mode, c.Scopes = mode, []Scope{loopScope} })
		for i, c := range clients {
			s.record.change(func(r *record) { r.nodes = nil })
			n := s.expect(i)
			p := c.packet(dhcpv4.MessageTypeRequest, dhcpv4.WithHwAddr(macOf(i).Hardware()))
			r, err := Classify(p, Arrival{Subnet: loopScope.Subnet, Proxy: mode != ModeAuthoritative})
			if err != nil {
				t.Fatal(err)
			}
			f, err := s.facts(t.Context(), r.Hint)
			if err != nil {
				t.Fatal(err)
			}
			a := Decide(r, f, s.cfg.Policy)
			if !a.Boots() {
				continue
			}
			out, err := Offer(p, Reply{Request: r, Answer: a, Scope: loopScope, Endpoints: s.endpoints(), Token: NodeToken(testKey, r.MAC, n), Now: time.Now()})
			if err != nil {
				t.Fatalf("%s %s: %v", mode, c.name, err)
			}
			advertised[mode]++
			addr := netip.AddrFrom4([4]byte{127, 9, 0, byte(100 + i)})
			s.seen.uses(addr, r.Hint)
			follow(t, s, string(mode)+" "+c.name, out, addr)
		}
	}
	for mode, n := range advertised {
		if n < 8 {
			t.Errorf("%s: only %d clients were told to boot: the test follows nothing", mode, n)
		}
	}
}

// follow does what a client does with an answer.
func follow(t *testing.T, s *site, who string, out *dhcpv4.DHCPv4, from netip.Addr) {
	t.Helper()
	name := out.BootFileNameOption()
	if strings.HasPrefix(name, "http://") {
		for _, method := range []string{"HEAD", "GET"} {
			res, data := fetchFrom(t, from, method, name)
			if res.StatusCode != http.StatusOK || res.ContentLength <= 0 || method == "GET" && int64(len(data)) != res.ContentLength {
				t.Errorf("%s: %s %s: %s, length %d", who, method, name, res.Status, res.ContentLength)
			}
			if method == "GET" && strings.HasSuffix(name, ".ipxe") {
				followScript(t, s, who, string(data), from)
			}
		}
		return
	}
	if out.BootFileName != name || addr4(out.ServerIPAddr) != s.cfg.Endpoints.tftp() || out.TFTPServerName() != s.cfg.Endpoints.tftp().String() {
		t.Errorf("%s: header says %q at %s, options say %q at %q", who, out.BootFileName, out.ServerIPAddr, name, out.TFTPServerName())
	}
	x := dialTFTP(t, s, from.String())
	x.send(rrq(name), x.to)
	if got, _ := x.next(2 * time.Second); len(got) != 516 || got[1] != 3 {
		t.Errorf("%s: TFTP does not serve %q: %q", who, name, got)
	}
}

// followScript fetches every URL that a script names.
func followScript(t *testing.T, s *site, who, script string, from netip.Addr) {
	t.Helper()
	base, n := "", 0
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		if len(words) > 2 && words[0] == "set" && words[1] == "base" {
			base = words[2]
		}
		for _, w := range words {
			rest, ok := strings.CutPrefix(w, "${base}")
			if !ok || rest == "/event/failed" {
				continue
			}
			n++
			if res, data := fetchFrom(t, from, "GET", base+rest); res.StatusCode != http.StatusOK || len(data) == 0 {
				t.Errorf("%s: script names %s: %s", who, rest, res.Status)
			}
		}
	}
	if n < 4 {
		t.Errorf("%s: the script names only %d URLs", who, n)
	}
}

// TestNothingIsAdvertisedThatIsMissing: without a program machines start from disk.
func TestNothingIsAdvertisedThatIsMissing(t *testing.T) {
	t.Parallel()
	rec := openRecord(t)
	s := serveFiles(t, rec, bootFiles{kernel: []byte("k"), initrd: []byte("i"), programs: NewPrograms(map[string][]byte{"snponly.efi": []byte("efi")})}, nil)
	n := inventory.Node{Address: "A12/C01", Operation: &inventory.Operation{Boot: &inventory.Boot{Image: "burnin", Run: "01RUN", Until: time.Now().Add(time.Minute)}}}
	for _, c := range clients {
		r, err := Classify(c.packet(dhcpv4.MessageTypeDiscover), Arrival{Subnet: loopScope.Subnet})
		if err != nil {
			t.Fatal(err)
		}
		a := Decide(r, Facts{Node: &n, Now: time.Now()}, s.cfg.Policy)
		if a.Action == ActionProgram && a.Program != "snponly.efi" {
			t.Errorf("%s is told of %s, which is not there", c.name, a.Program)
		}
	}
}
