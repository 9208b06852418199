package burnin

import (
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// EntityKind is what one value belongs to.
type EntityKind string

// Entity kinds of this release. The empty kind is the node itself.
const (
	EntityNode     EntityKind = ""
	EntityDrive    EntityKind = "drive"    // ID: serial, normalised
	EntityCPU      EntityKind = "cpu"      // ID: package number, "0"
	EntityStressor EntityKind = "stressor" // ID: name of the stressor
	EntityDIMM     EntityKind = "dimm"     // ID: EDAC place, "mc0/dimm3"
	EntityPort     EntityKind = "port"     // ID: interface MAC
)

// Entity names what a value belongs to, by serial where the part has one and
// never by an index that moves.
type Entity struct {
	Kind EntityKind `json:"kind,omitempty"`
	ID   string     `json:"id,omitempty"`
}

// String prints "drive S64A…", or "node".
func (e Entity) String() string {
	if e.Kind == EntityNode {
		return "node"
	}
	return string(e.Kind) + " " + e.ID
}

// Value is one measured value of one metric of one entity. Units are those of
// [Metrics]; a value in another unit is unjudged.
type Value struct {
	Metric string  `json:"metric"`
	Entity Entity  `json:"entity,omitzero"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
}

// SampleKind is what a numbered sample carries.
type SampleKind string

// Sample kinds. A run is start, then begin and result per step with kernel,
// sensors and heartbeat between them, then end.
const (
	SampleStart     SampleKind = "start"
	SampleBegin     SampleKind = "begin"
	SampleResult    SampleKind = "result"
	SampleSensors   SampleKind = "sensors"
	SampleKernel    SampleKind = "kernel"
	SampleHeartbeat SampleKind = "heartbeat"
	SampleEnd       SampleKind = "end"
)

// Sample is one numbered statement of the agent. Seq starts at 1 for each run
// and has no gaps; a number is never used for two contents.
type Sample struct {
	Seq     uint64     `json:"seq"`
	At      time.Time  `json:"at"`
	Kind    SampleKind `json:"kind"`
	Test    string     `json:"test,omitempty"`
	Target  Entity     `json:"target,omitzero"`
	Attempt int        `json:"attempt,omitempty"`
	Start   *Start     `json:"start,omitempty"`
	Exec    *Exec      `json:"exec,omitempty"`
	Values  []Value    `json:"values,omitempty"`
	// Fault is why the output could not be understood; a result with a fault is
	// unjudged unless a value already failed.
	Fault       string      `json:"fault,omitempty"`
	Fingerprint string      `json:"fingerprint,omitempty"` // of an inventory step: inventory.Fingerprint
	Artifacts   []Artifact  `json:"artifacts,omitempty"`
	Kernel      *KernelLine `json:"kernel,omitempty"`
	End         *End        `json:"end,omitempty"`
}

// Start opens a run on one boot.
type Start struct {
	BootID    string           `json:"bootId"`
	Agent     string           `json:"agent"` // program and version
	Plan      inventory.Digest `json:"plan"`  // digest of the resolved profile that runs
	Image     inventory.Digest `json:"image,omitempty"`
	KernelLog bool             `json:"kernelLog"` // the kernel log could be opened
	Simulated bool             `json:"simulated,omitempty"`
}

// Exec is how one tool ran.
type Exec struct {
	Argv       []string         `json:"argv"`
	Version    string           `json:"version,omitempty"`
	ToolDigest inventory.Digest `json:"toolDigest,omitempty"` // of the program file
	Exit       int              `json:"exit"`
	// Accepted: the exit code is one that the tool's contract allows beside good
	// values (smartctl sets bits for the past). It never makes a pass by itself.
	Accepted bool          `json:"accepted"`
	Missing  bool          `json:"missing,omitempty"`
	TimedOut bool          `json:"timedOut,omitempty"`
	Signal   string        `json:"signal,omitempty"`
	Error    string        `json:"error,omitempty"` // could not be started or refused
	Took     time.Duration `json:"tookNs"`
}

// Artifact is a captured output. Digest and Bytes are of what was captured;
// Truncated says that the tool wrote more. Gzip holds the captured bytes.
type Artifact struct {
	Name      string           `json:"name"`
	Digest    inventory.Digest `json:"digest"`
	Bytes     int              `json:"bytes"`
	Truncated bool             `json:"truncated,omitempty"`
	Gzip      []byte           `json:"gzip,omitempty"`
}

// KernelLine is one line of the kernel log that has a class, or a gap.
type KernelLine struct {
	Seq    uint64      `json:"seq"` // the kernel's own number
	Class  KernelClass `json:"class"`
	Text   string      `json:"text"`
	Entity Entity      `json:"entity,omitzero"` // the drive the line names, where known
}

// End closes a run.
type End struct {
	Status    string `json:"status"` // complete, aborted
	Reason    string `json:"reason,omitempty"`
	KernelLog bool   `json:"kernelLog"` // the log was watched without a gap to the end
}

// End states.
const (
	EndComplete = "complete"
	EndAborted  = "aborted"
)
