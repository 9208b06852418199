package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
)

// Digest is "sha256:" and 64 lower-case hex digits.
type Digest string

const digestPrefix = "sha256:"

// DigestOf hashes bytes.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// ParseDigest checks the form; the error names what is wrong.
func ParseDigest(text string) (Digest, error) {
	rest, ok := strings.CutPrefix(text, digestPrefix)
	if !ok || len(rest) != 64 || rest != strings.ToLower(rest) {
		return "", fmt.Errorf("digest %q: want %s and 64 lower-case hex digits", text, digestPrefix)
	}
	if _, err := hex.DecodeString(rest); err != nil {
		return "", fmt.Errorf("digest %q: %w", text, err)
	}
	return Digest(text), nil
}

// Hex returns the 64 digits without the prefix.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), digestPrefix) }

// Fingerprint binds evidence to what was really installed: SHA-256 over the
// sorted (kind/slot, model, serial, firmware) of every present part
// (lifecycle.md §6). A re-used board therefore never keeps old good history.
func Fingerprint(parts []Component) Digest {
	lines := make([]string, 0, len(parts))
	for _, c := range parts {
		if c.State == StatePresent || c.State == "" {
			lines = append(lines, fmt.Sprintf("%q %q %q %q", c.Key.String(), c.Model, c.Serial, c.Firmware))
		}
	}
	sort.Strings(lines)
	return DigestOf([]byte(strings.Join(lines, "\n")))
}
