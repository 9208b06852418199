package pxe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

// ErrTooLarge: the reply does not fit what the client accepts.
var ErrTooLarge = errors.New("reply does not fit")

// Reply is everything an OFFER or ACK is made of. Binding is zero in proxy
// mode and for INFORM. Token is empty unless the answer boots.
type Reply struct {
	Request   Request
	Answer    Answer
	Binding   inventory.Binding
	Scope     Scope
	Endpoints Endpoints
	Token     inventory.Secret
	HostName  string
	Now       time.Time
}

// proxy is true when another server gives the address.
func (re Reply) proxy() bool { return re.Request.Arrival.Proxy }

// Offer builds the OFFER for a DISCOVER and the ACK for a REQUEST or INFORM.
// It is pure. ErrTooLarge when the boot options do not fit option 57.
func Offer(p *dhcpv4.DHCPv4, re Reply) (*dhcpv4.DHCPv4, error) {
	kind := dhcpv4.MessageTypeAck
	switch p.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		kind = dhcpv4.MessageTypeOffer
	case dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform:
	default:
		return nil, fmt.Errorf("%w: no reply to %s", ErrMalformed, p.MessageType())
	}
	if !re.Endpoints.Server.Is4() {
		return nil, fmt.Errorf("dhcp reply: server address %s is no IPv4 address", re.Endpoints.Server)
	}
	out, err := dhcpv4.NewReplyFromRequest(p, dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip(re.Endpoints.Server))))
	if err != nil {
		return nil, fmt.Errorf("dhcp reply: %w", err)
	}
	if v := p.Options.Get(optClientUUID); len(v) > 0 { // the library does not copy it, RFC 4578 §2.3 wants it back
		out.UpdateOption(dhcpv4.OptGeneric(optClientUUID, v))
	}
	if p.MessageType() == dhcpv4.MessageTypeInform {
		out.ClientIPAddr = p.ClientIPAddr
	}
	if !re.proxy() {
		addressOptions(out, p, re)
	}
	if re.Answer.Boots() {
		if err := bootOptions(out, re); err != nil {
			return nil, err
		}
	}
	return out, fit(out, p)
}

// addressOptions are what every machine gets where the addresses are ours.
func addressOptions(out, p *dhcpv4.DHCPv4, re Reply) {
	s := re.Scope
	out.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(s.Subnet.Bits(), 32)))
	if re.Binding.Addr.Is4() {
		out.YourIPAddr = ip(re.Binding.Addr)
		out.ClientIPAddr = p.ClientIPAddr
		lease := re.Binding.Until.Sub(re.Now).Round(time.Second)
		out.UpdateOption(dhcpv4.OptIPAddressLeaseTime(lease))
		out.UpdateOption(dhcpv4.OptRenewTimeValue(lease / 2))
		out.UpdateOption(dhcpv4.OptRebindingTimeValue(lease * 7 / 8))
	}
	if s.Router.Is4() {
		out.UpdateOption(dhcpv4.OptRouter(ip(s.Router)))
	}
	if len(s.DNS) > 0 {
		out.UpdateOption(dhcpv4.OptDNS(ips(s.DNS)...))
	}
	if len(s.NTP) > 0 {
		out.UpdateOption(dhcpv4.OptNTPServers(ips(s.NTP)...))
	}
	if s.Domain != "" {
		out.UpdateOption(dhcpv4.OptDomainName(s.Domain))
	}
	if re.HostName != "" {
		out.UpdateOption(dhcpv4.OptHostName(re.HostName))
	}
	if s.MTU != 0 {
		out.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(s.MTU >> 8), byte(s.MTU)}))
	}
	if len(s.Routes) > 0 {
		routes := make([]*dhcpv4.Route, 0, len(s.Routes)+1)
		for _, r := range s.Routes {
			routes = append(routes, &dhcpv4.Route{Dest: &net.IPNet{IP: ip(r.To.Masked().Addr()), Mask: net.CIDRMask(r.To.Bits(), 32)}, Router: ip(r.Via)})
		}
		if s.Router.Is4() { // RFC 3442: who reads 121 ignores 3
			routes = append(routes, &dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, Router: ip(s.Router)})
		}
		out.UpdateOption(dhcpv4.OptClasslessStaticRoute(routes...))
	}
	if re.Request.Class == ClassIPXE || re.Request.Class == ClassOurs {
		out.UpdateOption(dhcpv4.OptGeneric(optIPXE, noProxyDHCP()))
	}
}

// bootOptions names program or script (netboot.md §6.1).
func bootOptions(out *dhcpv4.DHCPv4, re Reply) error {
	if re.Token.IsZero() {
		return fmt.Errorf("dhcp reply to %s: boot answer without a token", re.Request.MAC)
	}
	e := re.Endpoints
	switch {
	case re.Answer.Action == ActionScript:
		out.UpdateOption(dhcpv4.OptBootFileName(e.scriptURL(re.Request.MAC, re.Token)))
		if re.proxy() {
			// iPXE takes a proxy's file only beside a next server, and asks on
			// 4011 again and again for one (dhcp_has_pxeopts in its dhcp.c).
			out.ServerIPAddr = ip(e.Server)
			out.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient"))
			out.UpdateOption(dhcpv4.OptGeneric(optVendorSpecific, bypassDiscovery()))
		}
	case re.Answer.HTTP:
		// The firmware takes the URL only beside its own class in option 60;
		// file and next server stay empty: a URL may be longer than the field.
		out.UpdateOption(dhcpv4.OptClassIdentifier("HTTPClient"))
		out.UpdateOption(dhcpv4.OptBootFileName(e.programURL(re.Request.MAC, re.Token, re.Request.Arch)))
	default:
		if len(re.Answer.Program) > 127 {
			return fmt.Errorf("dhcp reply: boot program name %q is longer than the 127 bytes of the file field", re.Answer.Program)
		}
		out.ServerIPAddr = ip(e.tftp())
		out.BootFileName = re.Answer.Program // U-Boot reads only the header
		out.UpdateOption(dhcpv4.OptBootFileName(re.Answer.Program))
		out.UpdateOption(dhcpv4.OptTFTPServerName(e.tftp().String()))
		if re.proxy() {
			out.ServerHostName = e.tftp().String()
			// 60 without 43 sends EDK2 into a dialogue on 4011 that ends in PXE-E16.
			out.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient"))
			out.UpdateOption(dhcpv4.OptGeneric(optVendorSpecific, bypassDiscovery()))
		}
	}
	return nil
}

// NAK refuses a REQUEST; through a relay it asks for a broadcast (RFC 2131 §4.3.2).
func NAK(p *dhcpv4.DHCPv4, server netip.Addr, why string) (*dhcpv4.DHCPv4, error) {
	out, err := dhcpv4.NewReplyFromRequest(p, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip(server))), dhcpv4.WithOption(dhcpv4.OptMessage(why)))
	if err != nil {
		return nil, fmt.Errorf("dhcp nak: %w", err)
	}
	if !p.GatewayIPAddr.IsUnspecified() {
		out.SetBroadcast()
	}
	return out, nil
}

// fit drops what a machine can live without, in this order, until the packet
// fits. Option 57 counts the IP and UDP headers in (RFC 2131 §2 names 576).
func fit(out, p *dhcpv4.DHCPv4) error {
	const headers, least, most = 28, 576, 1472
	limit := least
	if v, err := p.MaxMessageSize(); err == nil {
		limit = max(least, min(int(v), most))
	}
	for _, code := range []dhcpv4.OptionCode{dhcpv4.OptionClasslessStaticRoute, dhcpv4.OptionNTPServers, dhcpv4.OptionHostName,
		dhcpv4.OptionInterfaceMTU, dhcpv4.OptionDomainName, dhcpv4.OptionDomainNameServer} {
		if len(out.ToBytes())+headers <= limit {
			return nil
		}
		out.DeleteOption(code)
	}
	if n := len(out.ToBytes()) + headers; n > limit {
		return fmt.Errorf("%w: %d bytes for %s, it accepts %d", ErrTooLarge, n, out.ClientHWAddr, limit)
	}
	return nil
}

func ip(a netip.Addr) net.IP { return net.IP(a.AsSlice()).To4() }

func ips(all []netip.Addr) []net.IP {
	out := make([]net.IP, 0, len(all))
	for _, a := range all {
		out = append(out, ip(a))
	}
	return out
}
