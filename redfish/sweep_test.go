package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

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

// sweepFleet is a fleet of n servers and the endpoints that reach them.
func sweepFleet(t *testing.T, n int) (*bmcsim.Fleet, *Dialer, []inventory.Endpoint) {
	t.Helper()
	var specs []bmcsim.Spec
	for i := range n {
		specs = append(specs, bmcsim.NewSpec(bmcsim.ProfileX86, fmt.Sprintf("n%02d", i)))
	}
	fleet, err := bmcsim.New(bmcsim.Options{}, specs...)
	if err != nil {
		t.Fatal(err)
	}
	d := served(t, fleet)
	var eps []inventory.Endpoint
	for _, e := range fleet.Directory() {
		eps = append(eps, inventory.Endpoint{Node: inventory.NodeID(e.Name), URL: e.URL, Credential: e.Name})
	}
	return fleet, d, eps
}

type fleetKeys struct{ fleet *bmcsim.Fleet }

func (k fleetKeys) Credential(_ context.Context, name string) (string, inventory.Secret, error) {
	s := k.fleet.BMC(name).Spec()
	return s.User, inventory.NewSecret(s.Password), nil
}

// TestSweep: every endpoint gives one answer, an error of one does not end the
// sweep, and no BMC sees more than one request of it at a time.
func TestSweep(t *testing.T) {
	fleet, d, eps := sweepFleet(t, 6)
	eps = append(eps, inventory.Endpoint{Node: "gone", URL: "https://127.0.0.1:1", Credential: "n00"})
	s := &Sweeper{Dialer: d, Parallel: 3}
	got := map[inventory.NodeID]error{}
	for o, err := range s.Sweep(soon(t), eps) {
		if _, twice := got[o.Node]; twice {
			t.Errorf("%s twice", o.Node)
		}
		got[o.Node] = err
		if err == nil && (!o.Simulated || len(o.Components) == 0 || o.Raw == "") {
			t.Errorf("%s: %d components, simulated %t", o.Node, len(o.Components), o.Simulated)
		}
	}
	if len(got) != 7 || !errors.Is(got["gone"], ErrUnreachable) {
		t.Errorf("got %v", got)
	}
	for name, err := range got {
		if name != "gone" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if most := fleet.Snapshot().Max(func(c bmcsim.Counters) int { return c.InFlightMax }); most > 1 {
		t.Errorf("%d requests in flight at one BMC", most)
	}
}

// TestSweepBreaksOff: leaving the loop stops the readings that run.
func TestSweepBreaksOff(t *testing.T) {
	fleet, d, eps := sweepFleet(t, 4)
	if err := fleet.AddFaults(bmcsim.Fault{Path: "*/Systems*", Method: "GET", Delay: 20 * time.Millisecond, Count: -1}); err != nil {
		t.Fatal(err)
	}
	s := &Sweeper{Dialer: d, Parallel: 2}
	n := 0
	for range s.Sweep(soon(t), eps) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d answers before the break", n)
	}
	ctx, cancel := context.WithCancel(soon(t))
	cancel()
	var last error
	for _, err := range s.Sweep(ctx, eps) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled: %v", last)
	}
	for range s.Sweep(soon(t), nil) {
		t.Error("no endpoint gave an answer")
	}
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
