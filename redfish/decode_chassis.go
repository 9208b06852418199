package redfish

import (
	"strconv"
	"strings"

	"github.com/stmcginnis/gofish/common"
	gofish "github.com/stmcginnis/gofish/redfish"

	"github.com/rackwright/rackwright/inventory"
)

var noLocation common.Location

// statusOnly reads the state of a body that gofish has no type for.
type statusOnly struct{ State, Health string }

func (s statusOnly) common() common.Status {
	return common.Status{State: common.State(s.State), Health: common.Health(s.Health)}
}

func (c *collector) powerSupply(r *resource) {
	v, ok := read[gofish.PowerSupplyUnit](c, r, inventory.KindPSU)
	if !ok {
		return
	}
	p := newPart(inventory.KindPSU, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location)
	p.label = firstText(p.label, r.at("Location/ServiceLabel")) // LiteOn leaves PartLocation out
	p.firmware = clean(v.FirmwareVersion)
	p.fact("capacity_watts", firstText(r.at("PowerCapacityWatts"), r.at("CapacityWatts")))
	c.parts = append(c.parts, p)
}

// power is the older resource: its supplies are entries, not resources.
func (c *collector) power(r *resource) {
	v, ok := read[gofish.Power](c, r, inventory.KindPSU)
	if !ok {
		return
	}
	for i, d := range v.PowerSupplies {
		p := newPart(inventory.KindPSU, r, d.Manufacturer, d.Model, d.PartNumber, d.SerialNumber, d.Status, d.Location)
		p.id, p.firmware = entryID(d.MemberID, d.Entity, i), clean(d.FirmwareVersion)
		p.from = []string{r.id}
		if d.PowerCapacityWatts > 0 {
			p.fact("capacity_watts", strconv.FormatFloat(float64(d.PowerCapacityWatts), 'f', -1, 32))
		}
		c.parts = append(c.parts, p)
	}
}

func (c *collector) fan(r *resource) {
	v, ok := read[gofish.Fan](c, r, inventory.KindFan)
	if !ok {
		return
	}
	c.parts = append(c.parts, newPart(inventory.KindFan, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location))
}

func (c *collector) thermal(r *resource) {
	v, ok := read[gofish.Thermal](c, r, inventory.KindFan)
	if !ok {
		return
	}
	for i, d := range v.Fans {
		p := newPart(inventory.KindFan, r, d.Manufacturer, d.Model, d.PartNumber, d.SerialNumber, d.Status, d.Location)
		p.id, p.from = entryID(d.MemberID, d.Entity, i), []string{r.id}
		c.parts = append(c.parts, p)
	}
}

// entryID is the position of an entry inside a list: its MemberId, the last
// part of its own reference, or its number.
func entryID(member string, e common.Entity, i int) string {
	if id := clean(member); id != "" || member == "0" {
		return firstText(id, member)
	}
	if _, fragment, ok := strings.Cut(e.ODataID, "#"); ok {
		return lastSegment(fragment)
	}
	return strconv.Itoa(i)
}

// fabricSwitch: only NVLink switches are a class of the record; a drive
// backplane's switch or a PCIe switch is not.
func (c *collector) fabricSwitch(r *resource) {
	v, ok := read[gofish.Switch](c, r, inventory.KindNVSwitch)
	if !ok {
		return
	}
	if !strings.EqualFold(string(v.SwitchType), "NVLink") && !switchModel.MatchString(idOf(r)) && !switchModel.MatchString(v.Model) {
		c.tree.note(ruleNoClass, inventory.KindNVSwitch, r.id)
		return
	}
	p := newPart(inventory.KindNVSwitch, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location)
	p.firmware, p.uuid = clean(v.FirmwareVersion), clean(v.UUID)
	c.parts = append(c.parts, p)
}

func (c *collector) cable(r *resource) {
	v, ok := read[gofish.Cable](c, r, inventory.KindCable)
	if !ok {
		return
	}
	p := newPart(inventory.KindCable, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location)
	p.fact("cable_type", v.CableType)
	c.parts = append(c.parts, p)
}

// manager: a BMC is what manages servers or the enclosure. Microcontrollers and
// fabric managers are managers too, and no parts.
func (c *collector) manager(r *resource) {
	v, ok := read[gofish.Manager](c, r, inventory.KindBMC)
	if !ok {
		return
	}
	switch v.ManagerType {
	case gofish.AuxiliaryControllerManagerType, gofish.ServiceManagerType:
		c.tree.note(ruleNoClass, inventory.KindBMC, r.id)
		return
	}
	if strings.Contains(idOf(r), "FabricManager") {
		c.tree.note(ruleNoClass, inventory.KindBMC, r.id)
		return
	}
	p := newPart(inventory.KindBMC, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location)
	p.firmware, p.uuid = clean(v.FirmwareVersion), clean(v.UUID)
	p.state = firstText(p.state, string(common.EnabledState)) // it answers
	p.fact("role", c.managerRole(r))
	c.parts = append(c.parts, p)
}

// managerRole: the BMC is the manager of the host; others (HGX_BMC_0) are HMCs.
func (c *collector) managerRole(r *resource) string {
	serves := r.links("Links/ManagerForServers")
	if c.system == nil || len(serves) == 0 || anyOf(serves, func(s string) bool { return s == c.system.id }, true) {
		return "bmc"
	}
	return "hmc"
}
