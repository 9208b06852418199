package pxe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// declineQuarantine is netboot.md §7.2.
const declineQuarantine = 10 * time.Minute

// expiredGrace keeps an expired pool address away from others a little longer:
// its machine may be a moment late.
const expiredGrace = 2 * time.Minute

// offerFor is how long an offered address waits for its REQUEST.
const offerFor = time.Minute

// mostTries bounds the addresses tried for one OFFER.
const mostTries = 64

// pool is what the record says about one scope now.
type pool struct {
	scope Scope
	own   inventory.Binding // of the client; zero Addr for none
	taken map[netip.Addr]bool
}

func (x *exchange) pool(ctx context.Context) (pool, error) {
	p := pool{taken: map[netip.Addr]bool{}}
	p.scope, _ = x.s.scopeWith(x.r.Arrival.Subnet.Addr())
	rows, err := x.s.bindings.get(ctx, x.s.deps.Store, p.scope.Subnet)
	if err != nil {
		return p, err
	}
	for _, b := range rows {
		switch {
		case b.MAC == x.r.MAC && b.State != inventory.BindingQuarantined:
			p.own = b
		case b.State == inventory.BindingBound, b.State == inventory.BindingQuarantined && x.f.Now.Before(b.Until),
			b.State == inventory.BindingActive && x.f.Now.Before(b.Until.Add(expiredGrace)):
			p.taken[b.Addr] = true
		}
	}
	p.taken[x.server()] = true
	return p, nil
}

// binding is what a client would get; a node's address is its own for good.
func (x *exchange) binding(p pool, a netip.Addr) inventory.Binding {
	b := inventory.Binding{Hint: x.r.Hint, Addr: a, Subnet: p.scope.Subnet, Server: x.server(), State: inventory.BindingActive,
		Until: x.f.Now.Add(p.scope.lease(x.f.Node != nil))}
	if x.f.Node != nil {
		b.Node, b.State = x.f.Node.ID, inventory.BindingBound
	}
	if p.own.State == inventory.BindingBound && p.own.Addr == a {
		b.State = inventory.BindingBound
	}
	return b
}

// offerAddress reserves an address in memory: its own, what it was offered
// before, what it asks for, else the first free one in its own order.
func (x *exchange) offerAddress(ctx context.Context) (inventory.Binding, error) {
	if !x.authoritative() {
		return inventory.Binding{}, nil
	}
	p, err := x.pool(ctx)
	if err != nil {
		return inventory.Binding{}, err
	}
	tried := 0
	try := func(a netip.Addr) (inventory.Binding, bool, error) {
		tried++
		b := x.binding(p, a)
		short := b
		short.Until = x.f.Now.Add(offerFor)
		_, err := x.s.deps.Store.Reserve(ctx, short)
		if errors.Is(err, inventory.ErrConflict) {
			return b, false, nil
		}
		if err != nil {
			return b, false, fmt.Errorf("reserve %s: %w", a, err)
		}
		x.s.seen.offer(x.r.MAC, a)
		return b, true, nil
	}
	for _, a := range []netip.Addr{p.own.Addr, x.s.seen.offered(x.r.MAC), x.requested()} {
		if !x.mayHave(p, a) {
			continue
		}
		if b, ok, err := try(a); ok || err != nil {
			return b, err
		}
	}
	for a := range p.scope.candidates(string(x.r.MAC)) {
		if p.taken[a] {
			continue
		}
		if tried >= mostTries {
			break
		}
		if b, ok, err := try(a); ok || err != nil {
			return b, err
		}
	}
	x.s.counts.add(BranchPoolFull)
	x.note(StageOffer, BranchPoolFull, p.scope.Subnet.String())
	return inventory.Binding{}, errors.New(inventory.Sentence("boot.pool_full", []string{p.scope.Subnet.String(), string(x.r.MAC)}))
}

// mayHave: the client's own address, or a free one of the pool.
func (x *exchange) mayHave(p pool, a netip.Addr) bool {
	if !a.IsValid() || !p.scope.Subnet.Contains(a) || p.taken[a] {
		return false
	}
	return a == p.own.Addr || p.scope.inPool(a)
}

// confirmAddress commits the binding before the ACK leaves. A reason means
// NAK; neither reason nor address means silence.
func (x *exchange) confirmAddress(ctx context.Context, selecting bool) (inventory.Binding, string, error) {
	want := x.requested()
	if ciaddr := addr4(x.p.ClientIPAddr); ciaddr.IsValid() && !selecting {
		want = ciaddr // RENEWING and REBINDING carry no option 50
	}
	p, err := x.pool(ctx)
	switch {
	case err != nil:
		return inventory.Binding{}, "", err
	case !want.IsValid():
		return inventory.Binding{}, "no address requested", nil
	case !p.scope.Subnet.Contains(want):
		return inventory.Binding{}, "wrong network", nil
	case p.own.Addr.IsValid() && p.own.Addr != want && !selecting:
		return inventory.Binding{}, "another address is yours", nil
	case !p.own.Addr.IsValid() && !selecting && p.scope.inPool(want) && !p.taken[want]:
		// Nobody else's, and ours to give: a machine that lived longer than its row.
	case !x.mayHave(p, want):
		return inventory.Binding{}, "address is not free", nil
	}
	b, err := x.s.deps.Store.Confirm(ctx, x.binding(p, want))
	if errors.Is(err, inventory.ErrConflict) {
		x.s.bindings.forget(p.scope.Subnet) // another server was faster
		return inventory.Binding{}, "address is not free", nil
	}
	if err != nil {
		return inventory.Binding{}, "", fmt.Errorf("confirm %s: %w", want, err)
	}
	x.s.bindings.put(b)
	return b, "", nil
}

// decline is a client that found its address in use. A node's address stays
// its own: somebody must look who else has it.
func (x *exchange) decline(ctx context.Context) error {
	a := x.requested()
	if !x.authoritative() || addr4(x.p.ServerIdentifier()) != x.server() || !a.IsValid() {
		return nil
	}
	p, err := x.pool(ctx)
	if err != nil {
		return err
	}
	if a != p.own.Addr && a != x.s.seen.offered(x.r.MAC) {
		return nil // not the client's to decline
	}
	x.s.counts.add(BranchDeclined)
	x.note(StageRequest, BranchDeclined, a.String())
	x.s.log.Warn("address is in use by somebody else", "mac", x.r.MAC, "address", a, "relay", x.r.Relay, "circuit", fmt.Sprintf("%q", x.r.Circuit))
	if p.own.Addr == a && p.own.State == inventory.BindingBound {
		return x.s.deps.Store.Sight(ctx, inventory.Sighting{Hint: x.r.Hint, Class: inventory.SightDuplicate, Addr: a.String(), At: x.f.Now,
			Detail: "the machine found its own address in use: look who answers for it"})
	}
	x.s.seen.offer(x.r.MAC, netip.Addr{})
	defer x.s.bindings.forget(p.scope.Subnet)
	if err := x.s.deps.Store.Quarantine(ctx, a, declineQuarantine); err != nil {
		return fmt.Errorf("quarantine %s: %w", a, err)
	}
	return nil
}

func (x *exchange) release(ctx context.Context) error {
	if !x.authoritative() || addr4(x.p.ServerIdentifier()) != x.server() {
		return nil
	}
	p, err := x.pool(ctx)
	if err != nil {
		return err
	}
	if !p.own.Addr.IsValid() || p.own.Addr != addr4(x.p.ClientIPAddr) {
		return nil
	}
	x.s.counts.add(BranchReleased)
	x.note(StageRequest, BranchReleased, p.own.Addr.String())
	defer x.s.bindings.forget(p.scope.Subnet)
	if err := x.s.deps.Store.Release(ctx, x.r.Hint); err != nil {
		return fmt.Errorf("release %s: %w", p.own.Addr, err)
	}
	return nil
}
