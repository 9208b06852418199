package inventory

import (
	"net"
	"strings"
)

// MAC is an IEEE 802 MAC-48 address in lower-case colon form, or empty. A text
// type keeps it comparable, usable as a key and the same in every JSON.
type MAC string

// ParseMAC normalises any usual spelling; the second result is false when the
// text is no MAC-48 address.
func ParseMAC(text string) (MAC, bool) {
	text = strings.TrimSpace(text)
	if len(text) == 12 {
		text = text[0:2] + ":" + text[2:4] + ":" + text[4:6] + ":" + text[6:8] + ":" + text[8:10] + ":" + text[10:12]
	}
	hw, err := net.ParseMAC(text)
	if err != nil || len(hw) != 6 {
		return "", false
	}
	return MAC(hw.String()), true
}

// MACOf converts a wire address; anything but six bytes gives the empty MAC.
func MACOf(hw net.HardwareAddr) MAC {
	if len(hw) != 6 {
		return ""
	}
	return MAC(hw.String())
}

// Hardware returns the six bytes, or nil for the empty MAC.
func (m MAC) Hardware() net.HardwareAddr {
	hw, err := net.ParseMAC(string(m))
	if err != nil {
		return nil
	}
	return hw
}
