package intake

import (
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// CodeKind says what a candidate reading of a box code is.
type CodeKind string

// Kinds of readings.
const (
	CodeSerial   CodeKind = "serial"
	CodePart     CodeKind = "part_number"
	CodeSSCC     CodeKind = "sscc" // shipping unit, GS1 (00)
	CodeGTIN     CodeKind = "gtin"
	CodeQuantity CodeKind = "quantity"
	CodeOrigin   CodeKind = "country" // ANSI 4L
	CodeVendor   CodeKind = "vendor"  // ANSI V, 18V
	CodeMAC      CodeKind = "mac"
	CodeOther    CodeKind = "other" // a field we keep and do not use
	CodeRaw      CodeKind = "raw"   // nothing was recognised; searchable as it is
)

// Candidate is one possible reading of a scanned code. Certain is true only
// where the code says what the field is: inside an ISO 15434 envelope or a
// GS1 element string with a valid check digit. The manifest decides between
// the others; else a person taps one.
type Candidate struct {
	Kind    CodeKind
	Value   string // as it stands in the code; normalise before comparing
	Field   string // data identifier (S, 1P) or application identifier (21)
	Certain bool
}

const (
	maxCode   = 4096 // bytes; the largest QR code holds 4,296 alphanumerics
	groupSep  = "\x1d"
	recordSep = "\x1e"
	endOfText = "\x04"
)

// ParseCode returns every reading of what a scanner sent: Code 128, QR and Data
// Matrix with a plain serial, ANSI MH10.8.2 data identifiers with or without an
// ISO 15434 envelope, and GS1 element strings. A bare leading S or 1P gives both
// readings, because stripping it broke real serials (SGH…). The raw text is
// always among the readings; an empty scan gives none.
func ParseCode(raw string) []Candidate {
	text := strings.Trim(raw, " \t\r\n")
	if text == "" || len(text) > maxCode {
		return nil
	}
	// AIM symbology identifiers: ]C1, ]d2 and ]Q3 announce GS1.
	if rest, ok := strings.CutPrefix(text, "]"); ok && len(rest) > 2 {
		if gs1 := rest[:2] == "C1" || rest[:2] == "d2" || rest[:2] == "Q3"; gs1 {
			if found := gs1Elements(rest[2:]); len(found) > 0 {
				return found
			}
		}
		text = rest[2:]
	}
	if body, ok := envelope(text); ok {
		return body
	}
	if found := gs1Printed(text); len(found) > 0 {
		return found
	}
	if strings.Contains(text, groupSep) {
		if found := gs1Elements(strings.TrimPrefix(text, groupSep)); len(found) > 0 {
			return found
		}
	}
	return plainCode(text)
}

// envelope opens ISO 15434: "[)>" RS format GS fields RS EOT. Scanners that type
// into a form often lose the control characters; what is lost cannot be split,
// so such a code falls through to the uncertain readings.
func envelope(text string) ([]Candidate, bool) {
	rest, ok := strings.CutPrefix(text, "[)>"+recordSep)
	if !ok {
		return nil, false
	}
	rest = strings.TrimSuffix(rest, endOfText)
	var out []Candidate
	for _, record := range strings.Split(rest, recordSep) {
		format, fields, ok := strings.Cut(record, groupSep)
		if !ok {
			continue
		}
		switch format {
		case "05":
			out = append(out, gs1Elements(fields)...)
		case "06":
			for _, field := range strings.Split(fields, groupSep) {
				if c, ok := identifier(field); ok {
					c.Certain = true
					out = append(out, c)
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, false
	}
	return out, true
}

// identifier splits a data identifier of ANSI MH10.8.2: up to three digits and one letter.
func identifier(field string) (Candidate, bool) {
	n := 0
	for n < len(field) && n < 3 && field[n] >= '0' && field[n] <= '9' {
		n++
	}
	if n >= len(field) || field[n] < 'A' || field[n] > 'Z' || n+1 >= len(field) {
		return Candidate{}, false
	}
	di, value := field[:n+1], field[n+1:]
	kind := CodeOther
	switch di {
	case "S", "25S":
		kind = CodeSerial
	case "P", "1P", "25P":
		kind = CodePart
	case "Q":
		kind = CodeQuantity
	case "4L":
		kind = CodeOrigin
	case "V", "18V":
		kind = CodeVendor
	case "J", "1J", "2J", "3J", "4J", "5J", "6J":
		kind = CodeSSCC
	case "23S":
		kind = CodeMAC
	}
	return Candidate{Kind: kind, Value: value, Field: di}, true
}

// plainCode reads a code without an envelope: as it stands, and, when it starts
// like a data identifier we know, without it as well.
func plainCode(text string) []Candidate {
	var out []Candidate
	if mac, ok := inventory.ParseMAC(text); ok {
		out = append(out, Candidate{Kind: CodeMAC, Value: string(mac)})
	}
	out = append(out, Candidate{Kind: CodeSerial, Value: text})
	if c, ok := identifier(text); ok && c.Kind != CodeOther {
		out = append(out, c)
	}
	if sscc, ok := strings.CutPrefix(text, "00"); ok && len(text) == 20 && gs1Check(sscc) {
		out = append(out, Candidate{Kind: CodeSSCC, Value: sscc, Field: "00"})
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7F }) || strings.Contains(text, "://") {
		out = []Candidate{} // not a serial: a link or a broken envelope
	}
	return append(out, Candidate{Kind: CodeRaw, Value: text})
}
