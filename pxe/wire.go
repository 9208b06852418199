package pxe

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Numbers of the options that the library has no reader or builder for.
const (
	optVendorSpecific = dhcpv4.GenericOptionCode(43)
	optOverload       = dhcpv4.GenericOptionCode(52)
	optClientUUID     = dhcpv4.GenericOptionCode(97)
	optIPXE           = dhcpv4.GenericOptionCode(175)
)

// dhcpHeader is the fixed part: BOOTP fields and the magic cookie.
const dhcpHeader = 240

// ParsePacket parses a packet as clients really send it: the End option may be
// missing, and options may continue in file and sname (option 52, RFC 2132
// §9.3). The library rejects the first and overlooks the second.
func ParsePacket(b []byte) (p *dhcpv4.DHCPv4, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("dhcp packet of %d bytes: parser failed: %v", len(b), r)
		}
	}()
	if len(b) < dhcpHeader {
		return nil, fmt.Errorf("dhcp packet of %d bytes: shorter than the %d bytes of its header", len(b), dhcpHeader)
	}
	p, err = dhcpv4.FromBytes(b)
	if err != nil {
		p, err = dhcpv4.FromBytes(append(append(make([]byte, 0, len(b)+1), b...), 0xff))
	}
	if err != nil {
		return nil, fmt.Errorf("dhcp packet of %d bytes: %w", len(b), err)
	}
	if over := p.Options.Get(optOverload); len(over) == 1 {
		const snameAt, fileAt, optionsAt = 44, 108, 236
		if over[0]&1 != 0 {
			merge(p.Options, b[fileAt:optionsAt])
			p.BootFileName = ""
		}
		if over[0]&2 != 0 {
			merge(p.Options, b[snameAt:fileAt])
			p.ServerHostName = ""
		}
	}
	return p, nil
}

// merge adds options of an overloaded field; a repeated option is concatenated (RFC 3396).
func merge(into dhcpv4.Options, field []byte) {
	_ = eachTLV(field, func(code byte, value []byte) {
		into[code] = append(append([]byte(nil), into[code]...), value...)
	})
}

// eachTLV walks code, length, value until 0xff or the end. Trailing garbage is
// an error, but what came before it was delivered.
func eachTLV(b []byte, f func(code byte, value []byte)) error {
	for len(b) > 0 {
		switch b[0] {
		case 0xff:
			return nil
		case 0:
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return fmt.Errorf("option %d is cut off", b[0])
		}
		f(b[0], b[2:2+int(b[1])])
		b = b[2+int(b[1]):]
	}
	return nil
}

// features reads option 175 as iPXE encapsulates it (ipxe src/include/ipxe/features.h).
func features(v []byte) map[byte][]byte {
	out := map[byte][]byte{}
	_ = eachTLV(v, func(code byte, value []byte) { out[code] = value })
	return out
}

// Sub-options of 175.
const (
	ipxeHTTP     = 0x13
	ipxeNoProxy  = 0xb0 // 175.176 no-pxedhcp
	pxeDiscovery = 6    // 43.6, PXE 2.1 §2.4.2
)

// noProxyDHCP is option 175 that tells iPXE not to wait for a proxyDHCP server.
func noProxyDHCP() []byte { return []byte{ipxeNoProxy, 1, 1} }

// bypassDiscovery is option 43 with discovery control 8: boot from the file
// that stands in this packet. The library's options lose the end marker.
func bypassDiscovery() []byte { return []byte{pxeDiscovery, 1, 8, 0xff} }

// uuidText prints option 97. Type 0 is the SMBIOS UUID with its first three
// fields little-endian (RFC 4578 §2.3 and SMBIOS 3.x §7.2.1). The all-ones and
// all-zero values of unprogrammed boards name nobody.
func uuidText(v []byte) string {
	if len(v) != 17 || v[0] != 0 {
		return ""
	}
	u := v[1:]
	if strings.Trim(hex.EncodeToString(u), "0") == "" || strings.Trim(hex.EncodeToString(u), "f") == "" {
		return ""
	}
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(u), binary.LittleEndian.Uint16(u[4:]),
		binary.LittleEndian.Uint16(u[6:]), u[8:10], u[10:16])
}

// arches reads option 93; an odd tail is ignored.
func arches(v []byte) []uint16 {
	var out []uint16
	for ; len(v) >= 2; v = v[2:] {
		out = append(out, binary.BigEndian.Uint16(v))
	}
	return out
}
