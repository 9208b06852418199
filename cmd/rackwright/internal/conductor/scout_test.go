package conductor

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// sighted is a record of two nodes, one of them bound, and of what is filed.
type sighted struct {
	pin  inventory.Digest
	list []inventory.Sighting
	err  error
}

func (s *sighted) Select(_ context.Context, sel inventory.Selector) iter.Seq2[inventory.Node, error] {
	return func(yield func(inventory.Node, error) bool) {
		_ = sel.All && yield(inventory.Node{ID: "unbound"}, nil) && yield(inventory.Node{ID: "bound", BMC: inventory.Endpoint{Pin: s.pin}}, s.err)
	}
}

func (s *sighted) Sight(_ context.Context, x inventory.Sighting) error {
	s.list = append(s.list, x)
	return nil
}

// scouted is a scout among simulated BMCs: all answer to the sweep but the last,
// which announces itself, as do the first and one that is elsewhere.
func scouted(t *testing.T, store *sighted) (*Scout, []netip.AddrPort) {
	t.Helper()
	fleet, err := bmcsim.New(bmcsim.Options{}, bmcsim.NewSpec(bmcsim.ProfileX86, "a"), bmcsim.NewSpec(bmcsim.ProfileX86, "b"), bmcsim.NewSpec(bmcsim.ProfileShelf, "c"))
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, b := range fleet.BMCs() {
			if c := b.Counters(); c.Logins > 0 || c.Requests > 1 {
				t.Errorf("a scout logged in, or asked more than once: %+v", c)
			}
		}
		if err := fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	var at []netip.AddrPort
	for _, e := range fleet.Directory() {
		u, err := url.Parse(e.URL)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, netip.MustParseAddrPort(u.Host))
	}
	s := NewScout(store, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}, time.Hour, slog.New(slog.DiscardHandler))
	s.Scan = func(ctx context.Context, in []netip.Prefix, skip func(netip.AddrPort) bool) iter.Seq2[redfish.Root, error] {
		return func(yield func(redfish.Root, error) bool) {
			if len(in) != 1 || in[0].Addr().Is6() {
				t.Errorf("sweeps %v", in)
			}
			for _, a := range at[:len(at)-1] {
				if skip(a) {
					continue
				}
				if r, err := redfish.Probe(ctx, a); !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
	s.Links = func() ([]net.Interface, error) {
		lo, err := net.InterfaceByName("lo")
		if err != nil {
			return nil, err
		}
		deaf := *lo
		lo.Flags |= net.FlagMulticast
		deaf.Flags &^= net.FlagMulticast
		return []net.Interface{deaf, *lo}, nil
	}
	s.Search = func(context.Context, *net.Interface) ([]redfish.Announced, error) {
		var out []redfish.Announced
		for _, host := range []string{at[0].String(), at[len(at)-1].String(), "192.0.2.9:443", ""} {
			out = append(out, redfish.Announced{Root: &url.URL{Scheme: "https", Host: host, Path: "/redfish/v1/"}})
		}
		return out, nil
	}
	return s, at
}

// TestScout: what no node has is filed once, by whichever way it was found; a
// bound BMC is not, nor what lies outside the networks.
func TestScout(t *testing.T) {
	var store sighted
	s, at := scouted(t, &store)
	n, err := s.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range store.list {
		got = append(got, x.Class)
		if !x.Simulated || x.Detail == "" {
			t.Errorf("%+v", x)
		}
	}
	if n != len(at) || !slices.Equal(got, []string{"sweep", "sweep", "ssdp"}) {
		t.Errorf("%d BMCs, %v", n, got)
	}
}

func TestScoutKnowsTheBound(t *testing.T) {
	var store sighted
	s, at := scouted(t, &store)
	s.Scan = func(ctx context.Context, _ []netip.Prefix, _ func(netip.AddrPort) bool) iter.Seq2[redfish.Root, error] {
		return func(yield func(redfish.Root, error) bool) { yield(redfish.Root{Addr: at[0], Pin: "sha256:bound"}, nil) }
	}
	s.Search = func(context.Context, *net.Interface) ([]redfish.Announced, error) { return nil, errors.New("no route") }
	store.pin = "sha256:bound"
	if n, err := s.Look(t.Context()); n != 0 || err != nil || len(store.list) != 0 {
		t.Errorf("%d %v %v", n, err, store.list)
	}
	store.err = errors.New("record is away")
	if _, err := s.Look(t.Context()); !errors.Is(err, store.err) {
		t.Errorf("a record that cannot be read gives %v", err)
	}
}

// TestScoutRhythm: at once, then every time, and an end.
func TestScoutRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		s := NewScout(&sighted{}, nil, time.Hour, slog.New(slog.DiscardHandler))
		s.Scan = func(context.Context, []netip.Prefix, func(netip.AddrPort) bool) iter.Seq2[redfish.Root, error] {
			looks++
			return func(func(redfish.Root, error) bool) {}
		}
		s.Links = func() ([]net.Interface, error) { return nil, nil }
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Minute)
		defer cancel()
		s.Run(ctx)
		if looks != 3 {
			t.Errorf("%d looks in two and a half hours", looks)
		}
	})
}
