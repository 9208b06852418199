package handover

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// asBuilt is inventory.csv: one row per member and one per part seen in it,
// with the serial that was ordered beside the one that was found.
func asBuilt(c Case) ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	write := func(cells ...string) error {
		for i := range cells {
			cells[i] = textCell(cells[i])
		}
		return w.Write(cells)
	}
	if err := write("rack", "slot", "u", "height", "class", "part_slot", "manufacturer", "part_number", "serial", "serial_ordered", "firmware", "size_mib", "state", "covered"); err != nil {
		return nil, fmt.Errorf("write as built: %w", err)
	}
	places := map[string]inventory.Slot{}
	for _, s := range c.Type.Slots {
		places[s.Path] = s
	}
	for _, n := range sortedNodes(c.Nodes) {
		s := places[n.Slot]
		covered := "yes"
		if c.excluded(n.ID) {
			covered = "no"
		}
		if err := write(c.Rack.Name, n.Slot, strconv.Itoa(s.U), strconv.Itoa(s.Height), string(n.Kind), "", n.Vendor, n.Type, n.Serial, n.Serial, "", "", string(n.Milestone), covered); err != nil {
			return nil, fmt.Errorf("write as built: %w", err)
		}
		ordered := map[inventory.Key]string{}
		for _, p := range c.Expected[n.ID] {
			ordered[p.Key] = p.Serial
		}
		parts := append([]inventory.Component(nil), c.Observed[n.ID]...)
		sort.SliceStable(parts, func(i, j int) bool { return parts[i].Key.String() < parts[j].Key.String() })
		for _, p := range parts {
			size := ""
			if p.SizeMiB > 0 {
				size = strconv.FormatInt(p.SizeMiB, 10)
			}
			if err := write(c.Rack.Name, n.Slot, "", "", string(p.Kind), p.Slot, p.Vendor, p.Model, p.Serial, ordered[p.Key], p.Firmware, size, string(p.State), covered); err != nil {
				return nil, fmt.Errorf("write as built: %w", err)
			}
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

// textCell keeps a spreadsheet from evaluating what a BMC reported.
func textCell(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
