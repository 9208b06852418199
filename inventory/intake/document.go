package intake

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rackwright/rackwright/inventory"
)

// Schema is the schema line of our own manifest.
const Schema = "rackwright/manifest/1"

// The documents of the schema. What may be quarantined alone is kept as a tree
// and decoded alone.
type (
	manifestDoc struct {
		Schema string      `yaml:"schema"`
		Name   string      `yaml:"name"`
		Site   string      `yaml:"site"`
		Racks  []yaml.Node `yaml:"racks"`
	}
	rackDoc struct {
		Name     string      `yaml:"name"`
		Site     string      `yaml:"site"`
		Position string      `yaml:"position"`
		Serial   string      `yaml:"serial"`
		Type     yaml.Node   `yaml:"type"`
		Nodes    []yaml.Node `yaml:"nodes"`
		Parts    []yaml.Node `yaml:"parts"`
	}
	nodeDoc struct {
		Slot         string      `yaml:"slot"`
		Address      string      `yaml:"address"`
		Kind         string      `yaml:"kind"`
		Manufacturer string      `yaml:"manufacturer"`
		Model        string      `yaml:"model"`
		Serial       string      `yaml:"serial"`
		Profile      string      `yaml:"profile"`
		UUID         string      `yaml:"uuid"`
		MACs         []string    `yaml:"macs"`
		Note         string      `yaml:"note"`
		BMC          bmcDoc      `yaml:"bmc"`
		Parts        []yaml.Node `yaml:"parts"`
	}
	bmcDoc struct {
		MAC      string `yaml:"mac"`
		URL      string `yaml:"url"`
		System   string `yaml:"system"`
		User     string `yaml:"user"`
		Password string `yaml:"password"`
	}
	partDoc struct {
		Node         string   `yaml:"node"`
		Parent       string   `yaml:"parent"`
		Kind         string   `yaml:"kind"`
		Slot         string   `yaml:"slot"`
		Manufacturer string   `yaml:"manufacturer"`
		Model        string   `yaml:"model"`
		Serial       string   `yaml:"serial"`
		Firmware     string   `yaml:"firmware"`
		MACs         []string `yaml:"macs"`
		MACBMC       string   `yaml:"mac_bmc"`
		Quantity     string   `yaml:"quantity"`
		SizeMiB      string   `yaml:"size_mib"`
		Note         string   `yaml:"note"`
	}
)

// readDocument walks a YAML or JSON manifest into rows. Passwords are taken
// from the tree first; what remains is the kept copy.
func readDocument(text string, raw []byte) (rows, []byte, error) {
	tree, err := parseTree(text)
	if err != nil {
		return rows{}, nil, err
	}
	passwords := takePasswords(tree, nil)
	kept := raw
	if blankSecrets(tree) {
		if kept, err = yaml.Marshal(tree); err != nil {
			return rows{}, nil, fmt.Errorf("write the copy without passwords: %w", err)
		}
	}
	var doc manifestDoc
	if faults := decode(tree, &doc); len(faults) > 0 {
		return rows{faults: quarantine(tree, faults)}, kept, headError(faults)
	}
	if doc.Schema != Schema {
		return rows{}, kept, fmt.Errorf("schema %q: write schema: %s as first key: %w", doc.Schema, Schema, inventory.ErrInvalid)
	}
	w := &docWalk{passwords: passwords}
	w.out.name = doc.Name
	for i := range doc.Racks {
		w.rack(&doc.Racks[i], doc.Site)
	}
	return w.out, kept, nil
}

func headError(faults []keyFault) error {
	lines := make([]string, 0, len(faults))
	for _, f := range faults {
		lines = append(lines, fmt.Sprintf("line %d: %s: %s", f.line, f.reason, f.fix))
	}
	return fmt.Errorf("%s: %w", strings.Join(lines, "; "), inventory.ErrInvalid)
}

func quarantine(n *yaml.Node, faults []keyFault) []inventory.RowFault {
	out := make([]inventory.RowFault, 0, len(faults))
	for _, f := range faults {
		out = append(out, inventory.RowFault{Row: f.line, Field: f.key, Reason: f.reason, Fix: f.fix, Raw: rawTree(n)})
	}
	return out
}

// takePasswords reads every bmc.password by the line of its bmc mapping, before blanking.
func takePasswords(n *yaml.Node, into map[*yaml.Node]string) map[*yaml.Node]string {
	if into == nil {
		into = map[*yaml.Node]string{}
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "password" && c.Kind == yaml.ScalarNode && c.Tag != "!!null" {
			into[c] = c.Value
		}
		takePasswords(c, into)
	}
	return into
}

type docWalk struct {
	out       rows
	passwords map[*yaml.Node]string
}

func (w *docWalk) rack(n *yaml.Node, site string) {
	var doc rackDoc
	if faults := decode(n, &doc); len(faults) > 0 {
		w.out.faults = append(w.out.faults, quarantine(n, faults)...)
		return
	}
	row := rackRow{origin: treeOrigin(n), name: doc.Name, site: doc.Site, position: doc.Position, serial: doc.Serial}
	if row.site == "" {
		row.site = site
	}
	switch doc.Type.Kind {
	case yaml.ScalarNode:
		row.typeName = doc.Type.Value
	case yaml.MappingNode:
		t, err := decodeRackType(&doc.Type)
		if err != nil {
			w.out.faults = append(w.out.faults, inventory.RowFault{Row: doc.Type.Line, Field: "type", Reason: err.Error(),
				Fix: "correct the rack type, or name one", Raw: rawTree(&doc.Type)})
			return
		}
		row.inline = &t
	}
	w.out.racks = append(w.out.racks, row)
	for i := range doc.Nodes {
		w.node(&doc.Nodes[i], doc.Name)
	}
	for i := range doc.Parts {
		w.part(&doc.Parts[i], doc.Name, "")
	}
}

func (w *docWalk) node(n *yaml.Node, rack string) {
	var doc nodeDoc
	if faults := decode(n, &doc); len(faults) > 0 {
		w.out.faults = append(w.out.faults, quarantine(n, faults)...)
		return
	}
	row := nodeRow{origin: treeOrigin(n), rack: rack, slot: doc.Slot, kind: doc.Kind, vendor: doc.Manufacturer, model: doc.Model,
		serial: doc.Serial, profile: doc.Profile, uuid: doc.UUID, note: doc.Note, macs: doc.MACs, macBMC: doc.BMC.MAC,
		bmcURL: doc.BMC.URL, bmcSystem: doc.BMC.System, user: doc.BMC.User}
	if doc.Address != "" && doc.Slot == "" {
		row.slot = doc.Address
	} else if doc.Address != "" && doc.Address != rack+"/"+doc.Slot {
		row.conflict = "address " + doc.Address + " and slot " + doc.Slot + " disagree"
	}
	if bmc := child(n, "bmc"); bmc != nil {
		if node := child(bmc, "password"); node != nil {
			var ok bool
			if row.password, ok = w.passwords[node]; !ok {
				row.conflict = "bmc.password is no text"
			}
		}
	}
	w.out.nodes = append(w.out.nodes, row)
	for i := range doc.Parts {
		w.part(&doc.Parts[i], rack, row.slot)
	}
}

func (w *docWalk) part(n *yaml.Node, rack, slot string) {
	var doc partDoc
	if faults := decode(n, &doc); len(faults) > 0 {
		w.out.faults = append(w.out.faults, quarantine(n, faults)...)
		return
	}
	row := partRow{origin: treeOrigin(n), rack: rack, parent: doc.Parent, kind: doc.Kind, slot: doc.Slot, vendor: doc.Manufacturer,
		model: doc.Model, serial: doc.Serial, firmware: doc.Firmware, macs: doc.MACs, macBMC: doc.MACBMC,
		quantity: doc.Quantity, size: doc.SizeMiB, note: doc.Note, node: slot}
	if row.node == "" {
		row.node = doc.Node
	} else if doc.Node != "" && doc.Node != slot {
		row.conflict = "node " + doc.Node + " stands inside node " + slot
	}
	w.out.parts = append(w.out.parts, row)
}

// child returns the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func treeOrigin(n *yaml.Node) origin {
	return origin{line: n.Line, raw: func() string { return rawTree(n) }}
}
