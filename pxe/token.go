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
// site's key over MAC, run and attempt, cut to 128 bits, in hex. Every server
// computes the same token and none stores it. It proves freshness, not
// secrecy: it travels in clear on the provisioning link. Without key or run
// there is no token.
//
// The SMBIOS UUID is not part of it, although DHCP carries it: the HTTP request
// that must be checked against the token does not.
func BootToken(key inventory.Secret, mac inventory.MAC, run inventory.RunID, attempt int) inventory.Secret {
	if key.IsZero() || run == "" || mac == "" {
		return inventory.Secret{}
	}
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	for _, part := range []string{"rackwright boot token 1", string(mac), string(run), strconv.Itoa(attempt)} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return inventory.NewSecret(hex.EncodeToString(h.Sum(nil))[:tokenDigits])
}

// NodeToken is the token of the boot that the node's operation wants; empty
// when it wants none.
func NodeToken(key inventory.Secret, mac inventory.MAC, n inventory.Node) inventory.Secret {
	if n.Operation == nil || n.Operation.Boot == nil {
		return inventory.Secret{}
	}
	return BootToken(key, mac, bootRun(n), n.Operation.Boot.Attempt)
}

// bootRun is the run that a boot belongs to; n must have an operation with a boot.
func bootRun(n inventory.Node) inventory.RunID {
	if run := n.Operation.Boot.Run; run != "" {
		return run
	}
	return n.Operation.Run
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
