package intake

import (
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

const maxQuantity = 100_000

func (b *builder) part(r *partRow) {
	f := &rowFaults{origin: r.origin}
	if r.conflict != "" {
		f.add("slot", "keep one of them", "%s", r.conflict)
	}
	node, path, carrier := b.partPlace(f, r)
	address := inventory.NodeID(r.rack + "/" + node)
	kind := inventory.Kind(f.text("class", r.kind))
	if !oneOf(string(kind), partKinds()) {
		f.add("class", hint(string(kind), partKinds()), "unknown class %q", kind)
	}
	slot, ok := b.place(f, r.rack, node)
	if ok {
		b.partFits(f, address, slot, kind)
	}
	c := inventory.Component{Key: inventory.Key{Kind: kind, Slot: path}, Vendor: f.text("manufacturer", r.vendor),
		Model: f.text("part_number", r.model), Serial: f.serial(r.serial), Firmware: f.text("firmware", r.firmware)}
	c.Quantity = f.number("quantity", r.quantity, maxQuantity)
	c.SizeMiB = int64(f.number("size_mib", r.size, 1<<40))
	if c.Quantity == 1 {
		c.Quantity = 0 // 0 means 1: one spelling keeps export and import equal
	}
	if c.Quantity > 1 && (c.Serial != "" || path != "" || len(r.macs) > 0) {
		f.add("quantity", "write one row for each part with a serial, MAC or slot", "%d parts cannot share one serial, MAC or slot", c.Quantity)
	}
	if note := f.text("note", r.note); note != "" {
		c.Facts = map[string]string{FactNote: note}
	}
	if carrier != "" {
		if c.Facts == nil {
			c.Facts = map[string]string{}
		}
		c.Facts[FactParent] = carrier
	}
	macs := f.macList("mac", r.macs)
	bmc := f.mac("mac_bmc", r.macBMC)
	c.IDs = partIDs(c.Serial, macs, bmc)
	b.partUnique(f, address, c, macs, bmc)
	if b.close(f) {
		b.out.Components[address] = append(b.out.Components[address], c)
	}
}

// Names of the facts a manifest can state about a part.
const (
	FactNote   = "note"   // the note column
	FactParent = "parent" // slot of the carrier inside the node, such as BOARD0
)

// partPlace splits "C07/GPU2", "A12/C07/GPU2", or "GPU2" with parent "C07" (or
// "C07/BOARD0") into node slot, part slot and carrier.
func (b *builder) partPlace(f *rowFaults, r *partRow) (node, path, carrier string) {
	path = f.slot(r.rack, r.slot)
	node = f.slot(r.rack, r.node)
	parent := f.slot(r.rack, r.parent)
	if head, rest, ok := strings.Cut(path, "/"); ok && b.knows(r.rack, head) {
		if node != "" && node != head {
			f.add("slot", "correct one of them", "slot %s is not in node %s", path, node)
		}
		node, path = head, rest
	} else if b.knows(r.rack, path) && node == "" && parent == "" {
		node, path = path, "" // slot names the node; the part is stated without a place
	}
	if parent != "" {
		head, rest, _ := strings.Cut(parent, "/")
		switch {
		case b.knows(r.rack, head) && (node == "" || node == head):
			node, carrier = head, rest
		case node != "" && rest == "":
			carrier = head // a carrier inside the node: BOARD0
		default:
			f.add("parent", "name the node's slot, such as C07", "parent %q is not in the rack or not in node %s", parent, node)
		}
	}
	if node == "" && len(f.list) == 0 {
		f.add("parent", "name the node: slot C07/GPU2, or parent C07", "part belongs to no node")
	}
	return node, path, carrier
}

func (b *builder) knows(rack, path string) bool {
	_, ok := b.slots[rack][path]
	return ok
}

func (b *builder) partFits(f *rowFaults, address inventory.NodeID, slot inventory.Slot, kind inventory.Kind) {
	if _, ok := b.nodes[address]; !ok && b.bad[address] {
		f.add("parent", "correct the row of the node first", "the row of node %s is quarantined", address)
	} else if !ok {
		f.add("parent", "add a row of class "+string(slot.Kind)+" for it", "node %s has no row", address)
	}
	if len(slot.Accepts) == 0 {
		return
	}
	for _, k := range slot.Accepts {
		if k == kind {
			return
		}
	}
	f.add("class", "correct the slot or the class", "slot %s does not take %s", address, kind)
}

func (f *rowFaults) number(field, value string, most int) int {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		f.add(field, "write a whole number from 1 to "+strconv.Itoa(most), "%q is no count", clip(value))
		return 0
	}
	return n
}

func partIDs(serial string, macs []inventory.MAC, bmc inventory.MAC) []inventory.Identifier {
	var ids []inventory.Identifier
	if serial != "" {
		ids = append(ids, inventory.Identifier{Kind: inventory.IDLabel, Raw: serial, Norm: normalise(serial), Source: inventory.SourceManifest, Trusted: true})
	}
	for _, m := range macs {
		ids = append(ids, inventory.Identifier{Kind: inventory.IDMAC, Raw: string(m), Norm: string(m), Source: inventory.SourceManifest, Trusted: true})
	}
	if bmc != "" {
		ids = append(ids, inventory.Identifier{Kind: inventory.IDMACBMC, Raw: string(bmc), Norm: string(bmc), Source: inventory.SourceManifest, Trusted: true})
	}
	return ids
}

func (b *builder) partUnique(f *rowFaults, address inventory.NodeID, c inventory.Component, macs []inventory.MAC, bmc inventory.MAC) {
	scope := c.Vendor
	if c.Kind == inventory.KindChassis {
		scope = "chassis\x00" + scope // a tray's own serial may stand in its chassis row again
	}
	b.unique(f, "serial", "part", scope, c.Serial)
	b.uniqueMACs(f, address, b.partMACs, b.nodeMACs, append(macs, bmc))
	if c.Slot == "" {
		return
	}
	place := string(address) + "/" + c.Key.String()
	if at, taken := b.parts[place]; taken {
		f.add("slot", "correct the slot; a slot holds one part", "slot %s is taken by row %d", place, at)
		return
	}
	if len(f.list) == 0 {
		b.parts[place] = f.line
	}
}

// unique checks a serial: it is unique within a manufacturer (inventory.md §3.5).
func (b *builder) unique(f *rowFaults, field, what, vendor, serial string) {
	if serial == "" {
		return
	}
	key := strings.ToUpper(vendor) + "\x00" + normalise(serial)
	if at, taken := b.serials[key]; taken {
		f.add(field, "read both labels again", "serial %s of this %s stands in row %d already", serial, what, at)
		return
	}
	b.serials[key] = f.line
}

// macUse is where a MAC was stated.
type macUse struct {
	line int
	node inventory.NodeID
}

// uniqueMACs: a MAC is unique in the world. Only a node and its own card may
// both state it; other is the map of the other of these two.
func (b *builder) uniqueMACs(f *rowFaults, node inventory.NodeID, own, other map[inventory.MAC]macUse, macs []inventory.MAC) {
	for _, m := range macs {
		if m == "" {
			continue
		}
		use, taken := own[m]
		if !taken {
			use, taken = other[m]
			taken = taken && use.node != node
		}
		if taken {
			f.add("mac", "read both labels again", "MAC %s stands in row %d already", m, use.line)
			continue
		}
		own[m] = macUse{line: f.line, node: node}
	}
}

func (b *builder) uniqueUUID(f *rowFaults, uuid string) {
	if uuid == "" {
		return
	}
	if at, taken := b.uuids[uuid]; taken {
		f.add("uuid", "read it again, or leave it empty", "UUID %s stands in row %d already", uuid, at)
		return
	}
	b.uuids[uuid] = f.line
}
