package intake

import (
	"fmt"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// origin is where a row stands in its file and what it looked like.
type origin struct {
	line int
	raw  func() string // secrets blanked; called for quarantined rows only
}

// rows is what both readers (tree and table) hand to the builder.
type rows struct {
	name   string
	racks  []rackRow
	nodes  []nodeRow
	parts  []partRow
	faults []inventory.RowFault
}

func (r rows) count() int { return len(r.racks) + len(r.nodes) + len(r.parts) }

type rackRow struct {
	origin
	name, site, position, serial, typeName string
	inline                                 *inventory.RackType
}

type nodeRow struct {
	origin
	rack, slot, kind, vendor, model, serial string
	profile, uuid, note, macBMC             string
	bmcURL, bmcSystem, user, password       string
	macs                                    []string
	conflict                                string // two statements of one row that disagree
}

type partRow struct {
	origin
	rack, node, parent, kind, slot, vendor, model string
	serial, firmware, macBMC                      string
	quantity, size, note                          string
	macs                                          []string
	conflict                                      string
}

// rowFaults collects the faults of one row; a row with any is quarantined whole.
type rowFaults struct {
	origin
	list []inventory.RowFault
}

func (f *rowFaults) add(field, fix, reason string, args ...any) {
	f.list = append(f.list, inventory.RowFault{Row: f.line, Field: field, Reason: fmt.Sprintf(reason, args...), Fix: fix, Raw: f.raw()})
}

// text trims a cell and refuses what no part carries: control characters,
// formulas and texts longer than a label.
func (f *rowFaults) text(field, value string) string {
	value = strings.TrimSpace(value)
	switch {
	case len(value) > 512:
		f.add(field, "shorten it to 512 bytes", "%d bytes are too long", len(value))
	case strings.ContainsFunc(value, func(r rune) bool { return r < 0x20 || r == 0x7F }):
		f.add(field, "remove the control characters", "holds control characters")
	case strings.HasPrefix(value, "="):
		f.add(field, "write the value; no formula is evaluated", "holds a formula")
	default:
		return value
	}
	return ""
}

// mac reads one MAC; empty stays empty.
func (f *rowFaults) mac(field, value string) inventory.MAC {
	value = strings.TrimSpace(value)
	if value == "" {
		return ""
	}
	if spreadsheetNumber(value) {
		f.add(field, "format the column as text", "%q is a number a spreadsheet made of a MAC", value)
		return ""
	}
	mac, ok := inventory.ParseMAC(value)
	switch {
	case !ok:
		f.add(field, "write six bytes such as 02:00:00:00:00:01", "%q is no MAC address", clip(value))
		return ""
	case mac == "00:00:00:00:00:00" || mac == "ff:ff:ff:ff:ff:ff":
		f.add(field, "read the label again, or leave it empty", "%s is a placeholder", mac)
		return ""
	case mac.Hardware()[0]&1 == 1:
		f.add(field, "read the label again, or leave it empty", "%s is a group address, no card has it", mac)
		return ""
	}
	return mac
}

func (f *rowFaults) macList(field string, values []string) []inventory.MAC {
	var out []inventory.MAC
	for _, v := range values {
		if m := f.mac(field, v); m != "" {
			out = append(out, m)
		}
	}
	return out
}

// serial reads one serial; placeholders and mangled numbers are faults, because
// either would bind two different parts to one identity (inventory.md §3).
func (f *rowFaults) serial(value string) string {
	value = f.text("serial", value)
	switch {
	case value == "":
		return ""
	case spreadsheetNumber(value):
		f.add("serial", "format the column as text and export again", "%q is a number a spreadsheet made of a serial", value)
		return ""
	case placeholder(value):
		f.add("serial", "read the label, or leave it empty and order by quantity", "%q is a placeholder, not a serial", value)
		return ""
	}
	return value
}

// spreadsheetNumber recognises 1.23457E+11: digits were lost and cannot be had back.
func spreadsheetNumber(value string) bool {
	mantissa, exponent, ok := strings.Cut(strings.ToUpper(value), "E+")
	if !ok || exponent == "" || mantissa == "" {
		return false
	}
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	whole, fraction, _ := strings.Cut(strings.Replace(strings.TrimPrefix(mantissa, "-"), ",", ".", 1), ".")
	return len(whole) == 1 && digits(whole) && digits(fraction) && digits(exponent)
}
