package intake

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// WriteCSV writes a manifest with the columns that ParseManifest reads, so what
// was exported can be imported again. Passwords and inline rack types are never
// written; the rack type stands as its name.
func WriteCSV(w io.Writer, m inventory.Manifest) error {
	out := csv.NewWriter(w)
	columns := append(Columns(), moreColumns()[:7]...) // all but the credentials
	write := func(cells map[string]string) error {
		line := make([]string, len(columns))
		for i, name := range columns {
			line[i] = protect(cells[name])
		}
		return out.Write(line)
	}
	if err := out.Write(columns); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, r := range m.Racks {
		if err := write(map[string]string{"rack": r.Name, "class": classRack, "part_number": r.Type.Name, "serial": r.Serial, "note": r.Position, "site": r.Site}); err != nil {
			return fmt.Errorf("write rack %s: %w", r.Name, err)
		}
	}
	for _, n := range m.Nodes {
		if err := write(nodeCells(n)); err != nil {
			return fmt.Errorf("write node %s: %w", n.Address, err)
		}
		for _, c := range m.Components[n.ID] {
			if err := write(partCells(n, c)); err != nil {
				return fmt.Errorf("write %s of node %s: %w", c.Key, n.Address, err)
			}
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func nodeCells(n inventory.Node) map[string]string {
	macs := make([]string, len(n.MACs))
	for i, m := range n.MACs {
		macs[i] = string(m)
	}
	rack, _, _ := strings.Cut(n.Address, "/")
	return map[string]string{"rack": rack, "slot": n.Slot, "class": string(n.Kind), "manufacturer": n.Vendor, "part_number": n.Type,
		"serial": n.Serial, "mac_bmc": string(n.BMC.MAC), "mac": strings.Join(macs, " "), "note": n.Note, "bmc_url": n.BMC.URL,
		"uuid": n.UUID, "profile": n.Profile, "bmc_system": n.BMC.System}
}

func partCells(n inventory.Node, c inventory.Component) map[string]string {
	rack, _, _ := strings.Cut(n.Address, "/")
	parent := n.Slot
	if carrier := c.Facts[FactParent]; carrier != "" {
		parent += "/" + carrier
	}
	cells := map[string]string{"rack": rack, "slot": c.Slot, "class": string(c.Kind), "manufacturer": c.Vendor, "part_number": c.Model,
		"serial": c.Serial, "parent": parent, "note": c.Facts[FactNote], "firmware": c.Firmware}
	if c.Quantity > 1 {
		cells["quantity"] = strconv.Itoa(c.Quantity)
	}
	if c.SizeMiB > 0 {
		cells["size_mib"] = strconv.FormatInt(c.SizeMiB, 10)
	}
	var macs []string
	for _, id := range c.IDs {
		switch id.Kind {
		case inventory.IDMAC:
			macs = append(macs, id.Raw)
		case inventory.IDMACBMC:
			cells["mac_bmc"] = id.Raw
		}
	}
	cells["mac"] = strings.Join(macs, " ")
	return cells
}

// protect marks a cell that a spreadsheet would take for a formula with the
// apostrophe spreadsheets know as "text"; unprotect takes it off again.
func protect(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@'", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func unprotect(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune("=+-@'", rune(cell[1])) {
		return cell[1:]
	}
	return cell
}
