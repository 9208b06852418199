package pxe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/rackwright/rackwright/inventory"
)

// exchange is the work on one packet.
type exchange struct {
	s    *Service
	sock *dhcpSocket
	in   datagram
	p    *dhcpv4.DHCPv4
	r    Request
	f    Facts
	a    Answer
}

// answer reads facts, decides, commits what must be committed, sends and notes.
func (x *exchange) answer(ctx context.Context) error {
	s := x.s
	x.learn()
	var err error
	if x.f, err = s.facts(ctx, x.r.Hint); err != nil {
		return err // no answer from guesses
	}
	x.a = Decide(x.r, x.f, s.cfg.Policy)
	s.changed(x.r, x.f, x.a)
	switch x.p.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		err = x.discover(ctx)
	case dhcpv4.MessageTypeRequest:
		err = x.request(ctx)
	case dhcpv4.MessageTypeInform:
		err = x.inform()
	case dhcpv4.MessageTypeDecline:
		err = x.decline(ctx)
	case dhcpv4.MessageTypeRelease:
		err = x.release(ctx)
	}
	if x.f.Node == nil && x.r.Arrival.Subnet.IsValid() {
		err = errors.Join(err, s.sight(ctx, x.r, x.in.from, x.r.Vendor))
	}
	return err
}

func (x *exchange) authoritative() bool { return !x.r.Arrival.Proxy }

func (x *exchange) server() netip.Addr { return x.s.cfg.Endpoints.Server }

// requested is option 50.
func (x *exchange) requested() netip.Addr { return addr4(x.p.RequestedIPAddress()) }

// learn remembers which machine uses an address that another server gives.
// Where we give it only our own ACK counts: a REQUEST proves nothing, and the
// address is what a boot token is bound to.
func (x *exchange) learn() {
	if x.authoritative() || x.p.MessageType() != dhcpv4.MessageTypeRequest {
		return
	}
	for _, a := range []netip.Addr{addr4(x.p.ClientIPAddr), x.requested()} {
		if a.IsValid() {
			x.s.seen.uses(a, x.r.Hint)
			return
		}
	}
}

func (x *exchange) discover(ctx context.Context) error {
	x.note(StageDiscover, x.a.Branch, "")
	if x.a.Action == ActionIgnore {
		return nil
	}
	b, err := x.offerAddress(ctx)
	if err != nil {
		return err
	}
	if err := x.reply(b); err != nil {
		return err
	}
	x.note(StageOffer, x.a.Branch, addrText(b.Addr))
	return nil
}

func (x *exchange) request(ctx context.Context) error {
	server := addr4(x.p.ServerIdentifier())
	if x.authoritative() {
		return x.requestAddress(ctx, server)
	}
	if !x.sock.proxy { // for the server that gives addresses; it starts the boot all the same
		if x.a.Boots() {
			x.confirmed(BranchConfirmed)
		}
		return nil
	}
	if x.a.Action == ActionIgnore { // sent to our port 4011: option 54 names whoever gave the address
		return nil
	}
	if err := x.reply(inventory.Binding{}); err != nil {
		return err
	}
	if !x.s.recent(x.f.Lines, x.a.Branch) {
		x.note(StageAck, x.a.Branch, x.p.TransactionID.String())
	}
	return nil
}

// confirmed notes the start of a boot whose ACK is another server's.
func (x *exchange) confirmed(why Branch) {
	x.s.counts.add(why)
	x.note(StageAck, x.a.Branch, x.p.TransactionID.String())
}

// requestAddress is RFC 2131 §4.3.2 where the addresses are ours.
func (x *exchange) requestAddress(ctx context.Context, server netip.Addr) error {
	if server.IsValid() && server != x.server() {
		x.s.counts.add(BranchForeign)
		if !slices.Contains(x.s.cfg.Known, server) {
			x.note(StageRequest, BranchForeign, server.String())
			x.s.log.Warn("a machine takes its address from a server that is not of this site", "mac", x.r.MAC, "server", server, "relay", x.r.Relay, "circuit", fmt.Sprintf("%q", x.r.Circuit))
		}
		return nil
	}
	x.note(StageRequest, x.a.Branch, "")
	if x.a.Action == ActionIgnore {
		return nil
	}
	b, why, err := x.confirmAddress(ctx, server.IsValid())
	switch {
	case err != nil:
		return err
	case why != "":
		return x.nak(why)
	case !b.Addr.IsValid():
		return nil // RFC 2131 §4.3.2: no record of this client, stay silent
	}
	x.s.seen.uses(b.Addr, x.r.Hint) // before the ACK leaves: the machine's first GET may be faster than we are
	if err := x.reply(b); err != nil {
		return err
	}
	x.note(StageAck, x.a.Branch, x.p.TransactionID.String())
	return nil
}

func (x *exchange) inform() error {
	if !x.authoritative() || x.a.Action == ActionIgnore {
		return nil
	}
	x.s.counts.add(BranchInform)
	return x.reply(inventory.Binding{})
}

func (x *exchange) nak(why string) error {
	x.s.counts.add(BranchNAK)
	x.note(StageRequest, BranchNAK, why)
	out, err := NAK(x.p, x.server(), why)
	if err != nil {
		return err
	}
	return x.send(out.ToBytes(), x.target(out))
}

// reply builds and sends OFFER or ACK.
func (x *exchange) reply(b inventory.Binding) error {
	re := Reply{Request: x.r, Answer: x.a, Binding: b, Endpoints: x.s.endpoints(), Now: x.f.Now}
	re.Scope, _ = x.s.scopeWith(x.r.Arrival.Subnet.Addr())
	if x.f.Node != nil {
		re.HostName = hostName(x.f.Node.Address)
		if x.a.Boots() {
			re.Token = NodeToken(x.s.deps.Key, x.r.MAC, *x.f.Node)
		}
	}
	out, err := Offer(x.p, re)
	if err != nil {
		return err
	}
	return x.send(out.ToBytes(), x.target(out))
}

// note writes a ledger line about a known node.
func (x *exchange) note(stage string, b Branch, detail string) {
	if x.f.Node == nil {
		return
	}
	l := inventory.BootLine{Hint: x.r.Hint, Node: x.f.Node.ID, Stage: stage, Branch: string(b), Detail: detail, At: time.Now()}
	if x.a.Boots() {
		l.Token = x.f.Token
	}
	x.s.ledger.note(l)
}

// recent reports whether this boot was counted a moment ago: firmware that
// boots from the offer and asks on 4011 as well starts once.
func (s *Service) recent(lines []inventory.BootLine, b Branch) bool {
	const once = 30 * time.Second
	return slices.ContainsFunc(lines, func(l inventory.BootLine) bool {
		return l.Stage == StageAck && l.Branch == string(b) && time.Since(l.At) < once
	})
}

// changed logs the reason of a decision once per change, and counts every one.
func (s *Service) changed(r Request, f Facts, a Answer) {
	s.counts.add(a.Branch)
	if !s.seen.turned(r.MAC, r.Class, a.Branch) {
		return
	}
	node := ""
	if f.Node != nil {
		node = f.Node.Address
	}
	s.log.Info("boot decision", "mac", r.MAC, "node", node, "class", r.Class, "branch", a.Branch, "action", a.Action, "image", a.Image, "program", a.Program, "reason", a.Reason)
}

// sight writes an unknown machine down, at most once in a while.
func (s *Service) sight(ctx context.Context, r Request, from netip.AddrPort, detail string) error {
	if !s.seen.sight(string(r.MAC)+" "+string(r.Class), time.Now()) {
		return nil
	}
	addr := ""
	if a := from.Addr(); a.IsValid() && !a.IsUnspecified() && r.Relay == "" {
		addr = a.String()
	}
	if err := s.deps.Store.Sight(ctx, inventory.Sighting{Hint: r.Hint, Class: string(r.Class), Addr: addr, Detail: clean(detail), At: time.Now()}); err != nil {
		return fmt.Errorf("sighting of %s: %w", r.MAC, err)
	}
	return nil
}

// hostName makes a DNS label of an address such as A12/C07.
func hostName(address string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, strings.ToLower(address))
	if len(name) > 63 {
		name = name[:63]
	}
	return strings.Trim(name, "-")
}

// clean keeps outside bytes printable and short.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), 200)]
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
