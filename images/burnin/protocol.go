package burnin

import (
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// The protocol is JSON over HTTP below one prefix, spoken by the agent only:
//
//	POST {prefix}/hello                  Bearer boot token   Hello      → Welcome
//	GET  {prefix}/runs/{run}/assignment  Bearer credential              → Assignment
//	POST {prefix}/runs/{run}/observation Bearer credential   Observation → 204
//	POST {prefix}/runs/{run}/samples     Bearer credential   Batch      → Ack
//
// The boot token is traded once; the credential is good for one run.
const (
	// Prefix is where the product mounts [Ingest].
	Prefix = "/agent/v1"
	// MaxBody bounds one request; the agent aims at batches of 256 KiB.
	MaxBody = 4 << 20
	// Protocol is the version both ends state.
	Protocol = 1
)

// Hello introduces a booted node.
type Hello struct {
	Protocol    int                   `json:"protocol"`
	Agent       string                `json:"agent"` // program and version
	BootID      string                `json:"bootId"`
	MACs        []inventory.MAC       `json:"macs"`
	UUID        string                `json:"uuid,omitempty"`
	Image       inventory.Digest      `json:"image,omitempty"`
	Simulated   bool                  `json:"simulated,omitempty"`
	Observation inventory.Observation `json:"observation"`
}

// Welcome is the answer to a Hello.
type Welcome struct {
	Credential string     `json:"credential"`
	Assignment Assignment `json:"assignment"`
}

// Assignment is what the agent has to run. Next is the first sample number the
// server wants; above 1 this run was begun on an earlier boot.
type Assignment struct {
	Run       inventory.RunID  `json:"run"`
	Profile   Profile          `json:"profile"` // resolved
	Digest    inventory.Digest `json:"digest"`  // of Profile
	Next      uint64           `json:"next"`
	Heartbeat Span             `json:"heartbeat"`
}

// Batch is a piece of a run's samples, From to To without a gap.
type Batch struct {
	Run       inventory.RunID `json:"run"`
	From      uint64          `json:"from"`
	To        uint64          `json:"to"`
	Samples   []Sample        `json:"samples"`
	Simulated bool            `json:"simulated,omitempty"`
}

// Ack answers a batch: the next sample number the server wants. It comes with
// 200 when everything before it is stored, with 409 after a gap.
type Ack struct {
	Next   uint64 `json:"next"`
	Reason string `json:"reason,omitempty"`
}

// GapError: the batch does not begin where the record ends. Want is the number
// the sender must begin at. It is an inventory.ErrConflict.
type GapError struct{ From, Want uint64 }

// Error says both numbers.
func (e *GapError) Error() string {
	return fmt.Sprintf("batch begins at sample %d, wanted is %d: send it again from there", e.From, e.Want)
}

// Unwrap makes errors.Is(err, inventory.ErrConflict) true.
func (e *GapError) Unwrap() error { return inventory.ErrConflict }

// ErrRedeemed: the boot token was used before. Boot the node again.
var ErrRedeemed = errors.New("boot token was used before")

// Heartbeat is how often a silent agent says that it lives.
const Heartbeat = 15 * time.Second

// Check says why a batch is malformed: numbers, order, run.
func (b Batch) Check(run inventory.RunID) error {
	if b.Run != run {
		return fmt.Errorf("batch of run %s came for run %s: %w", b.Run, run, inventory.ErrInvalid)
	}
	if b.From == 0 || b.To < b.From || uint64(len(b.Samples)) != b.To-b.From+1 {
		return fmt.Errorf("batch %d to %d holds %d samples: %w", b.From, b.To, len(b.Samples), inventory.ErrInvalid)
	}
	for i, s := range b.Samples {
		if s.Seq != b.From+uint64(i) {
			return fmt.Errorf("sample %d stands at the place of %d: %w", s.Seq, b.From+uint64(i), inventory.ErrInvalid)
		}
		for _, v := range s.Values {
			if !finite(v.Value) {
				return fmt.Errorf("sample %d: %s is not finite: %w", s.Seq, v.Metric, inventory.ErrInvalid)
			}
		}
		if s.Start != nil && s.Start.Simulated != b.Simulated {
			return fmt.Errorf("sample %d and its batch disagree on simulated: %w", s.Seq, inventory.ErrInvalid)
		}
	}
	return nil
}

// After is the part of a batch that begins at next. It is empty when all of it
// was stored before; a gap is a *GapError.
func (b Batch) After(next uint64) (Batch, error) {
	switch {
	case b.From > next:
		return Batch{}, &GapError{From: b.From, Want: next}
	case b.To < next:
		return Batch{}, nil
	}
	out := b
	out.From, out.Samples = next, b.Samples[next-b.From:]
	return out, nil
}
