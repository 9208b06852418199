package tool

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// PCI is one function as lspci -Dvmmnn prints it; codes are lower-case hex.
type PCI struct {
	Slot                                string // 0000:9b:00.0
	Class, ClassCode                    string
	Vendor, VendorID, Device, DeviceID  string
	SubVendorID, SubDeviceID, RevisionN string
}

var (
	pciSlot = regexp.MustCompile(`^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)
	pciCode = regexp.MustCompile(`^(.*) \[([0-9a-f]{4})\]$`)
)

// Lspci reads lspci -Dvmmnn: records of "Key:\tvalue [code]" split by empty lines.
func Lspci(out []byte) ([]PCI, error) {
	if len(bytes.TrimSpace(out)) == 0 {
		return nil, fmt.Errorf("lspci: %w", errEmpty)
	}
	var list []PCI
	for block := range strings.SplitSeq(strings.ReplaceAll(string(out), "\r\n", "\n"), "\n\n") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		p := PCI{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			p.field(key, strings.TrimSpace(value))
		}
		if !pciSlot.MatchString(p.Slot) || p.ClassCode == "" || p.VendorID == "" {
			return nil, wrong("lspci", "record without slot, class or vendor: %.80q", block)
		}
		list = append(list, p)
	}
	return list, nil
}

func (p *PCI) field(key, value string) {
	name, code := value, ""
	if m := pciCode.FindStringSubmatch(value); m != nil {
		name, code = m[1], m[2]
	}
	switch key {
	case "Slot":
		p.Slot = strings.ToLower(value)
	case "Class":
		p.Class, p.ClassCode = name, code
	case "Vendor":
		p.Vendor, p.VendorID = name, code
	case "Device":
		p.Device, p.DeviceID = name, code
	case "SVendor":
		p.SubVendorID = code
	case "SDevice":
		p.SubDeviceID = code
	case "Rev":
		p.RevisionN = value
	}
}

// PCI identities of accelerators. Class 0300 and 0302 are display and 3D
// controllers, 1200 processing accelerators (PCI code and ID assignment 1.15).
const (
	nvidia = "10de"
	amd    = "1002"
	amazon = "1d0f"
)

// neurons are the device ids of Trainium 1 and 2 (aws-neuron driver).
var neurons = []string{"7164", "7364"}

// Accelerator says which accelerator class a function is; the second result is
// false for everything else, the BMC's display controller included.
func (p PCI) Accelerator() (inventory.Kind, bool) {
	switch {
	case p.VendorID == nvidia && (p.ClassCode == "0300" || p.ClassCode == "0302"),
		p.VendorID == amd && (p.ClassCode == "0302" || p.ClassCode == "1200"):
		return inventory.KindGPU, true
	case p.VendorID == amazon && slices.Contains(neurons, p.DeviceID):
		return inventory.KindTrainium, true
	}
	return "", false
}
