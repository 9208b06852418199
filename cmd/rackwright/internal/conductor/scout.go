package conductor

import (
	"context"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// Scout looks for BMCs that no node has (redfish.md §5.1) and files them as
// sightings, so that a person finds the tray whose address nobody wrote down. It
// never logs in, tries no password and binds nothing.
type Scout struct {
	Store    ScoutStore
	Networks []netip.Prefix // nothing outside is asked
	Every    time.Duration
	Scan     func(context.Context, []netip.Prefix, func(netip.AddrPort) bool) iter.Seq2[redfish.Root, error]
	Search   func(context.Context, *net.Interface) ([]redfish.Announced, error)
	Probe    func(context.Context, netip.AddrPort) (redfish.Root, error)
	Links    func() ([]net.Interface, error) // where to search
	Log      *slog.Logger
}

// ScoutStore is what a scout reads and writes.
type ScoutStore interface {
	Select(context.Context, inventory.Selector) iter.Seq2[inventory.Node, error]
	Sight(context.Context, inventory.Sighting) error
}

// NewScout asks real networks.
func NewScout(store ScoutStore, networks []netip.Prefix, every time.Duration, log *slog.Logger) *Scout {
	scan := func(ctx context.Context, in []netip.Prefix, skip func(netip.AddrPort) bool) iter.Seq2[redfish.Root, error] {
		return redfish.Discovery{Skip: skip}.Scan(ctx, in)
	}
	return &Scout{Store: store, Networks: networks, Every: every, Scan: scan, Search: redfish.Search, Probe: redfish.Probe, Links: net.Interfaces, Log: log}
}

// scanBits is the largest network that is asked address by address: 65,536 of
// them. In a larger one only BMCs that announce themselves are seen.
const scanBits = 16

// Run looks at once and then every time, until the context ends.
func (s *Scout) Run(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		n, err := s.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.Log.Error("looking for BMCs", "err", err)
		case n > 0:
			s.Log.Info("BMCs that no node has: rackwright get sightings", "bmcs", n, "took", time.Since(begun).Round(time.Millisecond))
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.Every):
		}
	}
}

// Look looks once and returns how many BMCs no node has.
func (s *Scout) Look(ctx context.Context) (int, error) {
	bound, known, err := s.bound(ctx)
	if err != nil {
		return 0, err
	}
	seen := map[netip.AddrPort]bool{}
	n := 0
	see := func(r redfish.Root, class string) error {
		if seen[r.Addr] || bound[r.Pin] {
			return nil
		}
		seen[r.Addr] = true
		n++
		return s.Store.Sight(ctx, r.Sighting(class))
	}
	small := slices.DeleteFunc(slices.Clone(s.Networks), func(p netip.Prefix) bool { return p.Addr().BitLen()-p.Bits() > scanBits })
	for r, err := range s.Scan(ctx, small, func(at netip.AddrPort) bool { return known[at] }) {
		if err == nil {
			err = see(r, "sweep")
		}
		if err != nil {
			return n, err
		}
	}
	return n, s.announced(ctx, func(at netip.AddrPort) error {
		if seen[at] || known[at] {
			return nil
		}
		r, err := s.Probe(ctx, at)
		if err != nil {
			s.Log.Debug("announced and not answering", "address", at, "err", err)
			return nil // an announcement is a hint
		}
		return see(r, "ssdp")
	})
}

// bound are the keys and addresses of the BMCs that nodes have. They are not
// even asked who they are: some are the customer's.
func (s *Scout) bound(ctx context.Context) (map[inventory.Digest]bool, map[netip.AddrPort]bool, error) {
	out, at := map[inventory.Digest]bool{}, map[netip.AddrPort]bool{}
	for n, err := range s.Store.Select(ctx, inventory.Selector{All: true}) {
		if err != nil {
			return nil, nil, err
		}
		if n.BMC.Pin == "" {
			continue
		}
		out[n.BMC.Pin] = true
		if a, err := resolve(ctx, n.BMC.URL); err == nil { // one that does not resolve is asked, and known by its key
			at[a] = true
		}
	}
	return out, at, nil
}

// announced hears what announces itself on the interfaces that lie in the
// networks of BMCs.
func (s *Scout) announced(ctx context.Context, hear func(netip.AddrPort) error) error {
	all, err := s.Links()
	if err != nil {
		return err
	}
	for _, ifi := range all {
		if ifi.Flags&net.FlagUp == 0 || ifi.Flags&net.FlagMulticast == 0 || !s.within(ifi) {
			continue
		}
		list, err := s.Search(ctx, &ifi)
		if err != nil {
			s.Log.Warn("searching for BMCs by SSDP", "interface", ifi.Name, "err", err)
			continue
		}
		for _, a := range list {
			at, err := resolve(ctx, a.Root.String())
			if err != nil || !s.ours(at.Addr()) {
				continue
			}
			if err := hear(at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scout) within(ifi net.Interface) bool {
	addrs, err := ifi.Addrs()
	return err == nil && slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && s.ours(p.Addr().Unmap())
	})
}

func (s *Scout) ours(a netip.Addr) bool {
	return slices.ContainsFunc(s.Networks, func(p netip.Prefix) bool { return p.Contains(a) })
}
