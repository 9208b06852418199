package inventory

import (
	"slices"
	"strings"
)

// Normalise trims and upper-cases an identifier. A leading letter is never
// stripped: it belongs to real serials (inventory.md §3.1).
func Normalise(text string) string { return strings.ToUpper(strings.TrimSpace(text)) }

// placeholders are values that vendors ship where a serial should be
// (inventory.md §3.2).
var placeholders = []string{"NA", "N/A", "NONE", "NULL", "UNKNOWN", "DEFAULT", "STRING", "TO BE FILLED BY O.E.M.", "SYSTEM SERIAL NUMBER",
	"NOT SPECIFIED", "0", "00000000", "123456789", "0123456789"}

// Placeholder reports whether an identifier identifies nothing: on the
// deny-list, or one character repeated. The empty text is no placeholder, it
// is absent.
func Placeholder(text string) bool {
	n := Normalise(text)
	if n == "" {
		return false
	}
	if slices.Contains(placeholders, n) {
		return true
	}
	digits := strings.NewReplacer("-", "", ":", "", " ", "").Replace(strings.TrimPrefix(n, "0X"))
	return digits == "" || strings.Trim(digits, digits[:1]) == ""
}

// Usable is the normalised serial, or empty when it identifies nothing.
func Usable(serial string) string {
	if Placeholder(serial) {
		return ""
	}
	return Normalise(serial)
}

// Identity is the verdict of comparing two sets of readings.
type Identity string

// Identity verdicts. Conflict: sources disagree and a person picks.
const (
	IdentityCertain  Identity = "certain"
	IdentityUnknown  Identity = "unknown"
	IdentityConflict Identity = "conflict"
)

// Same compares two sets of readings of what may be one part: one trusted
// identifier that agrees, or two untrusted ones, make it certain; a trusted
// one that disagrees under the same kind is a conflict. Serials of different
// kinds (DMI and Redfish of one tray) are not compared with each other.
func Same(a, b []Identifier) Identity {
	agree, trusted, disagree := 0, 0, false
	for _, x := range a {
		for _, y := range b {
			nx, ny := Usable(x.Norm), Usable(y.Norm)
			if x.Kind != y.Kind || nx == "" || ny == "" {
				continue
			}
			switch {
			case nx == ny && (x.Trusted || y.Trusted):
				trusted++
			case nx == ny:
				agree++
			case x.Trusted && y.Trusted:
				disagree = true
			}
		}
	}
	switch {
	case disagree:
		return IdentityConflict
	case trusted > 0 || agree >= 2:
		return IdentityCertain
	}
	return IdentityUnknown
}
