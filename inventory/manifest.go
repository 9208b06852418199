package inventory

// Manifest is what a document says will arrive. Until the store has given ids,
// RackID is the rack's name and NodeID the node's address ("A12/C07"). Good
// rows are kept; each bad row is a RowFault.
type Manifest struct {
	Racks      []Rack                 `json:"racks"`
	Types      []RackType             `json:"types,omitempty"` // rack types the document carries itself
	Nodes      []Node                 `json:"nodes"`
	Components map[NodeID][]Component `json:"components"`
	Faults     []RowFault             `json:"faults,omitempty"`
	Source     Digest                 `json:"source"` // digest of the document as received, secrets blanked
	Name       string                 `json:"name,omitempty"`
	// Secrets are factory passwords by credential name. They go straight to the
	// vault and marshal as REDACTED.
	Secrets map[string]FactoryCredential `json:"-"`
}

// FactoryCredential is a user and password stated by the manifest.
type FactoryCredential struct {
	User     string
	Password Secret
}

// RowFault is one quarantined row: where, which column, why, and how to mend it.
type RowFault struct {
	Row    int    `json:"row"` // 1 is the first line of the file
	Field  string `json:"field"`
	Reason string `json:"reason"`
	Fix    string `json:"fix,omitempty"`
	Raw    string `json:"raw,omitempty"` // the row as read, secrets blanked
}
