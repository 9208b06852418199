package inventory

import (
	"log/slog"
	"time"
)

// Rack is one rack of one site.
type Rack struct {
	ID        RackID        `json:"id"`
	Site      string        `json:"site"`
	Name      string        `json:"name"`
	Position  string        `json:"position,omitempty"`
	Serial    string        `json:"serial,omitempty"`
	Type      Ref           `json:"type"`
	Milestone RackMilestone `json:"milestone"`
	Holds     []Hold        `json:"holds,omitempty"`
	Version   int64         `json:"version"`
	Since     time.Time     `json:"since,omitzero"`
	Operation *Operation    `json:"operation,omitempty"`
	Excluded  []NodeID      `json:"excluded,omitempty"` // members left out within the tolerance
	Simulated bool          `json:"simulated,omitempty"`
}

// LogValue implements slog.LogValuer.
func (r Rack) LogValue() slog.Value {
	return slog.GroupValue(slog.String("rack", r.Name), slog.String("milestone", string(r.Milestone)))
}

// Held reports whether the named hold is set.
func (r Rack) Held(name HoldName) bool {
	for _, h := range r.Holds {
		if h.Name == name {
			return true
		}
	}
	return false
}

// RackType is a document, never code: the slots of a rack, how few members of
// each kind suffice, and which gates are produced how.
type RackType struct {
	Name      string           `json:"name" yaml:"name"`
	Version   int              `json:"version" yaml:"version"`
	Title     string           `json:"title,omitempty" yaml:"title"`
	Slots     []Slot           `json:"slots" yaml:"slots"`
	Tolerance map[NodeKind]int `json:"tolerance,omitempty" yaml:"tolerance"` // fewest members of a kind that suffice
	// PowerOrder is the order of the rack's power-on; off runs it backwards.
	PowerOrder []NodeKind `json:"powerOrder,omitempty" yaml:"powerOrder"`
	// Gates changes who may produce a gate, or declares it not applicable with a reason.
	Gates []GateRule `json:"gates,omitempty" yaml:"gates"`
	// InBand names component classes that only the booted node can show (Trainium).
	InBand []Kind `json:"inBand,omitempty" yaml:"inBand"`
	// Accelerator is the accelerator class whose tests acceptance needs; empty for none.
	Accelerator Kind `json:"accelerator,omitempty" yaml:"accelerator"`
	// Retest names rack gates that run again when a member joins late.
	Retest []Gate `json:"retest,omitempty" yaml:"retest"`
	// Unverified says that nobody has seen this hardware with Rackwright yet.
	Unverified string `json:"unverified,omitempty" yaml:"unverified"`
}

// Slot is a place in a rack type's tree. U counts from the bottom; Height is in rack units.
type Slot struct {
	Path     string   `json:"path" yaml:"path"`
	Kind     NodeKind `json:"kind" yaml:"kind"`
	U        int      `json:"u" yaml:"u"`
	Height   int      `json:"height" yaml:"height"`
	Face     string   `json:"face,omitempty" yaml:"face"` // front, rear, left, right (0U sides)
	Required bool     `json:"required,omitempty" yaml:"required"`
	Domain   string   `json:"domain,omitempty" yaml:"domain"`
	Accepts  []Kind   `json:"accepts,omitempty" yaml:"accepts"` // part classes; empty: any
	Profile  string   `json:"profile,omitempty" yaml:"profile"` // BMC profile
	Model    string   `json:"model,omitempty" yaml:"model"`
}

// Producer says who may produce the evidence of a gate.
type Producer string

// Producers of evidence.
const (
	ByMachine      Producer = "machine"
	ByChecklist    Producer = "checklist"
	ByDerivation   Producer = "derived" // computed from the record itself
	ByDeclaration  Producer = "not_applicable"
	ByPersonSigned Producer = "signature"
)

// GateRule is a rack type's declaration for one gate. Kind empty means every
// node kind (or the rack). Not applicable needs a Reason; it is never concluded.
type GateRule struct {
	Gate   Gate     `json:"gate" yaml:"gate"`
	Kind   NodeKind `json:"kind,omitempty" yaml:"kind"`
	By     Producer `json:"by" yaml:"by"`
	Reason string   `json:"reason,omitempty" yaml:"reason"`
}

// Ref is a name for a document: the newest content under a kind and a name.
type Ref struct {
	Kind    DocKind `json:"kind"`
	Name    string  `json:"name"`
	Digest  Digest  `json:"digest"`
	Version int64   `json:"version"`
}
