package inventory

// Opaque identifiers (ULID text). People use addresses such as A12/C07/GPU2;
// every Store method that takes an id accepts the address as well.
type (
	// RackID names one rack: a ULID, or the rack's name ("A12").
	RackID string
	// NodeID names one node: a ULID, or its address ("A12/C07").
	NodeID string
	// PersonID names one person or program that can be held to account.
	PersonID string
	// FindingID names one difference between expected and observed.
	FindingID string
	// EvidenceID names one piece of evidence for a gate.
	EvidenceID string
	// WaiverID names one waiver.
	WaiverID string
	// IntentID names one hardware action that was written down before it was sent.
	IntentID string
	// RunID names one planned piece of work on one scope.
	RunID string
	// Holder names one server process that may hold claims.
	Holder string
)

// Subject is what evidence, holds, locks, ticks and chains are about.
type Subject struct {
	Scope Scope  `json:"scope"`
	ID    string `json:"id"`
}

// String prints "node:01J…", the form used in logs and locks.
func (s Subject) String() string { return string(s.Scope) + ":" + s.ID }

// NodeSubject is the subject of a node.
func NodeSubject(id NodeID) Subject { return Subject{Scope: ScopeNode, ID: string(id)} }

// RackSubject is the subject of a rack.
func RackSubject(id RackID) Subject { return Subject{Scope: ScopeRack, ID: string(id)} }

// SiteSubject is the subject of a site, whose chain records what belongs to no rack.
func SiteSubject(site string) Subject { return Subject{Scope: ScopeSite, ID: site} }
