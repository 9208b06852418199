package pxe

import "net"

// RouterAdvertisement is the ICMPv6 message (RFC 4861 §4.2, checksum left to
// the kernel) that says: no router, no prefix, no DHCPv6. Stock iPXE waits up
// to 16 seconds for a router before it uses the address it has; this answer
// ends the wait and configures nothing.
func RouterAdvertisement(mac net.HardwareAddr) []byte {
	const (
		typeRA       = 134
		hopLimit     = 64
		sourceLLAddr = 1
	)
	msg := []byte{typeRA, 0, 0, 0, hopLimit, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if len(mac) == 6 {
		msg = append(append(msg, sourceLLAddr, 1), mac...)
	}
	return msg
}

// RouterSolicitation reports whether an ICMPv6 message asks for routers.
func RouterSolicitation(msg []byte) bool {
	const typeRS = 133
	return len(msg) >= 8 && msg[0] == typeRS && msg[1] == 0
}
