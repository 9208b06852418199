package handover

import (
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Head names the newest entry of a chain.
type Head struct {
	Seq  uint64           `json:"seq"`
	Hash inventory.Digest `json:"hash"`
}

// Case is everything a certificate is derived from, frozen at one moment. It is
// plain data: its JSON may be kept as a document and loaded again. Documents,
// Entries and TypeDocument are content of the record and are loaded apart.
type Case struct {
	Rack     inventory.Rack       `json:"rack"`
	Type     inventory.RackType   `json:"type"`
	Nodes    []inventory.Node     `json:"nodes"`    // every node of the rack, excluded ones included
	Evidence []inventory.Evidence `json:"evidence"` // of the rack and of every node, void rows included
	Findings []inventory.Finding  `json:"findings"`
	Waivers  []inventory.Waiver   `json:"waivers"`
	Now      time.Time            `json:"now"`  // the moment of the freeze; expiry is judged by it
	Head     Head                 `json:"head"` // of the rack's chain at that moment
	Persons  []inventory.Person   `json:"persons"`
	// Expected and Observed are what was ordered and what was seen last, by node.
	Expected map[inventory.NodeID][]inventory.Component `json:"expected,omitempty"`
	Observed map[inventory.NodeID][]inventory.Component `json:"observed,omitempty"`
	// Reasons say why a member or an empty slot is left out; key is the slot path.
	Reasons map[string]string `json:"reasons,omitempty"`

	TypeDocument []byte                      `json:"-"` // canonical JSON; its digest is Rack.Type.Digest
	Entries      []inventory.Entry           `json:"-"` // the rack's whole chain, at least up to Head
	Documents    map[inventory.Digest][]byte `json:"-"` // what evidence rows cite, by digest
}

// simulated reports whether a simulator touched anything the case stands on.
func (c Case) simulated() bool {
	if c.Rack.Simulated {
		return true
	}
	for _, n := range c.Nodes {
		if n.Simulated || n.BMC.Simulated {
			return true
		}
	}
	for _, e := range c.Evidence {
		if e.Simulated {
			return true
		}
	}
	for _, f := range c.Findings {
		if f.Simulated {
			return true
		}
	}
	return false
}

// excluded reports whether a node is left out within the tolerance.
func (c Case) excluded(id inventory.NodeID) bool {
	for _, x := range c.Rack.Excluded {
		if x == id {
			return true
		}
	}
	return false
}

// names maps person ids to names, for people who read the certificate.
func (c Case) names() map[inventory.PersonID]string {
	out := make(map[inventory.PersonID]string, len(c.Persons))
	for _, p := range c.Persons {
		out[p.ID] = p.Name
	}
	return out
}
