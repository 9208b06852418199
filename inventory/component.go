package inventory

import "time"

// Key addresses a component inside a node: kind and slot, never its name alone,
// so eight drives stay eight drives.
type Key struct {
	Kind Kind   `json:"kind"`
	Slot string `json:"slot"`
}

// String prints "gpu/GPU2".
func (k Key) String() string { return string(k.Kind) + "/" + k.Slot }

// Identifier is one reading of an identity. Every reading is kept; a match
// needs one trusted identifier or two untrusted ones that agree (inventory.md §3).
type Identifier struct {
	Kind    IDKind `json:"kind"`
	Raw     string `json:"raw"`
	Norm    string `json:"norm"`
	Source  Source `json:"source"`
	Trusted bool   `json:"trusted"`
}

// IDKind is the kind of an identifier.
type IDKind string

// Identifier kinds (inventory.md §2, part_identifier).
const (
	IDLabel      IDKind = "sn_label"
	IDRedfish    IDKind = "sn_redfish"
	IDDMI        IDKind = "sn_dmi"
	IDFRUBoard   IDKind = "sn_fru_board"
	IDFRUProduct IDKind = "sn_fru_product"
	IDFRUChassis IDKind = "sn_fru_chassis"
	IDAssetTag   IDKind = "asset_tag"
	IDMACBMC     IDKind = "mac_bmc"
	IDMAC        IDKind = "mac"
	IDUUID       IDKind = "uuid"
	IDWWN        IDKind = "wwn"
	IDGPUUUID    IDKind = "gpu_uuid"
	IDNeuron     IDKind = "neuron_sn"
)

// Component is one part as expected or as observed. Firmware is the raw text
// the device reported. In an expectation an empty field means "not stated".
type Component struct {
	Key
	Vendor   string       `json:"vendor,omitempty"`
	Model    string       `json:"model,omitempty"`
	Serial   string       `json:"serial,omitempty"`
	Firmware string       `json:"firmware,omitempty"`
	IDs      []Identifier `json:"ids,omitempty"`
	State    ReadState    `json:"state,omitempty"`
	// Quantity is the number of alike parts of an expected line without serials; 0 means 1.
	Quantity int `json:"quantity,omitempty"`
	// SizeMiB is memory or storage size in MiB; 0 means unknown.
	SizeMiB int64 `json:"sizeMiB,omitempty"`
	// Facts are further readings by name with the unit in the name (pcie_width, speed_gbps).
	Facts map[string]string `json:"facts,omitempty"`
}

// Link is one cable end that was seen or planned.
type Link struct {
	Port        string `json:"port"`
	PeerChassis string `json:"peerChassis"`
	PeerPort    string `json:"peerPort"`
	Source      Source `json:"source"`
}

// ReadFault is something that could not be read. Not read is not absent.
type ReadFault struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
	// Kind is the component class that stays unproven by this fault; empty when unknown.
	Kind Kind `json:"kind,omitempty"`
}

// Observation is one timed, immutable reading of one node. Components with
// State present were seen; State absent is only set by a successful read that
// should have shown the part.
type Observation struct {
	Node       NodeID      `json:"node"`
	Rack       RackID      `json:"rack,omitempty"` // for scans of units no node expects
	Source     Source      `json:"source"`
	At         time.Time   `json:"at"`
	Components []Component `json:"components,omitempty"`
	Links      []Link      `json:"links,omitempty"`
	Faults     []ReadFault `json:"faults,omitempty"`
	Raw        Digest      `json:"raw,omitempty"`
	Collector  string      `json:"collector,omitempty"` // program and version that read
	Early      bool        `json:"early,omitempty"`     // host had not finished its inventory
	Simulated  bool        `json:"simulated,omitempty"` // the peer said that it is a simulator
}

// Hint is what a packet says about its sender.
type Hint struct {
	MAC     MAC    `json:"mac,omitempty"`
	UUID    string `json:"uuid,omitempty"`
	Relay   string `json:"relay,omitempty"`   // address of the DHCP relay (giaddr)
	Circuit string `json:"circuit,omitempty"` // option 82 circuit id, raw
	// Simulated: the sender said in the protocol that it is a simulator.
	Simulated bool `json:"simulated,omitempty"`
	// Boot is the id of the running boot, where its agent speaks.
	Boot string `json:"boot,omitempty"`
}

// FactStaged is the fact of a firmware component that names a staged, not yet
// active version.
const FactStaged = "staged_version"

// SightDuplicate is the class of a sighting that is about an address, not about
// an unknown machine: two claim it.
const SightDuplicate = "duplicate-address"

// Sighting is an unknown machine that spoke to us.
type Sighting struct {
	Hint
	Class  string    `json:"class"` // DHCP class, "ssdp" or "sweep"
	Addr   string    `json:"addr,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Pin    Digest    `json:"pin,omitempty"` // of a BMC: the key it proved to hold
	At     time.Time `json:"at"`
	Count  int64     `json:"count,omitempty"` // how often, filled by the store
}
