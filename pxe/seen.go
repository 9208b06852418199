package pxe

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rackwright/rackwright/inventory"
)

// seen is what this process remembers of the last minutes. Losing it costs a
// repeated sighting, never a decision.
type seen struct {
	mu        sync.Mutex
	limits    map[inventory.MAC]*rate.Limiter
	sights    map[string]time.Time
	offers    map[inventory.MAC]netip.Addr
	froms     map[inventory.Digest]netip.Addr
	users     map[netip.Addr]inventory.Hint
	last      map[turn]Branch
	sightings *rate.Limiter // of all machines together: each is a write
}

// turn is a machine in one of its programs.
type turn struct {
	mac   inventory.MAC
	class Class
}

// maxSeen bounds each map against a flood of invented addresses.
const maxSeen = 8192

// sightEvery is how often one unknown machine is written down.
const sightEvery = 30 * time.Second

func newSeen() *seen {
	return &seen{limits: map[inventory.MAC]*rate.Limiter{}, sights: map[string]time.Time{}, offers: map[inventory.MAC]netip.Addr{},
		froms: map[inventory.Digest]netip.Addr{}, users: map[netip.Addr]inventory.Hint{}, last: map[turn]Branch{},
		sightings: rate.NewLimiter(20, 200)}
}

// allow limits packets of one machine: ten a second, twenty at once.
func (s *seen) allow(mac inventory.MAC) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.limits[mac]
	if !ok {
		bound(s.limits)
		l = rate.NewLimiter(10, 20)
		s.limits[mac] = l
	}
	return l.Allow()
}

// sight reports whether this sighting is due to be written.
func (s *seen) sight(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.sights[key]) < sightEvery || !s.sightings.AllowN(now, 1) {
		return false
	}
	bound(s.sights)
	s.sights[key] = now
	return true
}

func (s *seen) offer(mac inventory.MAC, a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bound(s.offers)
	s.offers[mac] = a
}

func (s *seen) offered(mac inventory.MAC) netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offers[mac]
}

// from returns the first address that used a token, which is a when none did.
func (s *seen) from(token inventory.Digest, a netip.Addr) netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.froms[token]; ok {
		return first
	}
	bound(s.froms)
	s.froms[token] = a
	return a
}

// uses remembers which machine has an address.
func (s *seen) uses(a netip.Addr, h inventory.Hint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bound(s.users)
	s.users[a] = h
}

// user returns the machine that was last seen with an address.
func (s *seen) user(a netip.Addr) (inventory.Hint, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.users[a]
	return h, ok
}

// turned reports whether a machine's branch is another one than last time.
func (s *seen) turned(mac inventory.MAC, c Class, b Branch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := turn{mac, c}
	if s.last[k] == b {
		return false
	}
	bound(s.last)
	s.last[k] = b
	return true
}

// links caches what the system says about interfaces.
type links struct {
	mu sync.Mutex
	by map[int]link
}

func (l *links) get(index int) link {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if have, ok := l.by[index]; ok && now.Before(have.until) {
		return have
	}
	if l.by == nil {
		l.by = map[int]link{}
	}
	l.by[index] = readLink(index, now)
	return l.by[index]
}

func bound[K comparable, V any](m map[K]V) {
	if len(m) >= maxSeen {
		clear(m)
	}
}
