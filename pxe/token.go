package pxe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/rackwright/rackwright/inventory"
)

// tokenDigits is 128 bits in hex.
const tokenDigits = 32

// BootToken derives the token of one boot attempt: HMAC-SHA-256 with the
// site's key over MAC, node, run and attempt, cut to 128 bits, in hex. Every
// server computes the same token and none stores it. It proves freshness, not
// secrecy: it travels in clear on the provisioning link.
//
// The SMBIOS UUID is not part of it, although DHCP carries it: the HTTP request
// that must be checked against the token does not, and the node id binds more.
func BootToken(key inventory.Secret, mac inventory.MAC, n inventory.Node) inventory.Secret {
	if n.Operation == nil || n.Operation.Boot == nil || key.IsZero() {
		return inventory.Secret{}
	}
	run := n.Operation.Boot.Run
	if run == "" {
		run = n.Operation.Run
	}
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	for _, part := range []string{"rackwright boot token 1", string(mac), string(n.ID), string(run), strconv.Itoa(n.Operation.Boot.Attempt)} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return inventory.NewSecret(hex.EncodeToString(h.Sum(nil))[:tokenDigits])
}

// TokenDigest is how a token is recorded; the empty token has none.
func TokenDigest(token inventory.Secret) inventory.Digest {
	if token.IsZero() {
		return ""
	}
	return inventory.DigestOf([]byte(token.Reveal()))
}

func sameToken(a, b inventory.Secret) bool {
	return !a.IsZero() && hmac.Equal([]byte(a.Reveal()), []byte(b.Reveal()))
}
