package pxe

import (
	"strconv"

	"github.com/rackwright/rackwright/inventory"
)

// Decide says what a machine gets. It is pure, and DHCP, TFTP and HTTP all ask
// it or its [Gate], so that they can never disagree.
func Decide(r Request, f Facts, p Policy) Answer {
	authoritative := p.Mode == ModeAuthoritative
	switch {
	case p.Mode == ModeOff || p.Mode == "":
		return Answer{Action: ActionIgnore, Branch: BranchOff}
	case authoritative && !r.Arrival.Subnet.IsValid():
		return Answer{Action: ActionIgnore, Branch: BranchNoScope}
	case f.Node == nil && authoritative && p.Unknown == ActionAddress:
		return Answer{Action: ActionAddress, Branch: BranchUnknownAddress}
	case f.Node == nil:
		return Answer{Action: ActionIgnore, Branch: BranchUnknownSilent}
	}
	without := func(b Branch, reason string) Answer {
		if authoritative {
			return Answer{Action: ActionAddress, Branch: b, Reason: reason}
		}
		return Answer{Action: ActionIgnore, Branch: b, Reason: reason}
	}
	if f.Node.BMC.MAC != "" && f.Node.BMC.MAC == r.MAC {
		return without(BranchBMC, "")
	}
	if r.Class == ClassPlain {
		return without(BranchPlain, "")
	}
	if b, reason, open := Gate(f); !open {
		return without(b, reason)
	}
	if b, reason, looping := guard(r, f, p); looping {
		return without(b, reason)
	}
	return boot(r, f, p, without)
}

// boot chooses program or script for a machine whose gate is open.
func boot(r Request, f Facts, p Policy, without func(Branch, string) Answer) Answer {
	image := f.Node.Operation.Boot.Image
	if r.Class == ClassOurs || (r.Class == ClassIPXE && !r.NeedsBuild) {
		return Answer{Action: ActionScript, Branch: BranchIPXEScript, Image: image}
	}
	key := ProgramKey(r)
	if key == "" {
		return without(BranchNoArch, inventory.Sentence("boot.no_arch", []string{f.Node.Address, codes(r.ArchRaw)}))
	}
	program := p.Programs[key]
	if program == "" {
		return without(BranchNoProgram, inventory.Sentence("boot.no_program", []string{f.Node.Address, key}))
	}
	a := Answer{Action: ActionProgram, Image: image, Program: program, Branch: BranchPXEProgram}
	switch r.Class {
	case ClassHTTP:
		a.Branch, a.HTTP = BranchHTTPProgram, true
	case ClassIPXE:
		a.Branch = BranchRechain
	}
	return a
}

// Gate says whether the node may boot over the network now. Closed, it names
// the branch and a sentence. A nil node never boots.
func Gate(f Facts) (Branch, string, bool) {
	n := f.Node
	if n == nil {
		return BranchUnknownSilent, "", false
	}
	for _, h := range []inventory.HoldName{inventory.HoldSafetyLatch, inventory.HoldQuarantine, inventory.HoldLocationMismatch} {
		if n.Held(h) {
			return BranchHeld, inventory.Sentence("boot.held", []string{n.Address, string(h)}), false
		}
	}
	if n.Operation == nil || n.Operation.Boot == nil || n.Operation.Boot.Image == "" {
		return BranchLocalDisk, inventory.Sentence("boot.local_disk", []string{n.Address}), false
	}
	if until := n.Operation.Boot.Until; !f.Now.Before(until) {
		return BranchExpired, inventory.Sentence("boot.expired", []string{n.Address, until.UTC().Format("15:04:05Z")}), false
	}
	for _, l := range f.Lines {
		if f.Token == "" || l.Token != f.Token {
			continue
		}
		switch {
		case Branch(l.Branch) == BranchRevoked:
			return BranchRevoked, inventory.Sentence("boot.revoked", []string{n.Address, l.Detail}), false
		case l.Stage == StageAgent && Branch(l.Branch) == BranchRedeemed:
			return BranchRedeemed, inventory.Sentence("boot.redeemed", []string{n.Address}), false
		}
	}
	return "", "", true
}

// guard stops machines that boot again and again (netboot.md §6.2). It judges
// only the first packet program of a boot: an iPXE that was chained a moment
// ago belongs to a boot that was already allowed.
func guard(r Request, f Facts, p Policy) (Branch, string, bool) {
	starts := boots(f.Lines)
	if n := len(starts); n > 0 && r.Class != ClassPXE && r.Class != ClassHTTP && !starts[n-1].asked {
		return "", "", false
	}
	if p.Loops <= 0 {
		return "", "", false
	}
	without := 0
	var chain []start
	for _, s := range starts {
		switch {
		case !s.scripted:
			chain = append(chain, s)
		case s.token == f.Token:
			without++
			chain = nil
		default:
			chain = nil
		}
	}
	if without >= p.Loops {
		return BranchLoopGuard, inventory.Sentence("boot.loop", []string{f.Node.Address, strconv.Itoa(without)}), true
	}
	if n := len(chain); n >= p.Loops {
		last, first := chain[n-1].at, chain[n-p.Loops].at
		if last.Sub(first) <= p.ChainWindow && f.Now.Sub(last) < p.ChainQuiet {
			return BranchChainLoop, inventory.Sentence("boot.chain_loop", []string{f.Node.Address, strconv.Itoa(n)}), true
		}
	}
	return "", "", false
}

func codes(raw []uint16) string {
	text := ""
	for i, c := range raw {
		if i > 0 {
			text += ","
		}
		text += strconv.Itoa(int(c))
	}
	if text == "" {
		return "none"
	}
	return text
}
