package auth

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// TestMatrix is interface.md §5, cell by cell: columns viewer technician
// facilities vendor automation acceptor admin; x is allowed on its own racks.
func TestMatrix(t *testing.T) {
	table := map[Action]string{
		Read: "xxxxxxx", Scan: ".x.x..x", Import: ".x.xx.x", Operate: ".x.xx.x", Change: ".x.xx.x", ApproveVendor: ".x....x",
		SignPowerReady: "..x....", SignChecklist: ".xx...x", LiftSafety: "..x....", EmergencyOff: ".xxxx.x", Reveal: ".x....x",
		AskWaiver: ".xxx..x", ApproveWaiver: "......x", SignDeliverer: ".x.x...", SignAcceptor: ".....x.", SetHold: ".xxxx.x",
		BreakLock: ".x....x", Administer: "......x",
	}
	if len(table) != len(Actions()) {
		t.Fatalf("%d rows for %d actions", len(table), len(Actions()))
	}
	on := Target{Site: "s", Rack: "r1", Name: "A12"}
	for _, a := range Actions() {
		for i, role := range Roles() {
			grant := inventory.Grant{Role: role, Site: "s", Racks: []inventory.RackID{"A12"}, Until: noon.Add(time.Hour)}
			err := Can([]inventory.Grant{grant}, a, on, noon)
			if want := table[a][i] == 'x'; (err == nil) != want {
				t.Errorf("%s as %s: %v, want allowed %v", a, role, err, want)
			}
			if err != nil && !errors.Is(err, inventory.ErrDenied) {
				t.Errorf("%s as %s: %v is not ErrDenied", a, role, err)
			}
		}
	}
}

func TestReach(t *testing.T) {
	own := Target{Site: "s", Rack: "r1", Name: "A12"}
	other := Target{Site: "s", Rack: "r2", Name: "A13"}
	cases := map[string]struct {
		grant inventory.Grant
		on    Target
		ok    bool
	}{
		"vendor on a listed rack":     {inventory.Grant{Role: inventory.RoleVendor, Racks: []inventory.RackID{"r1"}}, own, true},
		"vendor by name":              {inventory.Grant{Role: inventory.RoleVendor, Racks: []inventory.RackID{"A12"}}, own, true},
		"vendor on a foreign rack":    {inventory.Grant{Role: inventory.RoleVendor, Racks: []inventory.RackID{"r1"}}, other, false},
		"vendor without a list":       {inventory.Grant{Role: inventory.RoleVendor}, own, false},
		"vendor on the site":          {inventory.Grant{Role: inventory.RoleVendor, Racks: []inventory.RackID{"r1"}}, Target{Site: "s"}, false},
		"acceptor without a list":     {inventory.Grant{Role: inventory.RoleAcceptor}, own, false},
		"technician of the site":      {inventory.Grant{Role: inventory.RoleTechnician, Site: "s"}, other, true},
		"technician of another site":  {inventory.Grant{Role: inventory.RoleTechnician, Site: "x"}, own, false},
		"expired at this very moment": {inventory.Grant{Role: inventory.RoleTechnician, Until: noon}, own, false},
		"expires in a millisecond":    {inventory.Grant{Role: inventory.RoleTechnician, Until: noon.Add(time.Millisecond)}, own, true},
	}
	for name, c := range cases {
		if got := Covers(c.grant, c.on, noon); got != c.ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTokenNeverExceedsItsPerson(t *testing.T) {
	tech := inventory.Person{ID: "p", Grants: []inventory.Grant{{Role: inventory.RoleTechnician, Site: "s", Until: noon.Add(48 * time.Hour)}}}
	until := noon.Add(24 * time.Hour)
	good := []inventory.Grant{{Role: inventory.RoleTechnician, Site: "s", Racks: []inventory.RackID{"r1"}, Until: until}}
	secret, tok, err := NewToken(tech, good, until, "phone", noon)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(secret.String(), tok.Prefix) || tok.Hash != HashToken(secret.Reveal()) || !strings.HasPrefix(secret.Reveal(), tok.Prefix) {
		t.Fatalf("token %+v", tok)
	}
	bad := map[string][]inventory.Grant{
		"other role": {{Role: inventory.RoleAdmin, Site: "s", Until: until}},
		"every site": {{Role: inventory.RoleTechnician, Until: until}},
		"later end":  {{Role: inventory.RoleTechnician, Site: "s", Until: noon.Add(72 * time.Hour)}},
		"no end":     {{Role: inventory.RoleTechnician, Site: "s"}},
		"no grant":   {},
	}
	for name, g := range bad {
		if _, _, err := NewToken(tech, g, until, "", noon); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, u := range map[string]time.Time{"past": noon, "too long": noon.Add(2 * MaxTokenLife)} {
		if _, _, err := NewToken(tech, good, u, "", noon); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if g, err := Effective(tok, tech, noon); err != nil || len(g) != 1 {
		t.Fatalf("effective %v %v", g, err)
	}
	if g, err := Effective(tok, inventory.Person{ID: "p"}, noon); err != nil || len(g) != 0 {
		t.Errorf("a grant taken from the person lives on in the token: %v %v", g, err)
	}
	if _, err := Effective(tok, inventory.Person{ID: "p", Disabled: true}, noon); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("disabled person: %v", err)
	}
	if _, err := Effective(tok, tech, until); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("expired token: %v", err)
	}
}

func TestBearer(t *testing.T) {
	for h, ok := range map[string]bool{"Bearer rw_x": true, "bearer rw_x": true, "Basic rw_x": false, "Bearer x": false, "": false, "rw_x": false} {
		if _, got := Bearer(h); got != ok {
			t.Errorf("%q: %v", h, got)
		}
	}
}

func TestTwoPersons(t *testing.T) {
	if err := Different("a", "b", "x"); err != nil {
		t.Error(err)
	}
	for _, pair := range [][2]inventory.PersonID{{"a", "a"}, {"", "b"}, {"a", ""}} {
		if err := Different(pair[0], pair[1], "x"); !errors.Is(err, inventory.ErrDenied) {
			t.Errorf("%v: %v", pair, err)
		}
	}
}

func TestKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first, err := OpenKeys(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.Seal(inventory.NewSecret("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "hunter2") {
		t.Fatal("the secret stands in its sealed form")
	}
	again, err := OpenKeys(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := again.Unseal(sealed)
	if err != nil || plain.Reveal() != "hunter2" {
		t.Fatalf("unseal: %v", err)
	}
	if !again.Simulated || !slices.Equal(again.Public(), first.Public()) {
		t.Fatal("a simulated key became a real one by opening it again")
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		info, err := n.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v %v", n.Name(), info.Mode(), err)
		}
		path := filepath.Join(dir, n.Name())
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeys(dir, true); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%s readable by others: %v", n.Name(), err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeys(dir, true); err == nil {
			t.Errorf("broken %s accepted", n.Name())
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil { // the second key cannot be reached behind a broken first one
			t.Fatal(err)
		}
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := again.Unseal(sealed); err == nil {
		t.Error("a changed ciphertext was accepted")
	}
}
