package pxe

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"
)

// Scope is one subnet that machines boot in.
type Scope struct {
	Subnet netip.Prefix
	// First and Last are the pool, inclusive. Unused in proxy mode.
	First, Last netip.Addr
	Router      netip.Addr
	DNS, NTP    []netip.Addr
	Domain      string
	MTU         uint16
	Routes      []Route
	// Lease is how long an address is given; 0 means one hour. Machines that
	// nobody expects get five minutes at most.
	Lease time.Duration
	// Interface serves direct clients of this scope; empty: any interface whose address lies in Subnet.
	Interface string
}

// Route is one classless static route (RFC 3442).
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// unknownLease is the lease of a machine that nobody expects.
const unknownLease = 5 * time.Minute

// Check names every fault of a scope; IPv6 in an IPv4 field would make the
// packet library panic later.
func (s Scope) Check(mode Mode) error {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("scope %s: "+format, append([]any{s.Subnet}, args...)...))
	}
	if !s.Subnet.IsValid() || !s.Subnet.Addr().Is4() || s.Subnet.Masked() != s.Subnet {
		bad("want an IPv4 network such as 10.0.0.0/24, host bits zero")
	}
	if mode == ModeAuthoritative {
		switch {
		case !s.First.Is4() || !s.Last.Is4() || s.Last.Less(s.First):
			bad("pool %s to %s: want two IPv4 addresses, the first not after the last", s.First, s.Last)
		case !s.Subnet.Contains(s.First) || !s.Subnet.Contains(s.Last):
			bad("pool %s to %s lies outside the subnet", s.First, s.Last)
		}
	}
	if s.Router.IsValid() && !s.Router.Is4() {
		bad("router %s is no IPv4 address", s.Router)
	}
	for _, a := range append(append([]netip.Addr(nil), s.DNS...), s.NTP...) {
		if !a.Is4() {
			bad("dns or ntp server %s is no IPv4 address", a)
		}
	}
	for _, r := range s.Routes {
		if !r.To.IsValid() || !r.To.Addr().Is4() || !r.Via.Is4() {
			bad("route %s via %s is not IPv4", r.To, r.Via)
		}
	}
	if s.Lease != 0 && s.Lease < time.Minute {
		bad("lease of %s: at least one minute", s.Lease)
	}
	return errors.Join(faults...)
}

func (s Scope) lease(known bool) time.Duration {
	d := s.Lease
	if d == 0 {
		d = time.Hour
	}
	if !known {
		d = min(d, unknownLease)
	}
	return d
}

// size is the number of pool addresses.
func (s Scope) size() uint32 {
	if !s.First.Is4() || !s.Last.Is4() || s.Last.Less(s.First) {
		return 0
	}
	return number(s.Last) - number(s.First) + 1
}

// inPool reports whether an address is one of those that may be given away.
func (s Scope) inPool(a netip.Addr) bool {
	return s.size() > 0 && a.Is4() && !a.Less(s.First) && !s.Last.Less(a) && a != s.Router && a != s.Subnet.Addr() && a != broadcast(s.Subnet)
}

// candidates yields pool addresses in the client's own order: it starts at a
// hash of the client, so that two servers offer the same address.
func (s Scope) candidates(client string) func(yield func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		n := s.size()
		if n == 0 {
			return
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(client)) // a hash never fails to write
		first, at := number(s.First), h.Sum32()%n
		for i := range n {
			a := address(first + (at+i)%n)
			if s.inPool(a) && !yield(a) {
				return
			}
		}
	}
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func address(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func broadcast(p netip.Prefix) netip.Addr {
	return address(number(p.Masked().Addr()) | ^uint32(0)>>p.Bits())
}
