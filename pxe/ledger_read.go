package pxe

import (
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Stages of the boot ledger (netboot.md §10.1).
const (
	StageDiscover = "discover"
	StageOffer    = "offer"
	StageRequest  = "request"
	StageAck      = "ack"
	StageRRQ      = "rrq"
	StageTFTPDone = "tftp-done"
	StageHTTPHead = "http-head"
	StageHTTPGet  = "http-get"
	StageScript   = "script"
	StageKernel   = "kernel"
	StageAgent    = "agent"
)

// start is one boot as the ledger shows it.
type start struct {
	at       time.Time
	token    inventory.Digest
	asked    bool // iPXE has asked for its script's address
	scripted bool // the script was fetched
}

// boots finds the boots in a ledger. A boot starts with a confirmed program,
// or with a confirmed script where iPXE is the machine's own ROM. An ACK that
// was sent again for one transaction is one ACK; a redeemed token forgets what
// was before it.
func boots(lines []inventory.BootLine) []start {
	var out []start
	seen := map[string]bool{}
	for _, l := range lines {
		last := len(out) - 1
		switch {
		case l.Stage == StageAgent && Branch(l.Branch) == BranchRedeemed:
			out = nil
		case l.Stage == StageScript && Branch(l.Branch) == BranchServed:
			if last >= 0 {
				out[last].scripted, out[last].token = true, l.Token
			}
		case l.Stage != StageAck || seen[l.Branch+l.Detail]:
		case Branch(l.Branch) == BranchPXEProgram || Branch(l.Branch) == BranchHTTPProgram:
			seen[l.Branch+l.Detail] = true
			out = append(out, start{at: l.At, token: l.Token})
		case Branch(l.Branch) == BranchIPXEScript || Branch(l.Branch) == BranchRechain:
			seen[l.Branch+l.Detail] = true
			if last < 0 || out[last].asked {
				out = append(out, start{at: l.At, token: l.Token})
				last++
			}
			out[last].asked = Branch(l.Branch) == BranchIPXEScript
		}
	}
	return out
}
