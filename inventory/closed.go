package inventory

// Milestone is the last gate of a node that still has valid evidence
// (lifecycle.md §3). It is moved only by Store.Apply.
type Milestone string

// Node milestones 0 to 10, in order, and the three side milestones.
const (
	NodeExpected   Milestone = "expected"
	NodeReceived   Milestone = "received"
	NodeInstalled  Milestone = "installed"
	NodeDiscovered Milestone = "discovered"
	NodeSecured    Milestone = "secured"
	NodeVerified   Milestone = "verified"
	NodeBaselined  Milestone = "baselined"
	NodeBurnedIn   Milestone = "burned_in"
	NodeRackTested Milestone = "rack_tested"
	NodeAccepted   Milestone = "accepted"
	NodeHandedOver Milestone = "handed_over"

	NodeTriage  Milestone = "triage"
	NodeRepair  Milestone = "repair"
	NodeRetired Milestone = "retired"
)

// RackMilestone is the rack's own milestone (lifecycle.md §4). 6 to 10 are
// computed from the members, never set.
type RackMilestone string

// Rack milestones 0 to 13, in order, and the four side milestones.
const (
	RackPlanned    RackMilestone = "planned"
	RackShipped    RackMilestone = "shipped"
	RackArrived    RackMilestone = "arrived"
	RackReceived   RackMilestone = "received"
	RackInstalled  RackMilestone = "installed"
	RackPowerReady RackMilestone = "power_ready"
	RackBringingUp RackMilestone = "bringing_up"
	RackVerified   RackMilestone = "verified"
	RackAligned    RackMilestone = "aligned"
	RackBurnedIn   RackMilestone = "burned_in"
	RackTested     RackMilestone = "rack_tested"
	RackInReview   RackMilestone = "in_review"
	RackAccepted   RackMilestone = "accepted"
	RackHandedOver RackMilestone = "handed_over"

	RackRework          RackMilestone = "rework"
	RackRejected        RackMilestone = "rejected"
	RackDecommissioning RackMilestone = "decommissioning"
	RackRemoved         RackMilestone = "removed"
)

// HoldName is a named flag that forbids what lifecycle.md §5 lists for it.
type HoldName string

// The seven holds.
const (
	HoldSafetyLatch      HoldName = "safety-latch"
	HoldQuarantine       HoldName = "quarantine"
	HoldMaintenance      HoldName = "maintenance"
	HoldVendor           HoldName = "vendor-hold"
	HoldExternal         HoldName = "external-hold"
	HoldCredUnknown      HoldName = "cred-unknown"
	HoldLocationMismatch HoldName = "location-mismatch"
)

// Owner is the class of people who must act next.
type Owner string

// Owner classes of blockers and findings.
const (
	OwnerSystem     Owner = "system"
	OwnerTechnician Owner = "technician"
	OwnerVendor     Owner = "vendor"
	OwnerFacilities Owner = "facilities"
)

// Outcome is what is known after a hardware action. Unknown is read back and
// never repeated blindly.
type Outcome string

// Outcomes; the empty outcome means "come back later".
const (
	OutcomeNone    Outcome = ""
	OutcomeOK      Outcome = "ok"
	OutcomeFailed  Outcome = "failed"
	OutcomeUnknown Outcome = "unknown"
)

// Result is the result of a gate.
type Result string

// Gate results. Unjudged shuts a gate exactly as fail does.
const (
	ResultPass          Result = "pass"
	ResultFail          Result = "fail"
	ResultUnjudged      Result = "unjudged"
	ResultNotApplicable Result = "not_applicable"
	ResultWaived        Result = "waived"
)

// AbortClass says whether a running step may be stopped.
type AbortClass string

// Abort classes; never means "do not power off".
const (
	AbortSafe       AbortClass = "safe"
	AbortAtBoundary AbortClass = "at_boundary"
	AbortNever      AbortClass = "never"
)

// ReadState keeps "not there" apart from "not looked" and "look failed".
type ReadState string

// Read states; the empty state of an expected part means "expected present".
const (
	StatePresent    ReadState = "present"
	StateAbsent     ReadState = "absent"
	StateNotRead    ReadState = "not_read"
	StateReadFailed ReadState = "read_failed"
)

// Source says who saw something.
type Source string

// Sources of observations and identifiers.
const (
	SourceManifest Source = "manifest"
	SourceScan     Source = "scan"
	SourceRedfish  Source = "redfish"
	SourceInband   Source = "inband"
	SourceLLDP     Source = "lldp"
	SourceDCGM     Source = "dcgm"
	SourceNeuron   Source = "neuron"
)

// Scope is the reach of a subject or a lock.
type Scope string

// Scopes, in lock order rack → shelf → domain → node.
const (
	ScopeNode   Scope = "node"
	ScopeDomain Scope = "domain"
	ScopeShelf  Scope = "shelf"
	ScopeRack   Scope = "rack"
	ScopeSite   Scope = "site"
)

// NodeKind is the role of a node; the rack type says which gates apply to it.
type NodeKind string

// Node kinds.
const (
	KindCompute    NodeKind = "compute"
	KindSwitch     NodeKind = "switch"
	KindPowerShelf NodeKind = "power_shelf"
	KindCDU        NodeKind = "cdu"
	KindPDU        NodeKind = "pdu"
	KindDPUNode    NodeKind = "dpu"
	KindServer     NodeKind = "server"
)

// Kind is the class of a component.
type Kind string

// Component kinds.
const (
	KindChassis   Kind = "chassis"
	KindBoard     Kind = "board"
	KindGPU       Kind = "gpu"
	KindTrainium  Kind = "trainium"
	KindCPU       Kind = "cpu"
	KindDIMM      Kind = "dimm"
	KindNIC       Kind = "nic"
	KindDPU       Kind = "dpu"
	KindDrive     Kind = "drive"
	KindPSU       Kind = "psu"
	KindFan       Kind = "fan"
	KindBMC       Kind = "bmc"
	KindBIOS      Kind = "bios"
	KindCPLD      Kind = "cpld"
	KindNVSwitch  Kind = "nvswitch"
	KindBaseboard Kind = "baseboard"
	KindERoT      Kind = "erot"
	KindFirmware  Kind = "firmware"
	KindCable     Kind = "cable"
)

// OpKind is the kind of an operation, request or run.
type OpKind string

// Operations of this release.
const (
	OpSweep    OpKind = "sweep"
	OpSecure   OpKind = "secure"
	OpFirmware OpKind = "firmware"
	OpBurnIn   OpKind = "burn_in"
	OpRackTest OpKind = "rack_test"
	OpBringUp  OpKind = "bring_up"
	OpPower    OpKind = "power"
	OpWipe     OpKind = "wipe"
	OpLocate   OpKind = "locate"
	// Decisions of a person about a node beside the main way; they touch no hardware.
	OpTriage OpKind = "triage" // out of the main way: somebody saw what no machine did
	OpReturn OpKind = "return" // from triage or repair back to what is still proven
	OpRepair OpKind = "repair" // from triage to repair
)

// DocKind is the kind of a stored document.
type DocKind string

// Document kinds.
const (
	DocRackType    DocKind = "rack_type"
	DocManifest    DocKind = "manifest"
	DocPlan        DocKind = "plan"
	DocBaseline    DocKind = "baseline"
	DocProfile     DocKind = "burnin_plan"
	DocImage       DocKind = "image"
	DocObservation DocKind = "observation"
	DocChecklist   DocKind = "checklist"
	DocVerdict     DocKind = "verdict"
	DocSamples     DocKind = "samples"
	DocPhoto       DocKind = "photo"
	DocDraft       DocKind = "draft"
	DocCertificate DocKind = "certificate"
	DocLog         DocKind = "log"
)

// FindingKind is the kind of a difference (inventory.md §6).
type FindingKind string

// Finding kinds.
const (
	FindMissing       FindingKind = "missing"
	FindExtra         FindingKind = "extra"
	FindCountShort    FindingKind = "count_short"
	FindWrongType     FindingKind = "wrong_type"
	FindWrongSlot     FindingKind = "wrong_slot"
	FindReplaced      FindingKind = "replaced"
	FindSwapped       FindingKind = "swapped"
	FindDuplicateID   FindingKind = "duplicate_id"
	FindIDConflict    FindingKind = "id_conflict"
	FindPlaceholderID FindingKind = "placeholder_id"
	FindWrongFirmware FindingKind = "wrong_firmware"
	FindNoLink        FindingKind = "no_link"
	FindDegradedLink  FindingKind = "degraded_link"
	FindMiscabled     FindingKind = "miscabled"
	FindUnreadable    FindingKind = "unreadable"
	FindStale         FindingKind = "stale"
	FindDamaged       FindingKind = "damaged"
)

// EventKind names an entry of the law's tables: one per milestone and one per
// row of lifecycle.md §6. Journal entries carry their own free kind text.
type EventKind string

// Gate is the id of a named rule over evidence; the closed list stands beside
// its table in inventory/lifecycle.
type Gate string
