package redfish

import (
	"regexp"

	gofish "github.com/stmcginnis/gofish/redfish"

	"github.com/rackwright/rackwright/inventory"
)

var dpuModel = regexp.MustCompile(`(?i)bluefield|\bDPU\b|smartnic`)

// adapter is one network card with all its ports. A DPU's card is a part of the
// host it sits in; the DPU's inside is a node of its own.
func (c *collector) adapter(r *resource) {
	v, ok := read[gofish.NetworkAdapter](c, r, inventory.KindNIC)
	if !ok {
		return
	}
	kind := inventory.KindNIC
	if dpuModel.MatchString(v.Model) || dpuModel.MatchString(v.Name) || c.cardOfDPU(r) {
		kind = inventory.KindDPU
	}
	p := newPart(kind, r, v.Manufacturer, v.Model, v.PartNumber, v.SerialNumber, v.Status, v.Location)
	for _, ctl := range v.Controllers {
		p.firmware = firstText(p.firmware, clean(ctl.FirmwarePackageVersion))
		p.label = firstText(p.label, ctl.Location.PartLocation.ServiceLabel)
	}
	c.parts = append(c.parts, p)
}

// nics hands the host's addresses to the adapters that own them. Where the
// service lists no adapter at all, its EthernetInterfaces are the NICs. What
// belongs to no adapter stays with the unit as a whole: it is known to boot
// from there, not from which card.
func (c *collector) nics() (unit []hostMAC) {
	at := map[string]int{}
	for i, p := range c.parts {
		if p.res.kind == "NetworkAdapter" {
			at[p.res.id] = i
		}
	}
	if len(at) == 0 {
		c.interfaceParts()
	}
	for _, m := range c.hostMACs() {
		i, owned := at[m.adapter]
		switch {
		case m.internal != "":
		case owned:
			c.parts[i].macs = append(c.parts[i].macs, m)
		case len(at) > 0 || m.iface == nil:
			unit = append(unit, m)
		}
	}
	for i, p := range c.parts {
		if p.kind == inventory.KindBMC && p.broken == "" {
			c.parts[i].macs = c.managerMACs(p.res)
		}
	}
	return unit
}

// interfaceParts makes one NIC of each port of the host. Two that name the same
// address stay two (rule 2): somebody must look at them.
func (c *collector) interfaceParts() {
	for _, r := range c.tree.order {
		if r.kind != "EthernetInterface" || !c.ofSystem(r) || !c.mine(r) {
			continue
		}
		found := c.interfaceMAC(r)
		if len(found) == 0 || found[0].internal != "" {
			c.tree.note(ruleInternal, inventory.KindNIC, r.id)
			continue
		}
		p := part{res: r, kind: inventory.KindNIC, id: idOf(r), state: r.at("Status/State"), facts: map[string]string{}, from: r.from, macs: found}
		p.fact("name", r.at("Name"))
		c.parts = append(c.parts, p)
	}
}
