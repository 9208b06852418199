package romsim

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// answer is what DHCP told the machine.
type answer struct {
	addr   netip.Addr
	file   string // option 67, else the header's field
	next   netip.Addr
	class  string // option 60
	bypass bool   // 43.6 = 8: boot from this packet
}

// address is DORA, or the proxy's part where another server gives the address.
func (b *boot) address(ctx context.Context, c client) (answer, error) {
	if !b.m.Server.IsValid() {
		b.out.Addr = b.m.Given
		return b.dialogue(ctx, c)
	}
	offer, err := b.exchange(ctx, c, dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeOffer, nil)
	if err != nil {
		return answer{}, err
	}
	if err := b.after(ctx, StageOffer); err != nil {
		return answer{}, err
	}
	if b.m.Given.IsValid() {
		return b.proxied(ctx, c, offer)
	}
	if b.m.Faults.NoRequest {
		return answer{}, fmt.Errorf("takes no offer: %w", ErrDark)
	}
	server := offer.ServerIdentifier()
	if b.m.Faults.Foreign.IsValid() {
		server = b.m.Faults.Foreign.AsSlice()
	}
	ack, err := b.exchange(ctx, c, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeAck, func(p *dhcpv4.DHCPv4) {
		p.TransactionID = offer.TransactionID
		p.UpdateOption(dhcpv4.OptServerIdentifier(server))
		p.UpdateOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr))
	})
	if err != nil {
		return answer{}, err
	}
	a := read(ack)
	b.out.Addr, b.out.Lease = a.addr, ack.IPAddressLeaseTime(0)
	if b.m.Faults.Decline && !b.declined {
		b.declined = true
		if err := b.tell(c, dhcpv4.MessageTypeDecline, ack); err != nil {
			return answer{}, err
		}
		return b.address(ctx, c)
	}
	return a, b.after(ctx, StageAck)
}

// proxied takes the boot options of a proxy offer; the address is another server's.
func (b *boot) proxied(ctx context.Context, c client, offer *dhcpv4.DHCPv4) (answer, error) {
	b.out.Addr = b.m.Given
	a := read(offer)
	a.addr = b.m.Given
	// The REQUEST to the other server is a broadcast that the proxy sees.
	p, err := b.packet(c, dhcpv4.MessageTypeRequest)
	if err != nil {
		return a, err
	}
	p.TransactionID = offer.TransactionID
	p.UpdateOption(dhcpv4.OptServerIdentifier(net.IP(b.m.Given.Prev().AsSlice())))
	p.UpdateOption(dhcpv4.OptRequestedIPAddress(net.IP(b.m.Given.AsSlice())))
	if err := b.link.send(p.ToBytes(), b.m.Server); err != nil {
		return a, err
	}
	if a.bypass || a.class != "PXEClient" || !b.m.Proxy.IsValid() {
		return a, b.after(ctx, StageAck)
	}
	return b.dialogue(ctx, c)
}

// dialogue asks the boot server on its own port, with the address in ciaddr
// and no relay (PXE 2.1 §2.2.3).
func (b *boot) dialogue(ctx context.Context, c client) (answer, error) {
	ack, err := b.exchange(ctx, c, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeAck, func(p *dhcpv4.DHCPv4) {
		p.ClientIPAddr = net.IP(b.m.Given.AsSlice())
		p.GatewayIPAddr = net.IPv4zero
		p.DeleteOption(dhcpv4.OptionRelayAgentInformation)
	})
	if err != nil {
		return answer{}, err
	}
	a := read(ack)
	a.addr, a.bypass = b.m.Given, true
	return a, b.after(ctx, StageAck)
}

// exchange sends until an answer of the wanted type comes.
func (b *boot) exchange(ctx context.Context, c client, kind, want dhcpv4.MessageType, mod func(*dhcpv4.DHCPv4)) (*dhcpv4.DHCPv4, error) {
	p, err := b.packet(c, kind)
	if err != nil {
		return nil, err
	}
	to := b.m.Server
	if mod != nil {
		mod(p)
		if p.GatewayIPAddr.IsUnspecified() {
			to = b.m.Proxy
		}
	}
	for range b.tries() {
		if err := b.link.send(p.ToBytes(), to); err != nil {
			return nil, err
		}
		for until := time.Now().Add(b.timeout()); ; {
			data, _, err := b.link.receive(ctx, until)
			if isTimeout(err) {
				break
			}
			if err != nil {
				return nil, err
			}
			got, err := dhcpv4.FromBytes(data)
			if err != nil || got.TransactionID != p.TransactionID || got.ClientHWAddr.String() != p.ClientHWAddr.String() {
				continue
			}
			switch got.MessageType() {
			case want:
				return got, nil
			case dhcpv4.MessageTypeNak:
				b.out.Seen.Naks++
				return nil, fmt.Errorf("%w: %s", ErrNAK, got.Message())
			}
		}
	}
	return nil, fmt.Errorf("%s: %w", strings.ToLower(kind.String()), ErrNoAnswer)
}

// tell sends a message that has no answer.
func (b *boot) tell(c client, kind dhcpv4.MessageType, ack *dhcpv4.DHCPv4) error {
	p, err := b.packet(c, kind)
	if err != nil {
		return err
	}
	p.UpdateOption(dhcpv4.OptServerIdentifier(ack.ServerIdentifier()))
	p.UpdateOption(dhcpv4.OptRequestedIPAddress(ack.YourIPAddr))
	return b.link.send(p.ToBytes(), b.m.Server)
}

// packet is a request as the relay of this machine forwards it.
func (b *boot) packet(c client, kind dhcpv4.MessageType) (*dhcpv4.DHCPv4, error) {
	var id dhcpv4.TransactionID
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("transaction id: %w", err)
	}
	relay := []dhcpv4.Option{dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(19), nil)} // RFC 8357: answer to my port
	if b.m.Circuit != "" {
		relay = append(relay, dhcpv4.OptGeneric(dhcpv4.AgentCircuitIDSubOption, []byte(b.m.Circuit)))
	}
	p, err := dhcpv4.New(dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr(b.m.MAC.Hardware()), dhcpv4.WithTransactionID(id),
		dhcpv4.WithBroadcast(true), dhcpv4.WithGatewayIP(net.IP(b.m.Relay.AsSlice())), dhcpv4.WithOption(dhcpv4.OptRelayAgentInfo(relay...)))
	if err != nil {
		return nil, fmt.Errorf("dhcp packet: %w", err)
	}
	p.HopCount = 1
	c.apply(b.m, p)
	return p, nil
}

func (b *boot) timeout() time.Duration {
	if b.m.Timeout > 0 {
		return b.m.Timeout
	}
	return time.Second
}

func (b *boot) tries() int {
	if b.m.Tries > 0 {
		return b.m.Tries
	}
	return 4
}

// read takes the boot options as firmware does: option 67 before the header.
func read(p *dhcpv4.DHCPv4) answer {
	a := answer{file: p.BootFileNameOption(), class: p.ClassIdentifier()}
	if a.file == "" {
		a.file = p.BootFileName
	}
	a.addr = addr(p.YourIPAddr)
	a.next = addr(p.ServerIPAddr)
	v := p.Options.Get(dhcpv4.OptionVendorSpecificInformation)
	a.bypass = len(v) >= 3 && v[0] == 6 && v[1] == 1 && v[2]&8 != 0
	return a
}

func addr(v net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(v.To4())
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// uuidBytes is option 97: type 0 and the SMBIOS UUID, its first three fields little-endian.
func uuidBytes(text string) []byte {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != 16 {
		return nil
	}
	return append([]byte{0, raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6]}, raw[8:]...)
}
