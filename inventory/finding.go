package inventory

import "time"

// Finding is one difference between expected and observed, with the owner class
// that must act and a fix sentence (message id and arguments). There is one
// open finding per fingerprint; it closes itself when a later good read agrees.
type Finding struct {
	ID     FindingID   `json:"id"`
	Kind   FindingKind `json:"kind"`
	Rack   RackID      `json:"rack"`
	Node   NodeID      `json:"node,omitempty"`
	Key    Key         `json:"key,omitzero"`
	Want   Component   `json:"want,omitzero"`
	Got    Component   `json:"got,omitzero"`
	Owner  Owner       `json:"owner"`
	Fix    string      `json:"fix"` // message id, see Sentence
	Args   []string    `json:"args,omitempty"`
	Closed bool        `json:"closed"`
	// Others are further subjects of one finding: the other members of a swap.
	Others      []NodeID  `json:"others,omitempty"`
	Disposition string    `json:"disposition,omitempty"` // what a person decided at the dock
	Opened      time.Time `json:"opened,omitzero"`
	ClosedAt    time.Time `json:"closedAt,omitzero"`
	ClosedBy    string    `json:"closedBy,omitempty"` // person, or "observation"
	Simulated   bool      `json:"simulated,omitempty"`
}

// Waiver lets one gate of one subject (or one finding, accepted as found) pass
// although it did not. Requester and Approver are two different people; until
// Approver is set it is only asked for. Until is the expiry.
type Waiver struct {
	ID        WaiverID  `json:"id"`
	Gate      Gate      `json:"gate,omitempty"`
	Finding   FindingID `json:"finding,omitempty"`
	Subject   Subject   `json:"subject"`
	Reason    string    `json:"reason"`
	Requester PersonID  `json:"requester"`
	Approver  PersonID  `json:"approver,omitempty"`
	Until     time.Time `json:"until"`
	At        time.Time `json:"at,omitzero"`
}

// Evidence is one result of one gate for one subject. Document is the digest of
// what proves it, Fingerprint what was installed then. Void evidence stays in
// the record and opens no gate.
type Evidence struct {
	ID          EvidenceID `json:"id"`
	Subject     Subject    `json:"subject"`
	Gate        Gate       `json:"gate"`
	Result      Result     `json:"result"`
	Producer    Producer   `json:"producer"`
	Document    Digest     `json:"document,omitempty"`
	Fingerprint Digest     `json:"fingerprint,omitempty"`
	Attempt     int        `json:"attempt,omitempty"`
	Run         RunID      `json:"run,omitempty"`
	At          time.Time  `json:"at"`
	// Age is how old it is when it is filed. With At zero the record's clock less Age
	// is At: what must be ordered with holds is never told by another clock.
	Age    time.Duration `json:"-"`
	By     string        `json:"by"` // person id, or "rackwright/<step>"
	Detail string        `json:"detail,omitempty"`
	// Cites are further digests the verdict stands on: image, plan, tools.
	Cites     map[string]Digest `json:"cites,omitempty"`
	Void      bool              `json:"void,omitempty"`
	VoidWhy   string            `json:"voidWhy,omitempty"`
	Simulated bool              `json:"simulated,omitempty"`
}

// Blocker is a gate that is not passed or a budget that is overrun: who must
// act, and what to do (message id and arguments).
type Blocker struct {
	Gate    Gate      `json:"gate"`
	Subject Subject   `json:"subject"`
	Owner   Owner     `json:"owner"`
	Fix     string    `json:"fix"`
	Args    []string  `json:"args,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}
