package redfish

import (
	"encoding/json"
	"strings"

	gofish "github.com/stmcginnis/gofish/redfish"

	"github.com/rackwright/rackwright/inventory"
)

// softwareSlots is what NVIDIA says of the two images of one part, and what
// SoftwareInventory v1.13 says of a staged one. gofish v0.20.0 has neither.
type softwareSlots struct {
	Staged     json.RawMessage
	SoftwareID json.RawMessage `json:"SoftwareId"`
	Oem        struct {
		Nvidia struct {
			InactiveFirmwareSlot struct{ Version, FirmwareState json.RawMessage }
		}
	}
}

// firmware reads one image of a part. The id is its name: baselines match it.
func (c *collector) firmware(r *resource) {
	v, ok := read[gofish.SoftwareInventory](c, r, inventory.KindFirmware)
	if !ok {
		return
	}
	id := idOf(r)
	if strings.HasPrefix(id, "Previous-") || strings.HasPrefix(id, "Available-") {
		c.tree.note(ruleRollback, inventory.KindFirmware, r.id)
		return
	}
	p := newPart(inventory.KindFirmware, r, v.Manufacturer, "", "", "", v.Status, noLocation)
	p.firmware = v.Version // as it is written: normalising is the baseline's business
	p.state = firstText(p.state, "Enabled")
	p.fact("name", v.Name)
	p.fact("software_id", v.SoftwareID)
	p.fact("source", lastSegment(parentPath(r.id)))
	for _, item := range r.links("RelatedItem") {
		p.fact("related", item)
		break
	}
	var s softwareSlots
	if err := json.Unmarshal(r.body, &s); err == nil { // OEM of another shape says nothing
		slot := s.Oem.Nvidia.InactiveFirmwareSlot
		if state := text(slot.FirmwareState); state != "" && state != "Inactive" && state != "Activated" && state != "Backup" {
			p.fact(inventory.FactStaged, text(slot.Version))
		}
		if text(s.Staged) == "true" {
			p.fact("staged_for", strings.TrimSuffix(id, "_Staged"))
		}
	}
	c.parts = append(c.parts, p)
}

// settleStaged moves a staged image to the part it waits for: it is no item of
// its own, nothing runs it.
func (c *collector) settleStaged() {
	kept := c.parts[:0]
	for _, p := range c.parts {
		base := p.facts["staged_for"]
		if p.kind == inventory.KindFirmware && base != "" && base != p.id && c.stage(base, p) {
			c.tree.note(ruleRollback, inventory.KindFirmware, p.res.id)
			continue
		}
		kept = append(kept, p)
	}
	c.parts = kept
}

func (c *collector) stage(base string, staged part) bool {
	for i := range c.parts {
		p := &c.parts[i]
		if p.kind == inventory.KindFirmware && p.id == base {
			p.fact(inventory.FactStaged, staged.firmware)
			return true
		}
	}
	return false
}

func parentPath(id string) string {
	i := strings.LastIndex(id, "/")
	if i < 0 {
		return ""
	}
	return id[:i]
}
