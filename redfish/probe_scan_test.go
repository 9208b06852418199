package redfish

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// served starts a fleet and gives the dialer that knows its passwords.
func served(t *testing.T, fleet *bmcsim.Fleet) *Dialer {
	t.Helper()
	if err := fleet.Start(); err != nil {
		t.Fatal(err)
	}
	d := &Dialer{Credentials: fleetKeys{fleet}, Memory: &notes{}}
	t.Cleanup(func() {
		if err := d.Logout(context.Background()); err != nil {
			t.Logf("logout: %v", err)
		}
		if err := fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

type fleetKeys struct{ fleet *bmcsim.Fleet }

func (k fleetKeys) Credential(_ context.Context, name string) (string, inventory.Secret, error) {
	s := k.fleet.BMC(name).Spec()
	return s.User, inventory.NewSecret(s.Password), nil
}

// TestScan finds the one service in a subnet and asks nobody else anything.
func TestScan(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, nil)
	at := addrPort(t, r.sim.URL())
	prefix := netip.PrefixFrom(at.Addr(), 29)
	var found []Root
	for root, err := range (Discovery{Port: at.Port()}).Scan(soon(t), []netip.Prefix{prefix, prefix}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, root)
	}
	if len(found) != 1 || found[0].Addr != at {
		t.Errorf("found %+v, want %s", found, at)
	}
	if c := r.sim.Counters(); c.Requests != 1 {
		t.Errorf("%d requests for two mentions of one subnet", c.Requests)
	}
	for root, err := range (Discovery{Port: at.Port(), Skip: func(a netip.AddrPort) bool { return a == at }}).Scan(soon(t), []netip.Prefix{prefix}) {
		t.Errorf("skipped, and it found %+v %v", root, err)
	}
	if c := r.sim.Counters(); c.Requests != 1 {
		t.Errorf("%d requests after one that was to be skipped", c.Requests)
	}
	for _, err := range (Discovery{}).Scan(soon(t), []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}) {
		if !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("a /8: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(soon(t))
	cancel()
	for _, err := range (Discovery{}).Scan(ctx, []netip.Prefix{netip.MustParsePrefix("127.9.9.0/24")}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestHosts(t *testing.T) {
	tests := map[string]struct{ n, want int }{"10.0.0.0/24": {256, 254}, "10.0.0.0/31": {2, 2}, "10.0.0.7/32": {1, 1}, "10.0.0.5/29": {8, 6}, "fd00::/124": {16, 16}}
	for p, c := range tests {
		if got := len(slices.Collect(hosts([]netip.Prefix{netip.MustParsePrefix(p)}))); got != c.want {
			t.Errorf("%s: %d hosts, want %d", p, got, c.want)
		}
	}
}

// TestLimits: defaults and ceilings of redfish.md §5.1.
func TestLimits(t *testing.T) {
	for _, c := range []struct{ n, want int }{{0, sweepRate}, {-1, sweepRate}, {50, 50}, {5000, sweepRate}} {
		if got := limit(c.n, sweepRate); got != c.want {
			t.Errorf("limit(%d) is %d, want %d", c.n, got, c.want)
		}
	}
	if sweepRate != 200 || sweepOpen != 256 {
		t.Errorf("rate %d, open %d", sweepRate, sweepOpen)
	}
}
