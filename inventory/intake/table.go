package intake

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Columns are the columns every table has (inventory.md §7), in the order WriteCSV writes them.
func Columns() []string {
	return []string{"rack", "slot", "class", "manufacturer", "part_number", "serial", "mac_bmc", "mac", "parent", "quantity", "note"}
}

// moreColumns may follow in any order.
func moreColumns() []string {
	return []string{"site", "firmware", "bmc_url", "uuid", "profile", "size_mib", "bmc_system", "bmc_user", "bmc_password"}
}

const classRack = "rack"

// isTable decides by the first line: a table's holds the column rack beside others.
func isTable(text string) bool {
	line, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), "\n")
	comma := delimiter(line)
	if !strings.ContainsRune(line, comma) {
		return false
	}
	known := append(Columns(), moreColumns()...)
	for _, cell := range strings.Split(line, string(comma)) {
		if name := columnName(cell); name == "rack" || name == "slot" || name != "" && strings.HasPrefix(line, cell) && slices.Contains(known, name) {
			return true
		}
	}
	return false
}

// delimiter is the one of comma, semicolon and tab that the first line has most of.
func delimiter(line string) rune {
	best, most := ',', strings.Count(line, ",")
	for _, c := range []rune{';', '\t'} {
		if n := strings.Count(line, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

func columnName(cell string) string {
	return strings.ToLower(strings.Trim(cell, " \t\r\""))
}

type table struct {
	out     rows
	columns []string
	secret  bool // a column may hold passwords
	comma   rune
	kept    *csv.Writer
}

// readTable reads CSV. A row that is no valid CSV or has another number of cells
// is quarantined; a wrong header makes the whole table unreadable.
func readTable(text string, raw []byte) (rows, []byte, error) {
	start := strings.TrimLeft(text, "\r\n")
	skipped := strings.Count(text[:len(text)-len(start)], "\n")
	line, _, _ := strings.Cut(start, "\n")
	t := &table{comma: delimiter(line)}
	r := csv.NewReader(strings.NewReader(start))
	r.Comma, r.FieldsPerRecord = t.comma, -1
	head, err := r.Read()
	if err != nil {
		return rows{}, nil, fmt.Errorf("line %d: header: %w: %w", 1+skipped, err, inventory.ErrInvalid)
	}
	if err := t.header(head, 1+skipped); err != nil {
		return t.out, nil, err
	}
	var copied bytes.Buffer
	t.kept = csv.NewWriter(&copied)
	t.kept.Comma = t.comma
	if err := t.kept.Write(head); err != nil {
		return rows{}, nil, fmt.Errorf("write the copy without passwords: %w", err)
	}
	touched := t.secret
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			t.broken(parse.StartLine+skipped, "", parse.Err.Error(), "quote the cell and double the quotes inside it", nil)
			continue
		} else if err != nil {
			return rows{}, nil, fmt.Errorf("read table: %w", err)
		}
		fieldLine, _ := r.FieldPos(0)
		at := skipped + fieldLine
		touched = t.row(cells, at) || touched
		if t.out.count()+len(t.out.faults) > MaxRows {
			return rows{}, nil, fmt.Errorf("line %d: more than %d rows; split the file: %w", at, MaxRows, inventory.ErrInvalid)
		}
	}
	t.kept.Flush()
	if err := t.kept.Error(); err != nil {
		return rows{}, nil, fmt.Errorf("write the copy without passwords: %w", err)
	}
	if !touched {
		return t.out, raw, nil
	}
	return t.out, copied.Bytes(), nil
}

// header checks the column names; all faults together.
func (t *table) header(head []string, line int) error {
	known := append(Columns(), moreColumns()...)
	var faults []keyFault
	for _, cell := range head {
		name := columnName(cell)
		t.secret = t.secret || secretKey(name)
		switch {
		case !slices.Contains(known, name):
			faults = append(faults, keyFault{line: line, key: cell, reason: fmt.Sprintf("unknown column %q", clip(cell)), fix: hint(name, known)})
		case slices.Contains(t.columns, name):
			faults = append(faults, keyFault{line: line, key: cell, reason: "column " + name + " stands twice", fix: "keep one of them"})
		}
		t.columns = append(t.columns, name)
	}
	for _, needed := range []string{"rack", "slot", "class"} {
		if !slices.Contains(t.columns, needed) {
			faults = append(faults, keyFault{line: line, key: needed, reason: "column " + needed + " is missing", fix: "add the column"})
		}
	}
	if len(faults) == 0 {
		return nil
	}
	for _, f := range faults {
		t.out.faults = append(t.out.faults, inventory.RowFault{Row: f.line, Field: f.key, Reason: f.reason, Fix: f.fix, Raw: clip(strings.Join(head, string(t.comma)))})
	}
	return headError(faults)
}

func (t *table) broken(line int, field, reason, fix string, cells []string) {
	raw := clip(strings.Join(cells, string(t.comma)))
	if t.secret {
		raw = "" // cells may stand in the wrong column, the password too
	}
	t.out.faults = append(t.out.faults, inventory.RowFault{Row: line, Field: field, Reason: reason, Fix: fix, Raw: raw})
}

// row files one row and copies it without secrets; it reports whether a cell was blanked.
func (t *table) row(cells []string, line int) bool {
	if strings.TrimSpace(strings.Join(cells, "")) == "" {
		return false // an empty line between groups
	}
	if len(cells) != len(t.columns) {
		t.broken(line, "", fmt.Sprintf("has %d cells, the header has %d", len(cells), len(t.columns)), "add or remove the delimiters", cells)
		return false
	}
	c := make(map[string]string, len(cells))
	clean := make([]string, len(cells))
	blank := false
	for i, name := range t.columns {
		c[name] = unprotect(cells[i])
		clean[i] = cells[i]
		if secretKey(name) && cells[i] != "" {
			clean[i], blank = blanked, true
		} else if userInfo.MatchString(cells[i]) {
			clean[i], blank = userInfo.ReplaceAllString(cells[i], "://"+blanked+"@"), true
		}
	}
	t.file(c, origin{line: line, raw: func() string { return clip(strings.Join(clean, string(t.comma))) }})
	if err := t.kept.Write(clean); err != nil {
		t.broken(line, "", err.Error(), "write the row again", nil)
	}
	return blank
}

func (t *table) file(c map[string]string, o origin) {
	class := strings.ToLower(strings.TrimSpace(c["class"]))
	rack := strings.TrimSpace(c["rack"])
	path := strings.TrimPrefix(strings.TrimSpace(c["slot"]), rack+"/")
	switch {
	case class == classRack:
		t.out.racks = append(t.out.racks, rackRow{origin: o, name: rack, site: c["site"], position: c["note"], serial: c["serial"], typeName: c["part_number"]})
	case oneOf(class, nodeKinds()) && strings.TrimSpace(c["parent"]) == "" && !strings.Contains(path, "/"):
		t.out.nodes = append(t.out.nodes, nodeRow{origin: o, rack: rack, slot: c["slot"], kind: class, vendor: c["manufacturer"], model: c["part_number"],
			serial: c["serial"], profile: c["profile"], uuid: c["uuid"], note: c["note"], macBMC: c["mac_bmc"], bmcURL: c["bmc_url"],
			bmcSystem: c["bmc_system"], user: c["bmc_user"], password: c["bmc_password"], macs: strings.Fields(c["mac"])})
	default:
		t.out.parts = append(t.out.parts, partRow{origin: o, rack: rack, parent: c["parent"], kind: class, slot: c["slot"], vendor: c["manufacturer"],
			model: c["part_number"], serial: c["serial"], firmware: c["firmware"], macBMC: c["mac_bmc"], quantity: c["quantity"],
			size: c["size_mib"], note: c["note"], macs: strings.Fields(c["mac"])})
	}
}

// unprotect takes off the apostrophe that spreadsheets put before text that would
// be a formula.
func unprotect(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune("=+-@'", rune(cell[1])) {
		return cell[1:]
	}
	return cell
}
