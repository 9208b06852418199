package inventory

import (
	"context"
	"iter"
	"net/netip"
	"time"
)

// At selects a moment in both times: Valid is when it was so in the world,
// Known what the record said then. Zero means now.
type At struct{ Valid, Known time.Time }

// Begin is Work.Begin bound to one claim.
type Begin func(context.Context, Intent) (IntentID, error)

// Store is the record. Consumers take the parts they need. Every id argument
// may also be an address. All methods are safe for concurrent use. Writes
// append a journal entry in the same transaction.
type Store interface {
	Reader
	Recorder
	Work
	Runs
	Bindings
	Boots
	Documents
	People
	Vault
	Journal
	BMCMemory
	// Close releases the database; calling it twice is harmless.
	Close() error
}

// Reader reads the record; it never changes it.
type Reader interface {
	Racks(context.Context) ([]Rack, error)
	Rack(context.Context, RackID) (Rack, error) // ErrNotFound
	Select(context.Context, Selector) iter.Seq2[Node, error]
	Node(context.Context, NodeID) (Node, error) // ErrNotFound
	Find(context.Context, Hint) (Node, error)   // by MAC, then UUID, then relay port; ErrNotFound
	// Components returns what was expected of a node and what was observed last, merged over sources.
	Components(context.Context, NodeID, At) (expected, observed []Component, err error)
	// Observation returns the newest observation of a node from a source; ErrNotFound when there is none.
	Observation(context.Context, NodeID, Source) (Observation, error)
	Findings(context.Context, Selector) ([]Finding, error) // open and closed; newest first
	Finding(context.Context, FindingID) (Finding, error)
	Evidence(context.Context, Subject) ([]Evidence, error) // oldest first, void ones included
	Waivers(context.Context, Subject) ([]Waiver, error)    // a rack's include its members'
	Blockers(context.Context, Selector) ([]Blocker, error)
	Requests(context.Context, Subject) ([]Request, error)
	Request(context.Context, RunID) (Request, error) // by the run Ask gave it, or by key
	Sightings(context.Context) ([]Sighting, error)
	Locks(context.Context) ([]Lock, error)
	Intents(context.Context, Subject) ([]Intent, error) // settled ones included, oldest first
	Faults(context.Context, Digest) ([]RowFault, error) // quarantined rows of a manifest by its source digest
}

// Recorder adds to the record. It never moves a milestone forward; Observe may
// void evidence, and then the law decides where the node falls back to.
type Recorder interface {
	// Expect creates racks, slots and nodes at expected. The same source digest again is a no-op.
	Expect(context.Context, Manifest, PersonID) error
	// Observe stores a collection, reconciles, opens and closes findings, invalidates and wakes the node.
	// It returns the node's open findings.
	Observe(context.Context, Observation) ([]Finding, error)
	Sight(context.Context, Sighting) error
	// Bind sets how a node's BMC is reached (URL, pin, credential name, profile).
	Bind(context.Context, NodeID, Endpoint) error
	// File adds evidence and wakes its subject. The store gives the id.
	File(context.Context, Evidence) (EvidenceID, error)
	// Waive records a request (Approver empty) or an approval (same ID, Approver set).
	// Approver = Requester is ErrDenied.
	Waive(context.Context, Waiver) (WaiverID, error)
	Dispose(context.Context, FindingID, string, PersonID) error
	Hold(context.Context, Subject, Hold) error // safety-latch breaks locks
	// Lift removes a hold. Who may lift which is the law's (lifecycle.md §5).
	Lift(context.Context, Subject, HoldName, PersonID, string) error
	// Ask files a request. The same key gives the same answer; the same key with other content is ErrConflict.
	Ask(context.Context, Request) (Request, error)
	// Wake makes a subject due now.
	Wake(context.Context, Subject) error
	// BreakLock ends a lock by a person's decision: its unsettled intents become unknown.
	BreakLock(context.Context, Subject, PersonID, string) error
}

// Work hands out ticks by leases with fencing tokens. Every call with a claim
// returns ErrStale once its token or its lease is lost.
type Work interface {
	// Claim takes at most n due ticks of this holder's shards, oldest first, and adds 1 to each token.
	Claim(ctx context.Context, holder Holder, n int) ([]Claim, error)
	Renew(context.Context, Claim) (Claim, error)
	// Shards are the racks a holder serves. One whose lease has run out counts
	// until somebody else takes it: a watch for safety ends with a successor.
	Shards(context.Context, Holder) ([]RackID, error)
	// Lock takes scopes for the claim's run; all or nothing; rack → shelf → domain → node. ErrHeld names the holder.
	Lock(context.Context, Claim, ...Subject) error
	// Overtake breaks what runs on the claim's subject, as a person's first BreakLock
	// does, for what overtakes it. ErrStale: somebody else did, or works there now;
	// ErrNotFound: no lock is held. The claim is void afterwards.
	Overtake(ctx context.Context, c Claim, reason string) error
	Asked(context.Context, Claim) ([]Request, error)
	// Answer sets the result line of the claim's subject in a request.
	Answer(context.Context, Claim, RunID, RequestLine) error
	Unsettled(context.Context, Claim) ([]Intent, error) // read these back before anything else
	// Begin commits an intent before the hardware is touched. A second open intent on one target is ErrConflict.
	Begin(context.Context, Claim, Intent) (IntentID, error)
	// Late journals what a server learned of an intent it began after it had lost the
	// claim. It changes nothing: the intent is the next holder's to settle.
	Late(ctx context.Context, id IntentID, detail string) error
	// Apply is the one place that moves a milestone: one transaction, asks the law, ends the claim.
	Apply(context.Context, Claim, Change) error
}

// Runs keeps runs and their sample batches.
type Runs interface {
	// StartRun begins a run under a claim; parent is the request's run, empty for the engine's own.
	StartRun(ctx context.Context, c Claim, op OpKind, parent RunID, plan Digest) (RunID, error)
	Run(context.Context, RunID) (Run, error)
	ListRuns(context.Context, Subject) ([]Run, error)
	Append(context.Context, Batch) error // a repeated batch is ignored; a gap is ErrConflict
	Batches(context.Context, RunID) ([]Batch, error)
}

// Bindings keeps DHCP leases.
type Bindings interface {
	Reserve(context.Context, Binding) (Binding, error) // in memory, lost at a restart
	Confirm(context.Context, Binding) (Binding, error) // committed before the ACK; ErrConflict: answer NAK
	Quarantine(context.Context, netip.Addr, time.Duration) error
	Release(context.Context, Hint) error
	Bound(context.Context, netip.Prefix) ([]Binding, error)
}

// Boots keeps the boot ledger and the redemption of boot tokens.
type Boots interface {
	Note(context.Context, BootLine) error
	Lines(context.Context, Hint, time.Time) ([]BootLine, error) // since a time, oldest first
	// Redeem marks a token as used; the second time is ErrConflict and an event,
	// unless the same boot (Hint.Boot) asks again because an answer was lost.
	Redeem(context.Context, Digest, Hint) error
}

// Documents keeps small content-addressed JSON and their names.
type Documents interface {
	Put(context.Context, DocKind, []byte) (Digest, error)
	Document(context.Context, Digest) ([]byte, error) // ErrNotFound
	Ref(context.Context, DocKind, string) (Ref, error)
	SetRef(context.Context, Ref) (Ref, error) // Version must match, 0 for a new name; ErrConflict
	Refs(context.Context, DocKind) ([]Ref, error)
}

// People keeps persons and tokens.
type People interface {
	Person(context.Context, PersonID) (Person, error)
	Persons(context.Context) ([]Person, error)
	SavePerson(context.Context, Person) error
	Token(context.Context, Digest) (Token, error)
	SaveToken(context.Context, Token) error
}

// Vault keeps sealed secrets. It sees ciphertext only; each read is an event.
type Vault interface {
	Sealed(ctx context.Context, name string) (ciphertext []byte, version int64, err error)
	Seal(ctx context.Context, name string, ciphertext []byte, version int64) error // version must match, 0 for new
}

// Journal reads hash chains: one per rack and one per site.
type Journal interface {
	Entries(ctx context.Context, chain Subject, after uint64) iter.Seq2[Entry, error]
	Head(ctx context.Context, chain Subject) (seq uint64, hash Digest, err error)
}

// BMCMemory keeps what a broker learned about one BMC across restarts:
// lock-out state, session URI, learned facts. Keyed by scheme, host and port.
type BMCMemory interface {
	Load(ctx context.Context, endpoint string) ([]byte, error) // nil when nothing is known
	Save(ctx context.Context, endpoint string, state []byte) error
}
