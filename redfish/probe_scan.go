package redfish

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"

	"github.com/rackwright/rackwright/inventory"
)

// Limits of a subnet sweep (redfish.md §5.1). Others start a goroutine per host
// and die of file descriptors near 1,100 of them.
const (
	sweepRate    = 200 // new connections per second
	sweepOpen    = 256 // connections open at once
	sweepLargest = 1 << 16
)

// Discovery looks for BMCs in subnets that the configuration names. Its zero
// value has the limits of redfish.md §5.1.
type Discovery struct {
	Port uint16 // default 443
	Rate int    // new connections per second, default and at most 200
	Open int    // connections at once, default and at most 256
	// Skip names addresses that are not asked: a BMC that is known has no use for it.
	Skip func(netip.AddrPort) bool
}

// Scan asks every host address of the prefixes who it is (see [Probe]) and
// yields those that answer as a Redfish service. Addresses where nothing
// listens are silent. A prefix of more than 65,536 addresses is refused before
// anything is sent: it is a slip of the pen.
func (d Discovery) Scan(ctx context.Context, prefixes []netip.Prefix) iter.Seq2[Root, error] {
	return func(yield func(Root, error) bool) {
		for _, p := range prefixes {
			if !p.IsValid() || p.Addr().BitLen()-p.Bits() > 16 {
				yield(Root{}, fmt.Errorf("sweep %s: more than %d addresses; name smaller prefixes: %w", p, sweepLargest, inventory.ErrInvalid))
				return
			}
		}
		ctx, cancel := context.WithCancel(ctx)
		found := make(chan Root)
		go d.scan(ctx, prefixes, found)
		defer func() {
			for range found { // let the probes that run end
			}
		}()
		defer cancel()
		for r := range found {
			if !yield(r, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Root{}, err)
		}
	}
}

// scan sends the probes and closes found after the last one has ended.
func (d Discovery) scan(ctx context.Context, prefixes []netip.Prefix, found chan<- Root) {
	defer close(found)
	var running sync.WaitGroup
	defer running.Wait()
	open := make(chan struct{}, limit(d.Open, sweepOpen))
	pace := rate.NewLimiter(rate.Limit(limit(d.Rate, sweepRate)), 1)
	port := d.Port
	if port == 0 {
		port = 443
	}
	for addr := range hosts(prefixes) {
		if d.Skip != nil && d.Skip(netip.AddrPortFrom(addr, port)) {
			continue
		}
		if pace.Wait(ctx) != nil {
			return
		}
		select {
		case open <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			defer func() { <-open }()
			r, err := Probe(ctx, netip.AddrPortFrom(addr, port))
			if err != nil {
				return // nothing there, or no BMC: silence is the answer of most addresses
			}
			select {
			case found <- r:
			case <-ctx.Done():
			}
		})
	}
}

func limit(n, most int) int {
	if n <= 0 || n > most {
		return most
	}
	return n
}

// hosts walks the addresses of the prefixes, without the network and broadcast
// address of an IPv4 subnet; an address in two prefixes is asked once.
func hosts(prefixes []netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		seen := map[netip.Addr]bool{}
		for _, p := range prefixes {
			p = p.Masked()
			edges := p.Addr().Is4() && p.Bits() < 31
			for a := p.Addr(); p.Contains(a); a = a.Next() {
				last := !p.Contains(a.Next())
				if seen[a] || edges && (a == p.Addr() || last) {
					continue
				}
				seen[a] = true
				if !yield(a) {
					return
				}
			}
		}
	}
}

// Sighting is what discovery files of a service it found: no node, no login.
func (r Root) Sighting(class string) inventory.Sighting {
	return inventory.Sighting{Hint: inventory.Hint{UUID: r.UUID, Simulated: r.Simulated}, Class: class, Addr: r.Addr.Addr().String(), Pin: r.Pin,
		Detail: fmt.Sprintf("%s %s %s, key %s", r.Vendor, r.Product, r.Version, r.Pin)}
}
