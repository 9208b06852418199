package redfish

import (
	"regexp"
	"strconv"
	"strings"

	gofish "github.com/stmcginnis/gofish/redfish"

	"github.com/rackwright/rackwright/inventory"
)

func (c *collector) processor(r *resource) {
	v, ok := read[gofish.Processor](c, r, classOf(r))
	if !ok {
		return
	}
	kind := inventory.KindCPU
	switch {
	case acceleratorType(string(v.ProcessorType)):
		kind = acceleratorKind(v.Manufacturer, v.Model)
	case v.ProcessorType != gofish.CPUProcessorType && v.ProcessorType != "":
		c.tree.note(ruleNoClass, "", r.id) // FPGA, DSP, cores and threads
		return
	}
	p := newPart(kind, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location)
	p.uuid, p.firmware = clean(v.UUID), clean(v.FirmwareVersion)
	if v.TotalCores > 0 {
		p.fact("cores", strconv.Itoa(v.TotalCores))
	}
	p.sizeMiB = whole(r.at("MemorySummary/TotalMemorySizeMiB"))
	c.parts = append(c.parts, p)
}

// acceleratorKind tells a Trainium chip from a GPU: Redfish calls both Accelerator.
func acceleratorKind(vendor, model string) inventory.Kind {
	words := strings.ToLower(vendor + " " + model)
	for _, w := range []string{"trainium", "inferentia", "annapurna", "neuron"} {
		if strings.Contains(words, w) {
			return inventory.KindTrainium
		}
	}
	return inventory.KindGPU
}

// memory: the memory of an accelerator is part of it, never a DIMM, and its
// size is often 0 because nobody filled it in. A DIMM of size 0 is an empty slot.
func (c *collector) memory(r *resource) {
	v, ok := read[gofish.Memory](c, r, inventory.KindDIMM)
	if !ok {
		return
	}
	stacked := strings.ToUpper(string(v.MemoryDeviceType) + " " + string(v.MemoryType))
	if strings.Contains(stacked, "HBM") || strings.Contains(stacked, "GDDR") {
		c.tree.note(ruleNoDIMM, inventory.KindDIMM, r.id)
		return
	}
	p := newPart(inventory.KindDIMM, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location)
	p.sizeMiB, p.sizeKnown = int64(v.CapacityMiB), r.fields["CapacityMiB"] != nil // rule 10: raw, whatever the label says
	p.fact("memory_type", string(v.MemoryDeviceType))
	p.fact("locator", v.DeviceLocator)
	c.parts = append(c.parts, p)
}

func (c *collector) drive(r *resource) {
	v, ok := read[gofish.Drive](c, r, inventory.KindDrive)
	if !ok {
		return
	}
	p := newPart(inventory.KindDrive, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.PhysicalLocation)
	if p.label == "" && len(v.Location) > 0 {
		p.label = v.Location[0].PartLocation.ServiceLabel
	}
	p.sizeMiB, p.firmware = v.CapacityBytes>>20, clean(v.Revision)
	if p.firmware == "" {
		p.firmware = clean(v.FirmwareVersion)
	}
	p.fact("media", string(v.MediaType))
	p.fact("protocol", string(v.Protocol))
	c.parts = append(c.parts, p)
}

// simpleStorage keeps its devices apart until it is known whether the node has
// any Drive (rule 8, for drives).
func (c *collector) simpleStorage(r *resource) {
	v, ok := read[gofish.SimpleStorage](c, r, inventory.KindDrive)
	if !ok {
		return
	}
	for i, d := range v.Devices {
		p := newPart(inventory.KindDrive, r, d.Manufacturer, d.Model, "", "", d.Status, noLocation)
		p.id, p.sizeMiB = firstText(clean(d.Name), strconv.Itoa(i)), d.CapacityBytes>>20
		p.from = []string{r.id}
		c.parts = append(c.parts, p)
	}
}

// hpeServerDevice is the device list of iLO: the only place where iLO 5 names
// its GPUs, and its type word is wrong for a baseboard and an NVSwitch (rule 6).
type hpeServerDevice struct {
	DeviceType, Location, Manufacturer, Name, PartNumber, ProductPartNumber, SerialNumber string
	FirmwareVersion                                                                       struct {
		Current struct{ VersionString string }
	}
	Status statusOnly
}

var (
	switchModel    = regexp.MustCompile(`(?i)nv ?switch`)
	baseboardModel = regexp.MustCompile(`(?i)\bHGX\b|baseboard|\d+ GPU\b`)
)

func (c *collector) hpeDevice(r *resource) {
	if r.at("DeviceType") != "GPU" {
		return // other devices are standard resources of their own
	}
	v, ok := read[hpeServerDevice](c, r, inventory.KindGPU)
	if !ok {
		return
	}
	kind := acceleratorKind(v.Manufacturer, v.Name)
	switch {
	case switchModel.MatchString(v.Name):
		kind = inventory.KindNVSwitch
	case baseboardModel.MatchString(v.Name), strings.HasPrefix(v.ProductPartNumber, "935-"):
		kind = inventory.KindBaseboard
	}
	if kind != inventory.KindGPU {
		c.tree.note(ruleModel, inventory.KindGPU, r.id)
	}
	p := newPart(kind, r, v.Manufacturer, v.Name, firstText(v.ProductPartNumber, v.PartNumber), v.SerialNumber, v.Status.common(), noLocation)
	p.label, p.firmware = clean(v.Location), clean(v.FirmwareVersion.Current.VersionString)
	c.parts = append(c.parts, p)
}

// whole reads a number that may be written as text or with a fraction; 0: none.
func whole(s string) int64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f < 0 || f > 1<<52 {
		return 0
	}
	return int64(f)
}

func firstText(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
