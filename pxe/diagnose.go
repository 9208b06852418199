package pxe

import (
	"strconv"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Watched is one boot that should be under way. PowerOn is when Redfish said
// on; zero when nobody knows. Lines are the machine's, oldest first.
type Watched struct {
	Node    inventory.Node
	PowerOn time.Time
	Lines   []inventory.BootLine
	Now     time.Time
}

// How long a stage may be silent before it counts as stalled. Server firmware
// takes minutes from power-on to its first packet, kernels to their agent.
const (
	patienceSilent = 10 * time.Minute
	patienceStage  = 90 * time.Second
	patienceKernel = 5 * time.Minute
)

// seenOf is what the ledger shows of one boot.
type seenOf struct {
	last                                  time.Time
	offers, acks                          int
	foreign, file, failed                 string
	asked, probe, program, script, kernel bool
	stuck                                 bool
	agent                                 bool
	bytes                                 int64
}

// Diagnose reads where a boot stopped (netboot.md §10.2) and says what a person
// does about it; empty while nothing is wrong yet. It is pure.
func Diagnose(w Watched) string {
	s := look(w)
	silent := w.Now.Sub(s.last)
	say := func(id string, args ...string) string {
		return inventory.Sentence("boot."+id, append([]string{w.Node.Address}, args...))
	}
	switch {
	case s.agent:
		return ""
	case s.last.IsZero():
		if w.PowerOn.IsZero() || w.Now.Sub(w.PowerOn) < patienceSilent {
			return ""
		}
		return say("silent", w.Now.Sub(w.PowerOn).Round(time.Second).String())
	case s.failed != "":
		return say("failed", s.failed)
	case s.foreign != "" && s.acks == 0:
		return say("foreign", s.foreign)
	case silent < patienceStage || s.kernel && silent < patienceKernel:
		return ""
	case s.stuck:
		return say("stuck", s.file, strconv.FormatInt(s.bytes, 10))
	case s.kernel || s.script:
		return say("no_agent")
	case s.program:
		return say("no_script")
	case s.probe:
		return say("probe_only")
	case s.asked || s.acks > 0:
		return say("no_program_fetch")
	case s.offers > 0:
		return say("no_request", strconv.Itoa(s.offers))
	}
	return ""
}

// look folds the lines of the newest boot. Machines that were told to start
// from disk are not stalled: their lines do not count.
func look(w Watched) seenOf {
	var s seenOf
	for _, l := range w.Lines {
		if l.At.Before(w.PowerOn) {
			continue
		}
		b := Branch(l.Branch)
		switch l.Stage {
		case StageOffer:
			if b.boots() {
				s.offers++
			}
		case StageRequest:
			if b == BranchForeign {
				s.foreign = l.Detail
			}
		case StageAck:
			if b.boots() {
				s.acks++
			}
		case StageRRQ:
			s.asked, s.file = true, l.Detail
		case StageTFTPDone:
			s.transferred(l, b == BranchProbe)
		case StageHTTPGet, StageKernel:
			s.fetched(l, b)
		case StageScript:
			s.script = s.script || b == BranchServed
		case StageAgent:
			s.agent = true
		}
		if l.At.After(s.last) && (b.boots() || l.Stage != StageDiscover && l.Stage != StageRequest || b == BranchForeign) {
			s.last = l.At
		}
	}
	return s
}

func (s *seenOf) transferred(l inventory.BootLine, probe bool) {
	switch b := Branch(l.Branch); {
	case probe:
		s.probe = true
	case b == BranchServed:
		s.program, s.stuck = true, false
	case b == BranchTimeout || b == BranchAbort:
		s.stuck, s.file, s.bytes = true, l.Detail, l.Bytes
	}
}

func (s *seenOf) fetched(l inventory.BootLine, b Branch) {
	switch {
	case b == BranchFailed:
		s.failed = l.Detail
	case b == BranchAbort:
		s.stuck, s.file, s.bytes = true, l.Detail, l.Bytes
	case b == BranchServed && l.Stage == StageKernel:
		s.kernel, s.stuck = true, false
	case b == BranchServed:
		s.program = true
	}
}

// boots reports whether a branch gave boot options.
func (b Branch) boots() bool {
	switch b {
	case BranchHTTPProgram, BranchPXEProgram, BranchRechain, BranchIPXEScript:
		return true
	}
	return false
}
