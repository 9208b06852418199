package virtualrack

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// The packing list in the words of rackwright/manifest/1 (inventory/intake).
type (
	manifestDoc struct {
		Schema string    `yaml:"schema"`
		Name   string    `yaml:"name"`
		Racks  []rackDoc `yaml:"racks"`
	}
	rackDoc struct {
		Name     string    `yaml:"name"`
		Position string    `yaml:"position"`
		Serial   string    `yaml:"serial"`
		Type     string    `yaml:"type"`
		Nodes    []nodeDoc `yaml:"nodes"`
	}
	nodeDoc struct {
		Slot         string    `yaml:"slot"`
		Manufacturer string    `yaml:"manufacturer"`
		Model        string    `yaml:"model"`
		Serial       string    `yaml:"serial"`
		UUID         string    `yaml:"uuid,omitempty"`
		Profile      string    `yaml:"profile,omitempty"`
		MACs         []string  `yaml:"macs,omitempty"`
		BMC          bmcDoc    `yaml:"bmc"`
		Parts        []partDoc `yaml:"parts"`
	}
	bmcDoc struct {
		MAC      string `yaml:"mac"`
		URL      string `yaml:"url"`
		User     string `yaml:"user"`
		Password string `yaml:"password"`
	}
	partDoc struct {
		Kind         string `yaml:"kind"`
		Slot         string `yaml:"slot"`
		Manufacturer string `yaml:"manufacturer,omitempty"`
		Model        string `yaml:"model,omitempty"`
		Serial       string `yaml:"serial,omitempty"`
	}
)

// Manifest is the packing list of the rack as ordered, with the addresses at
// which the BMCs answer. It is YAML and says SIMULATED in its name.
func (r *Rack) Manifest() ([]byte, error) {
	doc := manifestDoc{Schema: "rackwright/manifest/1", Name: "SIMULATED delivery of " + r.layout.Rack}
	out := rackDoc{Name: r.layout.Rack, Position: r.layout.Position, Serial: "SIMRK" + r.layout.Rack, Type: r.layout.Type}
	for _, u := range r.layout.Units {
		url, ok := r.url(u.Slot)
		if !ok {
			return nil, fmt.Errorf("manifest of %s: slot %s has no address; start the rack first", r.layout.Rack, u.Slot)
		}
		out.Nodes = append(out.Nodes, u.document(url))
	}
	doc.Racks = []rackDoc{out}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("manifest of %s: %w", r.layout.Rack, err)
	}
	return b.Bytes(), enc.Close()
}

func (u Unit) document(url string) nodeDoc {
	s := u.Spec
	n := nodeDoc{Slot: u.Slot, Manufacturer: s.Vendor, Model: s.Model, Serial: s.ChassisSerial, UUID: s.UUID, Profile: u.Profile,
		BMC: bmcDoc{MAC: s.BMCMAC, URL: url, User: s.User, Password: s.Password}}
	for _, p := range s.Parts {
		n.Parts = append(n.Parts, partDoc{Kind: p.Kind, Slot: p.Slot, Manufacturer: p.Vendor, Model: p.Model, Serial: p.Serial})
		if p.Kind == "nic" {
			n.MACs = append(n.MACs, p.MACs...)
		}
	}
	return n
}
