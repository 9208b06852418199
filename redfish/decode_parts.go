package redfish

import (
	"strings"

	"github.com/stmcginnis/gofish/common"

	"github.com/rackwright/rackwright/inventory"
)

// part is one resource read as a component, before parts are merged and get
// their slots.
type part struct {
	res        *resource
	kind       inventory.Kind
	id         string // Id or MemberId: the position
	label      string // PartLocation.ServiceLabel: what is printed on the machine
	vendor     string
	model      string
	number     string // part number
	serial     string // raw; identity rules decide what it is worth
	uuid       string
	firmware   string
	state      string // Status.State as given
	sizeMiB    int64
	sizeKnown  bool // the size says whether the slot is filled (DIMMs)
	broken     string
	facts      map[string]string
	macs       []hostMAC
	from       []string // collections it was found in
	conflicted bool
}

// newPart fills what every class has. gofish has no common type for it.
func newPart(kind inventory.Kind, r *resource, vendor, model, number, serial string, st common.Status, loc common.Location) part {
	return part{res: r, kind: kind, id: idOf(r), label: loc.PartLocation.ServiceLabel, vendor: clean(vendor), model: clean(model), number: clean(number),
		serial: strings.TrimSpace(serial), state: string(st.State), facts: map[string]string{}, from: r.from}
}

// clean drops the blanks BMCs pad with and the words they write for nothing.
func clean(s string) string {
	s = strings.TrimSpace(s)
	if inventory.Placeholder(s) || strings.EqualFold(s, "Not Available") || strings.EqualFold(s, "nil") {
		return ""
	}
	return s
}

// absent: the service says that the slot is empty. Standby, Disabled, Deferring
// and every other state are states of something that is there (rule 9).
func (p part) absent() bool {
	return p.state == string(common.AbsentState) || p.sizeKnown && p.sizeMiB == 0 && inventory.Usable(p.serial) == ""
}

// silent: an entry that names nothing, not even a state. It is a promise of a
// part that was not read, neither a part nor an empty slot.
func (p part) silent() bool {
	return p.state == "" && p.serial == "" && p.model == "" && p.number == "" && p.vendor == "" && p.firmware == "" && p.sizeMiB == 0 && len(p.macs) == 0
}

func (p part) readState() inventory.ReadState {
	switch {
	case p.broken != "":
		return inventory.StateReadFailed
	case p.absent():
		return inventory.StateAbsent
	case p.silent():
		return inventory.StateNotRead
	}
	return inventory.StatePresent
}

func (p *part) fact(name, value string) {
	if value = clean(value); value != "" {
		p.facts[name] = value
	}
}

// collector turns the resources of one node into parts and notes why some are none.
type collector struct {
	*scope
	parts []part
}

// partsOf decodes every resource of the node that can be a part.
func partsOf(s *scope) []part {
	c := &collector{scope: s}
	for _, r := range s.tree.order {
		kind := classOf(r)
		if kind == "" {
			continue
		}
		switch {
		case strings.HasSuffix(r.id, "/Settings"):
			s.tree.note(ruleSettings, kind, r.id)
		case !s.mine(r):
			c.foreignParts(r, kind)
		default:
			c.decode(r)
		}
	}
	return c.parts
}

// classOf is the component class that a resource type stands for; processors
// and the like are told apart by their bodies.
func classOf(r *resource) inventory.Kind {
	switch r.kind {
	case "Processor":
		if acceleratorType(r.at("ProcessorType")) {
			return inventory.KindGPU
		}
		return inventory.KindCPU
	case "Memory":
		return inventory.KindDIMM
	case "Drive", "SimpleStorage":
		return inventory.KindDrive
	case "NetworkAdapter":
		return inventory.KindNIC
	case "PowerSupply", "Power":
		return inventory.KindPSU
	case "Fan", "Thermal":
		return inventory.KindFan
	case "Switch":
		return inventory.KindNVSwitch
	case "Manager":
		return inventory.KindBMC
	case "SoftwareInventory":
		return inventory.KindFirmware
	case "HpeServerDevice":
		return inventory.KindGPU
	case "Cable":
		return inventory.KindCable
	}
	return ""
}

// foreignParts notes every part that belongs to another node of this service.
func (c *collector) foreignParts(r *resource, kind inventory.Kind) {
	switch r.kind {
	case "Power":
		for range extract(r.fields, "PowerSupplies") {
			c.tree.note(ruleForeign, kind, r.id)
		}
	case "Thermal":
		for range extract(r.fields, "Fans") {
			c.tree.note(ruleForeign, kind, r.id)
		}
	case "SimpleStorage":
		for range extract(r.fields, "Devices") {
			c.tree.note(ruleForeign, kind, r.id)
		}
	default:
		c.tree.note(ruleForeign, kind, r.id)
	}
}

func (c *collector) decode(r *resource) {
	switch r.kind {
	case "Processor":
		c.processor(r)
	case "Memory":
		c.memory(r)
	case "Drive":
		c.drive(r)
	case "SimpleStorage":
		c.simpleStorage(r)
	case "NetworkAdapter":
		c.adapter(r)
	case "PowerSupply":
		c.powerSupply(r)
	case "Power":
		c.power(r)
	case "Fan":
		c.fan(r)
	case "Thermal":
		c.thermal(r)
	case "Switch":
		c.fabricSwitch(r)
	case "Manager":
		c.manager(r)
	case "SoftwareInventory":
		c.firmware(r)
	case "HpeServerDevice":
		c.hpeDevice(r)
	case "Cable":
		c.cable(r)
	}
}

// read decodes one body of the node. What cannot be decoded stays as a part
// whose read failed, with the fault that says why.
func read[T any](c *collector, r *resource, kind inventory.Kind) (T, bool) {
	v, lost, err := decode[T](r.body)
	for _, f := range lost {
		if head, _, _ := strings.Cut(f, "."); identityField(head) {
			c.tree.faults = append(c.tree.faults, inventory.ReadFault{Path: r.id, Reason: "field " + f + " is of a wrong type", Kind: kind})
		}
	}
	if err != nil {
		c.tree.faults = append(c.tree.faults, inventory.ReadFault{Path: r.id, Reason: "not decodable: " + err.Error(), Kind: kind})
		c.parts = append(c.parts, part{res: r, kind: kind, id: idOf(r), broken: err.Error(), from: r.from})
		return v, false
	}
	return v, true
}

func identityField(name string) bool {
	switch name {
	case "SerialNumber", "Model", "PartNumber", "UUID", "Status", "ProcessorType", "MemoryDeviceType", "CapacityMiB", "FirmwareVersion", "Version", "Id",
		"MACAddress", "PermanentMACAddress", "Ethernet", "AssociatedNetworkAddresses", "UefiDevicePath", "PowerSupplies", "Fans", "Devices":
		return true
	}
	return false
}
