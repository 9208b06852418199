package tool

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// DMI is one SMBIOS structure as dmidecode prints it.
type DMI struct {
	Type   int // DSP0134: 0 BIOS, 1 system, 2 board, 3 chassis, 4 processor, 17 memory device
	Fields map[string]string
}

var dmiHandle = regexp.MustCompile(`^Handle 0x[0-9A-Fa-f]+, DMI type (\d+), \d+ bytes$`)

// Dmidecode reads the plain output of dmidecode. No structure at all is an
// error: an empty table is not a machine without parts.
func Dmidecode(out []byte) ([]DMI, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, fmt.Errorf("dmidecode: %w", errEmpty)
	}
	var list []DMI
	for raw := range bytes.Lines(out) {
		line := strings.TrimRight(string(raw), "\r\n")
		if m := dmiHandle.FindStringSubmatch(line); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return nil, wrong("dmidecode", "type %q", m[1])
			}
			list = append(list, DMI{Type: n, Fields: map[string]string{}})
			continue
		}
		if len(list) == 0 || !strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "\t\t") {
			continue
		}
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		fields := list[len(list)-1].Fields
		if _, twice := fields[key]; ok && !twice {
			fields[key] = strings.TrimSpace(value)
		}
	}
	if len(list) == 0 {
		return nil, wrong("dmidecode", "no structure in %d bytes of output", len(out))
	}
	return list, nil
}

// said is a field, or empty where the firmware says that it says nothing.
func (d DMI) said(key string) string {
	v := d.Fields[key]
	switch v {
	case "Not Specified", "Not Provided", "Unknown", "None", "Other", "<BAD INDEX>", "<OUT OF SPEC>", "Not Present":
		return ""
	}
	return v
}

// DMIComponents turns SMBIOS structures into components: chassis, board, BIOS,
// processors and memory. An empty socket is no component.
func DMIComponents(list []DMI) []inventory.Component {
	var out []inventory.Component
	used := map[inventory.Key]int{}
	add := func(c inventory.Component) {
		c.State = inventory.StatePresent
		if n := used[c.Key]; n > 0 { // firmware that names every socket alike
			used[c.Key]++
			c.Slot = fmt.Sprintf("%s #%d", c.Slot, n+1)
		}
		used[c.Key]++
		out = append(out, c)
	}
	for _, d := range list {
		switch d.Type {
		case 0:
			add(inventory.Component{Key: inventory.Key{Kind: inventory.KindBIOS, Slot: "BIOS"}, Vendor: d.said("Vendor"), Firmware: d.said("Version")})
		case 1:
			add(d.unit(inventory.KindChassis, "system"))
		case 2:
			add(d.unit(inventory.KindBoard, firstOf(d.said("Location In Chassis"), "board")))
		case 4:
			if strings.HasPrefix(d.Fields["Status"], "Populated") || d.Fields["Status"] == "" && d.said("Version") != "" {
				add(inventory.Component{Key: inventory.Key{Kind: inventory.KindCPU, Slot: firstOf(d.said("Socket Designation"), "CPU")},
					Vendor: d.said("Manufacturer"), Model: d.said("Version"), Serial: d.said("Serial Number")})
			}
		case 17:
			if mib := dimmSize(d.Fields["Size"]); mib > 0 {
				add(inventory.Component{Key: inventory.Key{Kind: inventory.KindDIMM, Slot: firstOf(d.said("Locator"), "DIMM")}, SizeMiB: mib,
					Vendor: d.said("Manufacturer"), Model: d.said("Part Number"), Serial: d.said("Serial Number")})
			}
		}
	}
	return out
}

func (d DMI) unit(kind inventory.Kind, slot string) inventory.Component {
	c := inventory.Component{Key: inventory.Key{Kind: kind, Slot: slot}, Vendor: d.said("Manufacturer"), Model: d.said("Product Name"), Serial: d.said("Serial Number")}
	for _, id := range []struct {
		kind inventory.IDKind
		raw  string
	}{{inventory.IDDMI, c.Serial}, {inventory.IDUUID, d.said("UUID")}, {inventory.IDAssetTag, d.said("Asset Tag")}} {
		if n := inventory.Usable(id.raw); n != "" {
			c.IDs = append(c.IDs, inventory.Identifier{Kind: id.kind, Raw: id.raw, Norm: n, Source: inventory.SourceInband, Trusted: id.kind == inventory.IDDMI})
		}
	}
	return c
}

// dimmSize reads "16 GB", "16384 MB"; everything else is an empty socket.
func dimmSize(text string) int64 {
	num, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(num, 10, 32)
	shift, ok := map[string]uint{"MB": 0, "GB": 10, "TB": 20}[unit]
	if err != nil || !ok || n < 0 {
		return 0
	}
	return n << shift
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
