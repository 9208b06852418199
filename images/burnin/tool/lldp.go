package tool

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// EtherTypeLLDP is the type of LLDP frames (IEEE 802.1AB-2016 §7.3).
const EtherTypeLLDP = 0x88cc

// Neighbour is what one LLDP frame says about the other end of a cable.
type Neighbour struct {
	Chassis, Port        string
	ChassisKind          byte // subtype: 4 is a MAC address
	PortKind             byte // subtype: 5 is an interface name
	TTL                  int  // seconds; 0 means that the neighbour leaves
	System, PortText     string
	ManagementAddress    string
	UnknownTypeLengthVal int
}

// LLDP reads one frame with its Ethernet header, VLAN tag allowed. The three
// mandatory TLVs must come first, in order and once (802.1AB-2016 §8.2).
func LLDP(frame []byte) (Neighbour, error) {
	const name = "lldp"
	if len(frame) < 14 {
		return Neighbour{}, wrong(name, "frame of %d bytes", len(frame))
	}
	kind, body := binary.BigEndian.Uint16(frame[12:14]), frame[14:]
	if kind == 0x8100 && len(body) >= 4 {
		kind, body = binary.BigEndian.Uint16(body[2:4]), body[4:]
	}
	if kind != EtherTypeLLDP {
		return Neighbour{}, wrong(name, "ether type %04x", kind)
	}
	var n Neighbour
	for i := 0; ; i++ {
		if len(body) < 2 {
			return Neighbour{}, wrong(name, "frame ends without its end mark")
		}
		head := binary.BigEndian.Uint16(body)
		t, l := byte(head>>9), int(head&0x1ff)
		if len(body) < 2+l {
			return Neighbour{}, wrong(name, "TLV %d of %d bytes in a rest of %d", t, l, len(body)-2)
		}
		value := body[2 : 2+l]
		body = body[2+l:]
		if i < 3 && t != byte(i+1) || i >= 3 && t >= 1 && t <= 3 {
			return Neighbour{}, wrong(name, "TLV %d at place %d", t, i+1)
		}
		if t == 0 {
			return n, nil
		}
		if err := n.tlv(t, value); err != nil {
			return Neighbour{}, err
		}
	}
}

func (n *Neighbour) tlv(t byte, v []byte) error {
	const name = "lldp"
	switch t {
	case 1, 2:
		if len(v) < 2 {
			return wrong(name, "id of %d bytes", len(v))
		}
		mac := byte(4) // subtype of a MAC address in a chassis id, 3 in a port id
		if t == 2 {
			mac = 3
		}
		text := identifier(v[0] == mac, v[1:])
		if t == 1 {
			n.ChassisKind, n.Chassis = v[0], text
		} else {
			n.PortKind, n.Port = v[0], text
		}
	case 3:
		if len(v) < 2 {
			return wrong(name, "time to live of %d bytes", len(v))
		}
		n.TTL = int(binary.BigEndian.Uint16(v))
	case 4:
		n.PortText = printable(v)
	case 5:
		n.System = printable(v)
	case 8:
		if len(v) >= 6 && int(v[0]) == 5 && v[1] == 1 { // length, address family IPv4
			if a, ok := netip.AddrFromSlice(v[2:6]); ok {
				n.ManagementAddress = a.String()
			}
		}
	default:
		n.UnknownTypeLengthVal++
	}
	return nil
}

func identifier(mac bool, v []byte) string {
	if mac && len(v) == 6 {
		return net.HardwareAddr(v).String()
	}
	return printable(v)
}

// printable keeps text and turns anything else into hex: names of switches go
// into pages and logs.
func printable(v []byte) string {
	s := strings.TrimRight(string(v), "\x00")
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("%x", v)
	}
	return s
}
