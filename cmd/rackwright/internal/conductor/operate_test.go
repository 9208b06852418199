package conductor

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// TestWish: who names the operation is heard before an older bring-up, whose
// plan may be another one.
func TestWish(t *testing.T) {
	up, old, new := inventory.Request{Run: "up", Op: inventory.OpBringUp}, inventory.Request{Run: "old", Op: inventory.OpFirmware}, inventory.Request{Run: "new", Op: inventory.OpFirmware}
	other := inventory.Request{Run: "other", Op: inventory.OpBurnIn}
	for _, x := range []struct {
		name  string
		asked []inventory.Request
		want  inventory.RunID
	}{
		{"nobody asks", nil, ""},
		{"another operation", []inventory.Request{other}, ""},
		{"a bring-up leads to it", []inventory.Request{other, up}, "up"},
		{"its own beside an older bring-up", []inventory.Request{up, old}, "old"},
		{"the older of two", []inventory.Request{up, old, new}, "old"},
	} {
		got, ok := wish(Turn{Asked: x.asked}, inventory.OpFirmware)
		if got.Run != x.want || ok != (x.want != "") {
			t.Errorf("%s: %q %v, want %q", x.name, got.Run, ok, x.want)
		}
	}
}

// TestNetworks: outside the networks of BMCs nothing is dialled, whoever named
// the address.
func TestNetworks(t *testing.T) {
	some := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}
	for url, x := range map[string]struct {
		networks []netip.Prefix
		ok       bool
	}{
		"https://10.0.0.9":     {some, true},
		"https://[fd00::9]":    {some, true},
		"https://10.0.1.9":     {some, false},
		"https://10.0.1.9:443": {nil, true},
	} {
		a := &Access{Networks: x.networks}
		if _, err := a.address(t.Context(), url); errors.Is(err, ErrNoAddress) == x.ok {
			t.Errorf("%s in %v: %v", url, x.networks, err)
		}
	}
	a := &Access{Networks: some} // no Dialer: dialling would panic
	if _, err := a.dial(t.Context(), inventory.Endpoint{URL: "https://10.0.1.9"}, nil); !errors.Is(err, ErrNoAddress) {
		t.Errorf("dial: %v", err)
	}
}

// TestFollow: a BMC that DHCP has moved is found again, if it proves the key
// that is bound; nobody else is followed there.
func TestFollow(t *testing.T) {
	p, _ := newPond(t, t.TempDir())
	const mac = inventory.MAC("02:00:00:00:00:07")
	p.must(p.Sight(t.Context(), inventory.Sighting{Hint: inventory.Hint{MAC: mac}, Class: "bmc", Addr: "10.0.0.9"}))
	for _, x := range []struct {
		name   string
		mac    inventory.MAC
		pin    inventory.Digest
		there  inventory.Digest // the key at its new address; empty: nobody
		at     string
		unseen bool
	}{
		{"moved", mac, "sha256:a", "sha256:a", "https://10.0.0.9:443", false},
		{"somebody else is there", mac, "sha256:a", "sha256:b", "https://10.0.0.5", true},
		{"nobody is there", mac, "sha256:a", "", "https://10.0.0.5", true},
		{"never reached", mac, "", "sha256:a", "https://10.0.0.5", true},
		{"no MAC is known", "", "sha256:a", "sha256:a", "https://10.0.0.5", true},
	} {
		a := &Access{Store: p, ask: func(_ context.Context, at netip.AddrPort) (redfish.Root, error) {
			if at.Addr().String() != "10.0.0.9" || x.there == "" {
				return redfish.Root{}, redfish.ErrUnreachable
			}
			return redfish.Root{Addr: at, Pin: x.there}, nil
		}}
		n := p.node("C01")
		n.BMC = inventory.Endpoint{URL: "https://10.0.0.5", MAC: x.mac, Pin: x.pin}
		e, _, err := a.find(t.Context(), Turn{Node: n})
		if e.URL != x.at || errors.Is(err, redfish.ErrUnreachable) != x.unseen {
			t.Errorf("%s: %s, %v", x.name, e.URL, err)
		}
	}
}
