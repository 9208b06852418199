package redfish

import (
	"slices"
	"sort"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// unit is the node itself as a component, and the boards it is made of: the
// one chassis (slot "self", as the order names it), BIOS, baseboards, roots of
// trust and boards with a serial of their own.
func (s *scope) unit(parts []part, macs []hostMAC) []inventory.Component {
	out := append(s.self(macs), s.bios()...)
	serials := map[string]bool{}
	for _, p := range parts {
		if n := inventory.Usable(p.serial); n != "" {
			serials[n] = true
		}
	}
	if len(out) > 0 {
		for _, id := range out[0].IDs {
			serials[id.Norm] = true
		}
	}
	for _, id := range sortedKeys(s.own) {
		if r := s.tree.byID[id]; r != s.system && s.role != RoleSwitch {
			out = append(out, board(inventory.KindBaseboard, r))
		}
	}
	foreign := s.foreignSerials(serials)
	for _, r := range s.tree.order {
		if r.kind == "Chassis" && r != s.main {
			out = append(out, s.boardOf(r, serials, foreign)...)
		}
	}
	return out
}

// foreignSerials are those that only parts of other nodes carry: the board of
// the other host's card stands in the list of Chassis without a word of whose.
func (s *scope) foreignSerials(own map[string]bool) map[string]bool {
	out := map[string]bool{}
	for _, r := range s.tree.order {
		if n := inventory.Usable(r.at("SerialNumber")); n != "" && classOf(r) != "" && !own[n] && !s.mine(r) {
			out[n] = true
		}
	}
	return out
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// self: System and Chassis may carry different serials, and both are kept. The
// System's speaks for a host, the Chassis' for a unit without Systems.
func (s *scope) self(macs []hostMAC) []inventory.Component {
	if s.system == nil && s.main == nil {
		return nil
	}
	c := inventory.Component{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}, State: inventory.StatePresent, Facts: map[string]string{}}
	add := func(kind inventory.IDKind, raw string, trusted bool) {
		norm := inventory.Usable(raw)
		if norm != "" && !slices.ContainsFunc(c.IDs, func(i inventory.Identifier) bool { return i.Kind == kind && i.Norm == norm }) {
			c.IDs = append(c.IDs, inventory.Identifier{Kind: kind, Raw: raw, Norm: norm, Source: inventory.SourceRedfish, Trusted: trusted})
		}
	}
	take := func(r *resource, serial inventory.IDKind) {
		if r == nil {
			return
		}
		raw := r.at("SerialNumber")
		if inventory.Usable(c.Serial) == "" {
			c.Serial = firstText(strings.TrimSpace(raw), c.Serial)
		}
		c.Vendor, c.Model = firstText(c.Vendor, clean(r.at("Manufacturer"))), firstText(c.Model, clean(r.at("Model")))
		add(serial, raw, false)
		add(inventory.IDUUID, r.at("UUID"), !zeroUUID(r.at("UUID")))
		if tag := clean(r.at("AssetTag")); tag != "" && !strings.HasPrefix(tag, "$") {
			add(inventory.IDAssetTag, tag, false)
		}
		if n := clean(r.at("PartNumber")); n != "" && c.Facts["part_number"] == "" {
			c.Facts["part_number"] = n
		}
	}
	take(s.system, inventory.IDRedfish)
	take(s.main, inventory.IDFRUChassis)
	add(inventory.IDLabel, s.tree.root.at("Oem/Dell/ServiceTag"), false) // what Dell prints on the label is not the serial
	if s.system != nil {
		c.Facts["system"], c.Facts["role"] = idOf(s.system), string(s.role)
	}
	for _, m := range macs {
		add(inventory.IDMAC, string(m.mac), true)
	}
	return []inventory.Component{c}
}

// zeroUUID: Supermicro X10 makes its UUID of zeros and a MAC (rule 12): kept as
// read, but one board's address is not trusted to name the unit.
func zeroUUID(uuid string) bool {
	return strings.HasPrefix(strings.ReplaceAll(uuid, "-", ""), "00000000000000000000")
}

// bios is the host's firmware of that name; a service that leaves the version
// empty has said nothing.
func (s *scope) bios() []inventory.Component {
	if s.system == nil {
		return nil
	}
	c := inventory.Component{Key: inventory.Key{Kind: inventory.KindBIOS, Slot: "BIOS"}, Firmware: clean(s.system.at("BiosVersion")), State: inventory.StatePresent}
	for _, r := range s.tree.order {
		if r.kind == "SecureBoot" && strings.HasPrefix(r.id, s.system.id+"/") {
			c.Facts = map[string]string{"secure_boot": firstText(r.at("SecureBootCurrentBoot"), r.at("SecureBootEnable")), "secure_boot_mode": r.at("SecureBootMode")}
		}
	}
	if c.Firmware == "" {
		return nil
	}
	return []inventory.Component{c}
}

func board(kind inventory.Kind, r *resource) inventory.Component {
	c := inventory.Component{Key: inventory.Key{Kind: kind, Slot: idOf(r)}, Vendor: clean(r.at("Manufacturer")), Model: clean(r.at("Model")),
		Serial: strings.TrimSpace(r.at("SerialNumber")), State: inventory.StatePresent}
	if strings.EqualFold(r.at("Status/State"), "Absent") {
		c.State = inventory.StateAbsent
	}
	if n := inventory.Usable(c.Serial); n != "" {
		c.IDs = append(c.IDs, inventory.Identifier{Kind: inventory.IDFRUBoard, Raw: r.at("SerialNumber"), Norm: n, Source: inventory.SourceRedfish})
	}
	c.Facts = map[string]string{}
	for name, at := range map[string]string{"part_number": "PartNumber", "location": "Location/PartLocation/ServiceLabel"} {
		if v := clean(r.at(at)); v != "" {
			c.Facts[name] = v
		}
	}
	return c
}

// boardOf: most Chassis entries are views of parts that are counted already. A
// board of the record has a serial that nothing else in the unit carries.
func (s *scope) boardOf(r *resource, serials, foreign map[string]bool) []inventory.Component {
	serial := inventory.Usable(r.at("SerialNumber"))
	skip := func(rule string) []inventory.Component {
		s.tree.note(rule, inventory.KindChassis, r.id)
		return nil
	}
	id := strings.ToUpper(idOf(r))
	c := board(inventory.KindBoard, r)
	switch {
	case strings.HasSuffix(r.id, "/Settings"):
		return skip(ruleSettings)
	case !s.mine(r), foreign[serial]:
		return skip(ruleForeign)
	case strings.Contains(id, "EROT") || strings.Contains(id, "IROT"):
		c.Kind = inventory.KindERoT
	case c.State == inventory.StateAbsent:
		s.tree.note(ruleEmptySlot, inventory.KindChassis, r.id)
	case s.sameUnit(r, serial):
		return skip(ruleShelfTwice)
	case serial == "":
		return skip(rulePlain)
	case serials[serial]:
		return skip(ruleOwnBoard)
	}
	if serial != "" && c.Kind == inventory.KindBoard {
		serials[serial] = true
	}
	return []inventory.Component{c}
}

// sameUnit (rule 9): a second whole chassis with the unit's own serial, model
// and type is the same unit under another name.
func (s *scope) sameUnit(r *resource, serial string) bool {
	return s.main != nil && serial != "" && serial == inventory.Usable(s.main.at("SerialNumber")) &&
		r.at("ChassisType") == s.main.at("ChassisType") && r.at("Model") == s.main.at("Model")
}
