package inventory

import (
	"encoding/json"
	"log/slog"
	"time"
)

// Endpoint is how a node's BMC is reached. System names the ComputerSystem
// where one BMC serves several hosts. Credential is a name in the Vault.
type Endpoint struct {
	Node       NodeID `json:"node,omitempty"`
	URL        string `json:"url,omitempty"` // https://host[:port]
	System     string `json:"system,omitempty"`
	Credential string `json:"credential,omitempty"`
	Profile    string `json:"profile,omitempty"`
	Pin        Digest `json:"pin,omitempty"` // SHA-256 of the leaf's public key
	MAC        MAC    `json:"mac,omitempty"`
	Simulated  bool   `json:"simulated,omitempty"`
	// Detectors is how many leak detectors it has listed at most since its key was
	// confirmed: what lists fewer later is not dry.
	Detectors int `json:"detectors,omitempty"`
	// Note is why a person set or confirmed it last.
	Note string `json:"note,omitempty"`
}

// Node is a role bound to a slot. Its three axes are Milestone, Operation and Holds.
type Node struct {
	ID        NodeID     `json:"id"`
	Rack      RackID     `json:"rack"`
	Kind      NodeKind   `json:"kind"`
	Address   string     `json:"address"`          // "A12/C07"
	Slot      string     `json:"slot"`             // path in the rack type, "C07"
	Type      string     `json:"type,omitempty"`   // product as ordered
	Vendor    string     `json:"vendor,omitempty"` // manufacturer as ordered
	Note      string     `json:"note,omitempty"`   // the note of the manifest's row
	Profile   string     `json:"profile,omitempty"`
	Serial    string     `json:"serial,omitempty"` // as expected; identity rules decide what was seen
	BMC       Endpoint   `json:"bmc,omitzero"`
	MACs      []MAC      `json:"macs,omitempty"`
	UUID      string     `json:"uuid,omitempty"`
	Milestone Milestone  `json:"milestone"`
	Operation *Operation `json:"operation,omitempty"`
	Holds     []Hold     `json:"holds,omitempty"`
	Version   int64      `json:"version"`
	Since     time.Time  `json:"since,omitzero"` // when the milestone was entered
	Simulated bool       `json:"simulated,omitempty"`
}

// LogValue implements slog.LogValuer: address, kind and milestone only.
func (n Node) LogValue() slog.Value {
	return slog.GroupValue(slog.String("node", n.Address), slog.String("kind", string(n.Kind)),
		slog.String("milestone", string(n.Milestone)))
}

// Held reports whether the named hold is set.
func (n Node) Held(name HoldName) bool {
	for _, h := range n.Holds {
		if h.Name == name {
			return true
		}
	}
	return false
}

// Operation is what runs now. State is the step's own durable state (never a
// function, never a program counter that replaces looking again).
type Operation struct {
	Run      RunID           `json:"run"`
	Kind     OpKind          `json:"kind"`
	Plan     Digest          `json:"plan,omitempty"`
	Step     string          `json:"step"`
	Attempt  int             `json:"attempt"`
	Deadline time.Time       `json:"deadline,omitzero"`
	Abort    AbortClass      `json:"abort"`
	Percent  int             `json:"percent,omitempty"`
	Detail   string          `json:"detail,omitempty"` // one sentence for people
	Boot     *Boot           `json:"boot,omitempty"`
	State    json.RawMessage `json:"state,omitempty"`
	Since    time.Time       `json:"since,omitzero"`
}

// Boot says that the operation wants this image over the network now.
type Boot struct {
	Image   string    `json:"image"`
	Until   time.Time `json:"until"`
	Run     RunID     `json:"run"`
	Attempt int       `json:"attempt"` // boot attempt; part of the boot token
}

// Hold is a named flag with a reason. By empty means the engine set it.
type Hold struct {
	Name   HoldName  `json:"name"`
	Reason string    `json:"reason"`
	By     PersonID  `json:"by"`
	Since  time.Time `json:"since"`
}
