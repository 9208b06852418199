package pxe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

// ErrMalformed: the packet is no request that a server may answer.
var ErrMalformed = errors.New("malformed request")

// Classify says who sent a packet and what kind of program it was. It is pure;
// the packet is not changed. ErrMalformed wraps every refusal.
func Classify(p *dhcpv4.DHCPv4, at Arrival) (Request, error) {
	if p == nil || p.OpCode != dhcpv4.OpcodeBootRequest {
		return Request{}, fmt.Errorf("%w: not a BOOTREQUEST", ErrMalformed)
	}
	mac := inventory.MACOf(p.ClientHWAddr)
	switch {
	case mac == "":
		return Request{}, fmt.Errorf("%w: hardware address of %d bytes, want 6", ErrMalformed, len(p.ClientHWAddr))
	case p.ClientHWAddr[0]&1 != 0 || mac == "00:00:00:00:00:00":
		return Request{}, fmt.Errorf("%w: %s is no station address", ErrMalformed, mac)
	case p.MessageType() == dhcpv4.MessageTypeNone:
		return Request{}, fmt.Errorf("%w: no message type (BOOTP is not served)", ErrMalformed)
	}
	r := Request{Hint: inventory.Hint{MAC: mac, UUID: uuidText(p.Options.Get(optClientUUID))},
		Vendor: p.ClassIdentifier(), ArchRaw: arches(p.Options.Get(dhcpv4.OptionClientSystemArchitectureType)), Arrival: at}
	if gi := p.GatewayIPAddr.To4(); gi != nil && !gi.IsUnspecified() {
		r.Relay = gi.String()
	}
	if ra := p.RelayAgentInfo(); ra != nil {
		r.Circuit = string(ra.Get(dhcpv4.AgentCircuitIDSubOption))
	}
	for _, code := range r.ArchRaw {
		if arch, bios, ok := machine(code); ok {
			r.Arch, r.BIOS, r.HasArch = arch, bios, true
			break
		}
	}
	users := p.UserClass()
	r.Simulated = slices.Contains(users, SimUserClass)
	feats := p.Options.Get(optIPXE)
	switch {
	case strings.HasPrefix(r.Vendor, "HTTPClient"):
		r.Class = ClassHTTP
	case slices.Contains(users, OurUserClass):
		r.Class = ClassOurs
	case slices.Contains(users, "iPXE") || len(feats) > 0:
		// Stock iPXE without HTTP support cannot fetch the script.
		_, http := features(feats)[ipxeHTTP]
		r.Class, r.NeedsBuild = ClassIPXE, len(feats) > 0 && !http
	case strings.HasPrefix(r.Vendor, "PXEClient"):
		r.Class = ClassPXE
	default:
		r.Class = ClassPlain
	}
	return r, nil
}
