package pxe

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Sub-options of option 82.
const (
	relayLinkSelection = dhcpv4.GenericOptionCode(5)  // RFC 3527
	relaySourcePort    = dhcpv4.GenericOptionCode(19) // RFC 8357
)

// portClient is where DHCP clients listen (RFC 2131 §4.1).
const portClient = 68

// arrival says where a packet came in and which scope is meant: link selection
// (82.5), else the relay's address, else the client's own, else the interface.
func (s *Service) arrival(c *dhcpSocket, d datagram, p *dhcpv4.DHCPv4) Arrival {
	at := Arrival{Interface: c.iface, Local: d.local, Proxy: c.proxy || s.cfg.Policy.Mode != ModeAuthoritative, Port: s.cfg.DHCPPort}
	if c.proxy {
		at.Port = s.cfg.ProxyPort
	}
	var own []netip.Prefix
	if d.ifindex != 0 {
		link := s.links.get(d.ifindex)
		at.Interface, own = link.name, link.addrs
	}
	if sc, ok := s.scopeOf(p, at.Interface, own); ok {
		at.Subnet = sc.Subnet
	}
	return at
}

func (s *Service) scopeOf(p *dhcpv4.DHCPv4, iface string, own []netip.Prefix) (Scope, bool) {
	if giaddr := addr4(p.GatewayIPAddr); giaddr.IsValid() {
		if ra := p.RelayAgentInfo(); ra != nil {
			if sel := addr4(net.IP(ra.Get(relayLinkSelection))); sel.IsValid() {
				giaddr = sel
			}
		}
		return s.scopeWith(giaddr)
	}
	for _, sc := range s.cfg.Scopes {
		if sc.Interface != "" && sc.Interface == iface {
			return sc, true
		}
	}
	if ciaddr := addr4(p.ClientIPAddr); ciaddr.IsValid() {
		if sc, ok := s.scopeWith(ciaddr); ok && (sc.Interface == "" || sc.Interface == iface) {
			return sc, true
		}
	}
	for _, a := range own {
		if sc, ok := s.scopeWith(a.Addr()); ok && sc.Interface == "" {
			return sc, true
		}
	}
	return Scope{}, false
}

// scopeWith finds the scope that contains an address. Scopes never overlap.
func (s *Service) scopeWith(a netip.Addr) (Scope, bool) {
	for _, sc := range s.cfg.Scopes {
		if sc.Subnet.Contains(a) {
			return sc, true
		}
	}
	return Scope{}, false
}

// addr4 is an address of a packet; the zero Addr for none.
func addr4(a net.IP) netip.Addr {
	v, ok := netip.AddrFromSlice(a.To4())
	if !ok || v.IsUnspecified() {
		return netip.Addr{}
	}
	return v
}

// target is where a reply goes (RFC 2131 §4.1). Direct clients without an
// address are always answered by broadcast: every firmware tried takes it,
// whatever its broadcast flag said, and no raw socket is needed.
func (x *exchange) target(out *dhcpv4.DHCPv4) netip.AddrPort {
	nak := out.MessageType() == dhcpv4.MessageTypeNak
	if giaddr := addr4(x.p.GatewayIPAddr); giaddr.IsValid() {
		port := uint16(portDHCP)
		if ra := x.p.RelayAgentInfo(); ra != nil && ra.Has(relaySourcePort) {
			port = x.in.from.Port()
		}
		return netip.AddrPortFrom(giaddr, port)
	}
	if x.sock.proxy && !x.in.from.Addr().IsUnspecified() {
		return x.in.from // EDK2 sends 4011 to 4011, others from 68
	}
	if ciaddr := addr4(x.p.ClientIPAddr); ciaddr.IsValid() && !nak {
		return netip.AddrPortFrom(ciaddr, portClient)
	}
	return netip.AddrPortFrom(broadcast4, portClient)
}

// link is what the system says about one interface.
type link struct {
	name  string
	addrs []netip.Prefix
	until time.Time
}

// linkFor is how long an interface's addresses are believed.
const linkFor = 10 * time.Second

func readLink(index int, now time.Time) link {
	l := link{until: now.Add(linkFor)}
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return l // gone since: no scope, no answer
	}
	l.name = ifi.Name
	addrs, err := ifi.Addrs()
	if err != nil {
		return l
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			l.addrs = append(l.addrs, p)
		}
	}
	return l
}
