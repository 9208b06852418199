package intake

import "strings"

// normalise trims and upper-cases; a leading letter is never stripped
// (inventory.md §3.1: stripping a barcode's S broke real serials).
func normalise(serial string) string { return strings.ToUpper(strings.TrimSpace(serial)) }

// placeholder recognises values that identify nothing (inventory.md §3.2).
func placeholder(serial string) bool {
	norm := normalise(serial)
	switch norm {
	case "NA", "N/A", "NONE", "NULL", "UNKNOWN", "DEFAULT", "STRING", "TO BE FILLED BY O.E.M.", "SYSTEM SERIAL NUMBER", "NOT SPECIFIED", "123456789":
		return true
	}
	return norm != "" && strings.Trim(norm, norm[:1]) == ""
}
