package samplecount

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Counts is the number of bodies by class ("cpu", "dimm", …).
type Counts map[string]int

type line struct {
	URI  string         `json:"uri"`
	Body map[string]any `json:"body"`
}

// Read counts one resources.jsonl. A line that is no JSON is an error with its
// number; a body that is no object is not counted.
func Read(r io.Reader) (Counts, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 16<<20)
	var lines []line
	for n := 1; in.Scan(); n++ {
		var l struct {
			URI  string `json:"uri"`
			Body any    `json:"body"`
		}
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if body, ok := l.Body.(map[string]any); ok {
			lines = append(lines, line{l.URI, body})
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	lines = append(lines, wholeMembers(lines)...)
	out, macs := Counts{}, map[string]bool{}
	for _, l := range lines {
		count(out, macs, l)
	}
	out["mac"] = len(macs)
	return out, nil
}

// wholeMembers are the bodies that exist only inside a collection.
func wholeMembers(lines []line) []line {
	have := map[string]bool{}
	for _, l := range lines {
		have[strings.TrimSuffix(l.URI, "/")] = true
	}
	var out []line
	for _, l := range lines {
		list, ok := l.Body["Members"].([]any)
		if !ok {
			continue
		}
		for _, m := range list {
			body, ok := m.(map[string]any)
			if !ok || body["@odata.type"] == nil {
				continue
			}
			if id, _ := body["@odata.id"].(string); !have[strings.TrimSuffix(id, "/")] {
				out = append(out, line{id, body})
			}
		}
	}
	return out
}

var simple = map[string]string{"Memory": "dimm", "Drive": "drive", "NetworkAdapter": "nic", "PowerSupply": "psu", "Fan": "fan",
	"Switch": "nvswitch", "Manager": "bmc", "SoftwareInventory": "firmware", "Chassis": "chassis", "Cable": "cable"}

func count(out Counts, macs map[string]bool, l line) {
	odata, _ := l.Body["@odata.type"].(string)
	kind, _, _ := strings.Cut(strings.TrimPrefix(odata, "#"), ".")
	if class := simple[kind]; class != "" {
		out[class]++
	}
	switch kind {
	case "Processor":
		switch l.Body["ProcessorType"] {
		case "CPU":
			out["cpu"]++
		case "GPU", "Accelerator":
			out["gpu"]++
		}
	case "HpeServerDevice":
		if l.Body["DeviceType"] == "GPU" {
			out["gpu"]++
		}
	case "SimpleStorage":
		out["drive"] += entries(l.Body["Devices"])
	case "Power":
		out["psu"] += entries(l.Body["PowerSupplies"])
	case "Thermal":
		out["fan"] += entries(l.Body["Fans"])
	case "EthernetInterface":
		if strings.Contains(l.URI, "/Systems/") {
			out["nic"]++
			addMACs(macs, l.Body)
		}
	case "NetworkDeviceFunction", "Port", "NetworkPort", "BootOption":
		addMACs(macs, l.Body)
	}
}

func entries(v any) int {
	list, _ := v.([]any)
	return len(list)
}

var (
	colons = regexp.MustCompile(`^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$`)
	inPath = regexp.MustCompile(`MAC\(([0-9A-Fa-f]{12})`)
)

// addMACs takes every text of the body that is a MAC address or a UEFI device
// path with one, whatever the property is called.
func addMACs(macs map[string]bool, v any) {
	switch x := v.(type) {
	case map[string]any:
		for _, inner := range x {
			addMACs(macs, inner)
		}
	case []any:
		for _, inner := range x {
			addMACs(macs, inner)
		}
	case string:
		if colons.MatchString(strings.TrimSpace(x)) {
			macs[strings.ToLower(strings.NewReplacer(":", "", "-", "").Replace(strings.TrimSpace(x)))] = true
		}
		for _, m := range inPath.FindAllStringSubmatch(x, -1) {
			macs[strings.ToLower(m[1])] = true
		}
	}
}
