package conductor

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/rackwright/rackwright/inventory"
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
