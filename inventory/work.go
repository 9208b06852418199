package inventory

import (
	"encoding/json"
	"time"
)

// Claim is a server's lease on one tick, with a fencing token. A claim whose
// token is lost gets ErrStale from every call.
type Claim struct {
	Subject Subject   `json:"subject"`
	Run     RunID     `json:"run"`
	Holder  Holder    `json:"holder"`
	Token   int64     `json:"token"`
	Until   time.Time `json:"until"`
}

// Event is the law's input that Apply puts to the state table.
type Event struct {
	Kind     EventKind    `json:"kind"`
	Reason   string       `json:"reason,omitempty"`
	By       PersonID     `json:"by,omitempty"`
	Evidence []EvidenceID `json:"evidence,omitempty"`
}

// Intent is the row committed before the hardware is touched.
type Intent struct {
	ID       IntentID        `json:"id"`
	Run      RunID           `json:"run"`
	Op       OpKind          `json:"op"`
	Step     string          `json:"step"`
	Target   string          `json:"target"`   // one unsettled intent per target
	Effect   string          `json:"effect"`   // what will be done, one sentence
	ReadBack string          `json:"readBack"` // how an unknown outcome is decided
	Before   json.RawMessage `json:"before,omitempty"`
	Attempt  int             `json:"attempt"`
	Abort    AbortClass      `json:"abort"`
	Begun    time.Time       `json:"begun,omitzero"`
	Outcome  Outcome         `json:"outcome,omitempty"`
	Settled  bool            `json:"settled,omitempty"`
}

// Change is what one tick leaves behind; Apply makes it one transaction.
// Operation nil ends the operation and drops the run's locks.
type Change struct {
	Settles   IntentID   `json:"settles,omitempty"`
	Outcome   Outcome    `json:"outcome,omitempty"`
	Detail    string     `json:"detail,omitempty"`
	Event     *Event     `json:"event,omitempty"`
	Operation *Operation `json:"operation,omitempty"`
	Blockers  []Blocker  `json:"blockers,omitempty"` // replace the subject's blockers
	Due       time.Time  `json:"due,omitzero"`       // zero: when something wakes the subject
	Excluded  []NodeID   `json:"excluded,omitempty"` // rack only: members left out now
}

// Request is an accepted wish. Key is the idempotency key: the same key gives
// the same answer. Run is given by Ask, so that 202 can link to it.
type Request struct {
	Key      string          `json:"key"`
	Run      RunID           `json:"run"`
	Op       OpKind          `json:"op"`
	On       Selector        `json:"on"`
	Plan     Digest          `json:"plan,omitempty"`
	Args     json.RawMessage `json:"args,omitempty"`
	By       PersonID        `json:"by"`
	Approver PersonID        `json:"approver,omitempty"`
	State    RequestState    `json:"state"`
	Answer   string          `json:"answer,omitempty"`
	At       time.Time       `json:"at,omitzero"`
	Lines    []RequestLine   `json:"lines,omitempty"` // one line per target
}

// RequestState is where a request stands. Accepted is not success.
type RequestState string

// Request states.
const (
	RequestAccepted RequestState = "accepted"
	RequestRunning  RequestState = "running"
	RequestDone     RequestState = "done"
	RequestFailed   RequestState = "failed"
	RequestPartial  RequestState = "partial"
)

// RequestLine is the result for one target: ok, failed, unknown, refused,
// running or not_started. A member that was never dispatched is not_started.
type RequestLine struct {
	Subject Subject `json:"subject"`
	Result  string  `json:"result"`
	Detail  string  `json:"detail,omitempty"`
}

// Run is one planned piece of work. Its plan is frozen by digest.
type Run struct {
	ID      RunID     `json:"id"`
	Parent  RunID     `json:"parent,omitempty"`
	Op      OpKind    `json:"op"`
	Subject Subject   `json:"subject"`
	Plan    Digest    `json:"plan,omitempty"`
	Outcome Outcome   `json:"outcome,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
}

// BrokenOff is the detail of a run whose server died between its start and its
// first step: nothing was sent, and another run has come in its place.
const BrokenOff = "broken off before its first step; nothing was sent"

// Lock is a run's exclusive right to a scope. It has no time limit.
type Lock struct {
	Scope Subject   `json:"scope"`
	Run   RunID     `json:"run"`
	State string    `json:"state"` // held, needs-repair
	Since time.Time `json:"since"`
}

// Batch is a numbered piece of a run's samples. From and To are sample
// sequence numbers, inclusive.
type Batch struct {
	Run      RunID  `json:"run"`
	From     uint64 `json:"from"`
	To       uint64 `json:"to"`
	Document Digest `json:"document"`
}

// Selector names subjects. Terms are ANDed; the empty selector selects nothing.
type Selector struct {
	Racks []RackID   `json:"racks,omitempty"`
	Nodes []NodeID   `json:"nodes,omitempty"`
	Kinds []NodeKind `json:"kinds,omitempty"`
	All   bool       `json:"all,omitempty"`
}

// Empty reports whether nothing is selected.
func (s Selector) Empty() bool {
	return !s.All && len(s.Racks) == 0 && len(s.Nodes) == 0 && len(s.Kinds) == 0
}
