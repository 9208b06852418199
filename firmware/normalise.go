package firmware

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// checkNormalisers refuses unknown rules, so that no version is compared by a
// rule that silently does nothing.
func checkNormalisers(rules []string) error {
	for _, r := range rules {
		name, arg, _ := strings.Cut(r, ":")
		switch name {
		case "trim", "casefold", "hexascii", "cpld_bytes":
		case "strip_prefix":
			if arg == "" {
				return fmt.Errorf("%q needs the prefix after the colon", r)
			}
		case "regex":
			if re, err := regexp.Compile(arg); err != nil {
				return err
			} else if re.NumSubexp() != 1 {
				return fmt.Errorf("%q needs exactly one group", r)
			}
		default:
			return fmt.Errorf("unknown rule %q: use trim, casefold, hexascii, cpld_bytes, strip_prefix:…, regex:…", r)
		}
	}
	return nil
}

// normalise applies the rules in order. Blanks around a version are always
// dropped: BMCs send "96.00.A6.00.01  ". A rule that does not fit leaves the
// text as it is, so that it compares as different and is shown.
func normalise(rules []string, text string) string {
	text = strings.TrimSpace(text)
	for _, r := range rules {
		name, arg, _ := strings.Cut(r, ":")
		switch name {
		case "casefold":
			text = strings.ToLower(text)
		case "strip_prefix":
			text = strings.TrimPrefix(text, arg)
		case "hexascii": // an FPGA says 312e3041 for "1.0A"
			if b, err := hex.DecodeString(text); err == nil {
				text = string(b)
			}
		case "cpld_bytes": // "0x00 0x0b 0x03 0x04"
			text = cpldBytes(text)
		case "regex":
			if m := regexp.MustCompile(arg).FindStringSubmatch(text); m != nil {
				text = m[1]
			}
		}
	}
	return text
}

func cpldBytes(text string) string {
	fields := strings.Fields(strings.ReplaceAll(text, ",", " "))
	for i, f := range fields {
		digits, ok := strings.CutPrefix(strings.ToLower(f), "0x")
		if !ok {
			return text
		}
		fields[i] = digits
	}
	return strings.Join(fields, ".")
}
