package intake

import (
	"net/url"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// builder turns rows into a manifest. It keeps what it has seen, so that every
// repetition is found across the whole document.
type builder struct {
	options            Options
	out                inventory.Manifest
	racks              map[string]*inventory.RackType
	slots              map[string]map[string]inventory.Slot // rack → path → slot
	nodes              map[inventory.NodeID]int             // address → row
	bad                map[inventory.NodeID]bool            // addresses whose node row is quarantined
	serials            map[string]int
	nodeMACs, partMACs map[inventory.MAC]macUse
	uuids              map[string]int
	parts              map[string]int
	types              map[string]inventory.RackType
}

func build(in rows, options Options) inventory.Manifest {
	b := &builder{options: options, racks: map[string]*inventory.RackType{}, slots: map[string]map[string]inventory.Slot{},
		nodes: map[inventory.NodeID]int{}, bad: map[inventory.NodeID]bool{}, serials: map[string]int{}, nodeMACs: map[inventory.MAC]macUse{}, partMACs: map[inventory.MAC]macUse{},
		uuids: map[string]int{}, parts: map[string]int{}, types: map[string]inventory.RackType{}}
	b.out = inventory.Manifest{Name: in.name, Components: map[inventory.NodeID][]inventory.Component{},
		Secrets: map[string]inventory.FactoryCredential{}, Faults: in.faults}
	for _, t := range options.Types {
		b.types[t.Name] = t
	}
	for i := range in.racks {
		b.rack(&in.racks[i])
	}
	for i := range in.nodes {
		b.node(&in.nodes[i])
	}
	for i := range in.parts {
		b.part(&in.parts[i])
	}
	return b.out
}

func (b *builder) close(f *rowFaults) bool {
	b.out.Faults = append(b.out.Faults, f.list...)
	return len(f.list) == 0
}

func (b *builder) rack(r *rackRow) {
	f := &rowFaults{origin: r.origin}
	name := f.text("rack", r.name)
	if !validName(name) {
		f.add("rack", "use letters, digits, - and _", "%q is no rack name", name)
	} else if b.racks[name] != nil {
		f.add("rack", "keep one row for each rack", "rack %s stands twice", name)
	}
	rack := inventory.Rack{ID: inventory.RackID(name), Name: name, Site: f.text("site", r.site), Position: f.text("position", r.position),
		Serial: f.serial(r.serial), Milestone: inventory.RackPlanned}
	if rack.Site == "" {
		rack.Site = b.options.Site
	}
	t := b.rackType(f, r)
	b.unique(f, "serial", "rack", "", rack.Serial)
	if !b.close(f) || t == nil {
		return
	}
	digest, err := TypeDigest(*t)
	if err != nil {
		f.add("type", "correct the rack type", "%v", err)
		b.close(f)
		return
	}
	rack.Type = inventory.Ref{Kind: inventory.DocRackType, Name: t.Name, Digest: digest}
	b.racks[name] = t
	b.slots[name] = map[string]inventory.Slot{}
	for _, s := range t.Slots {
		b.slots[name][s.Path] = s
	}
	if !b.carries(t.Name) {
		b.out.Types = append(b.out.Types, *t)
	}
	b.out.Racks = append(b.out.Racks, rack)
}

func (b *builder) rackType(f *rowFaults, r *rackRow) *inventory.RackType {
	if r.inline != nil {
		if known, ok := b.types[r.inline.Name]; ok {
			same, err := sameType(known, *r.inline)
			if err != nil || !same {
				f.add("type", "give it a name and version of its own", "rack type %s exists with other content", r.inline.Name)
				return nil
			}
		}
		b.types[r.inline.Name] = *r.inline
		return r.inline
	}
	name := strings.TrimSpace(r.typeName)
	if name == "" {
		name = b.options.RackType
	}
	t, ok := b.types[name]
	if !ok {
		f.add("type", hint(name, typeNames(b.types)), "unknown rack type %q", name)
		return nil
	}
	return &t
}

func (b *builder) carries(name string) bool {
	for _, t := range b.out.Types {
		if t.Name == name {
			return true
		}
	}
	return false
}

func (b *builder) node(r *nodeRow) {
	f := &rowFaults{origin: r.origin}
	if r.conflict != "" {
		f.add("slot", "keep one of them", "%s", r.conflict)
	}
	path := f.slot(r.rack, r.slot)
	address := inventory.NodeID(r.rack + "/" + path)
	slot, ok := b.place(f, r.rack, path)
	if ok {
		if at, taken := b.nodes[address]; taken {
			f.add("slot", "correct the slot; a slot holds one node", "slot %s is taken by row %d", address, at)
		}
		if r.kind != "" && r.kind != string(slot.Kind) {
			f.add("class", "move it to a slot for "+r.kind+", or write "+string(slot.Kind), "slot %s is for %s, not %q", address, slot.Kind, r.kind)
		}
	}
	n := inventory.Node{ID: address, Rack: inventory.RackID(r.rack), Kind: slot.Kind, Address: string(address), Slot: path,
		Type: f.text("part_number", r.model), Vendor: f.text("manufacturer", r.vendor), Note: f.text("note", r.note),
		Profile: f.text("profile", r.profile), Serial: f.serial(r.serial), UUID: f.uuid(r.uuid), MACs: f.macList("mac", r.macs),
		Milestone: inventory.NodeExpected}
	n.BMC = inventory.Endpoint{MAC: f.mac("mac_bmc", r.macBMC), URL: f.bmcURL(r.bmcURL), System: f.text("bmc_system", r.bmcSystem)}
	if n.Profile == "" {
		n.Profile = slot.Profile
	}
	n.BMC.Profile = n.Profile
	user := f.text("bmc_user", r.user)
	b.unique(f, "serial", "node", n.Vendor, n.Serial)
	b.uniqueMACs(f, address, b.nodeMACs, b.partMACs, append([]inventory.MAC{n.BMC.MAC}, n.MACs...))
	b.uniqueUUID(f, n.UUID)
	if !b.close(f) {
		b.bad[address] = true
		return
	}
	b.nodes[address] = r.line
	if user != "" || r.password != "" {
		n.BMC.Credential = "factory/" + string(address)
		b.out.Secrets[n.BMC.Credential] = inventory.FactoryCredential{User: user, Password: inventory.NewSecret(r.password)}
	}
	b.out.Nodes = append(b.out.Nodes, n)
}

// place finds the slot of the rack's type, or says what is unknown.
func (b *builder) place(f *rowFaults, rack, path string) (inventory.Slot, bool) {
	slots, ok := b.slots[rack]
	if !ok {
		f.add("rack", "add a row of class rack for it, or correct its row", "rack %q is not described (or its row is quarantined)", rack)
		return inventory.Slot{}, false
	}
	slot, ok := slots[path]
	if !ok {
		f.add("slot", hint(path, slotPaths(*b.racks[rack])), "rack type %s has no slot %q", b.racks[rack].Name, path)
	}
	return slot, ok
}

// slot reads a slot path, alone or as an address of this rack.
func (f *rowFaults) slot(rack, value string) string {
	value = f.text("slot", value)
	if rest, ok := strings.CutPrefix(value, rack+"/"); ok && rack != "" {
		return rest
	}
	return value
}

func (f *rowFaults) uuid(value string) string {
	value = strings.ToLower(f.text("uuid", value))
	if value == "" {
		return ""
	}
	bare := strings.ReplaceAll(value, "-", "")
	if len(bare) != 32 || len(value) != 36 || strings.Trim(bare, "0123456789abcdef") != "" {
		f.add("uuid", "write 8-4-4-4-12 hex digits, or leave it empty", "%q is no UUID", value)
		return ""
	}
	if strings.Trim(bare, bare[:1]) == "" {
		f.add("uuid", "leave it empty", "%q is a placeholder", value)
		return ""
	}
	return value
}

func (f *rowFaults) bmcURL(value string) string {
	value = f.text("bmc_url", value)
	if value == "" {
		return ""
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https":
		f.add("bmc_url", "write https://host or https://host:port", "%q is no https URL", value)
	case u.User != nil:
		f.add("bmc_url", "put user and password into bmc_user and bmc_password", "a URL may not hold a password")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		f.add("bmc_url", "write https://host or https://host:port only", "%q has a path", value)
	default:
		return "https://" + u.Host
	}
	return ""
}
