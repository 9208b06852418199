package storetest

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func testBindings(t *testing.T, open Opener) {
	s := open()
	net := netip.MustParsePrefix("10.0.0.0/24")
	a := inventory.Binding{Hint: inventory.Hint{MAC: "02:00:00:00:00:01"}, Addr: netip.MustParseAddr("10.0.0.5"), Subnet: net, Until: time.Now().Add(time.Hour)}
	b := a
	b.MAC = "02:00:00:00:00:02"
	_, err := s.Reserve(t.Context(), a)
	ok(t, err)
	_, err = s.Reserve(t.Context(), b)
	want(t, err, inventory.ErrConflict)
	_, err = s.Confirm(t.Context(), a)
	ok(t, err)
	_, err = s.Confirm(t.Context(), b)
	want(t, err, inventory.ErrConflict)
	moved := a
	moved.Addr = netip.MustParseAddr("10.0.0.6")
	_, err = s.Confirm(t.Context(), moved)
	ok(t, err)
	_, err = s.Confirm(t.Context(), b) // .5 is free again: one client has one address
	ok(t, err)
	ok(t, s.Release(t.Context(), b.Hint))
	_, err = s.Confirm(t.Context(), inventory.Binding{Hint: inventory.Hint{MAC: "02:00:00:00:00:03"}, Addr: a.Addr, Subnet: net, State: inventory.BindingBound, Until: time.Now()})
	ok(t, err)
	_, err = s.Confirm(t.Context(), b)
	want(t, err, inventory.ErrConflict) // bound is never given away, however old
	ok(t, s.Quarantine(t.Context(), netip.MustParseAddr("10.0.0.9"), time.Hour))
	all, err := s.Bound(t.Context(), net)
	ok(t, err)
	if len(all) != 2 {
		t.Fatalf("bindings: %+v", all)
	}
}

func testBoots(t *testing.T, open Opener) {
	s := open()
	h := inventory.Hint{MAC: "02:00:00:00:00:01"}
	token := inventory.DigestOf([]byte("token"))
	ok(t, s.Redeem(t.Context(), token, h))
	want(t, s.Redeem(t.Context(), token, h), inventory.ErrConflict)
	again := inventory.DigestOf([]byte("token of a known boot"))
	h.Boot = "boot-1"
	ok(t, s.Redeem(t.Context(), again, h))
	ok(t, s.Redeem(t.Context(), again, h)) // its answer was lost
	h.Boot = "boot-2"
	want(t, s.Redeem(t.Context(), again, h), inventory.ErrConflict)
	h.Boot = ""
	want(t, s.Redeem(t.Context(), again, h), inventory.ErrConflict)
	ok(t, s.Note(t.Context(), inventory.BootLine{Hint: h, Stage: "discover", Branch: "boot"}))
	ok(t, s.Note(t.Context(), inventory.BootLine{Hint: h, Stage: "script", Branch: "boot"}))
	all, err := s.Lines(t.Context(), h, time.Time{})
	ok(t, err)
	if len(all) != 2 || all[0].Stage != "discover" {
		t.Fatalf("ledger: %+v", all)
	}
	for range 2 {
		ok(t, s.Sight(t.Context(), inventory.Sighting{Hint: h, Class: "uefi"}))
	}
	seen, err := s.Sightings(t.Context())
	ok(t, err)
	if len(seen) != 1 || seen[0].Count != 2 {
		t.Fatalf("sightings: %+v", seen)
	}
}

func testDocuments(t *testing.T, open Opener) {
	s := open()
	for _, body := range [][]byte{[]byte(`{"a":1}`), {0, 1, 2, 0xff}, []byte("base64:looks like a mark"), nil} {
		d, err := s.Put(t.Context(), inventory.DocLog, body)
		ok(t, err)
		got, err := s.Document(t.Context(), d)
		ok(t, err)
		if !bytes.Equal(got, body) {
			t.Fatalf("%q came back as %q", body, got)
		}
	}
	d, err := s.Put(t.Context(), inventory.DocBaseline, []byte("one"))
	ok(t, err)
	ref, err := s.SetRef(t.Context(), inventory.Ref{Kind: inventory.DocBaseline, Name: "hgx", Digest: d})
	ok(t, err)
	_, err = s.SetRef(t.Context(), inventory.Ref{Kind: inventory.DocBaseline, Name: "hgx", Digest: d})
	want(t, err, inventory.ErrConflict)
	ref2, err := s.SetRef(t.Context(), ref)
	ok(t, err)
	if got, err := s.Ref(t.Context(), inventory.DocBaseline, "hgx"); err != nil || got != ref2 {
		t.Fatalf("%+v %v, want %+v", got, err, ref2)
	}
	_, err = s.Ref(t.Context(), inventory.DocBaseline, "none")
	want(t, err, inventory.ErrNotFound)
}

func testPeople(t *testing.T, open Opener) {
	s := open()
	p := inventory.Person{ID: "ann", Name: "Ann", Grants: []inventory.Grant{{Role: inventory.RoleVendor, Racks: []inventory.RackID{"A12"}}}}
	ok(t, s.SavePerson(t.Context(), p))
	k := inventory.Token{Hash: inventory.DigestOf([]byte("t")), Prefix: "rw_12345", Person: "ann", Until: time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)}
	ok(t, s.SaveToken(t.Context(), k))
	got, err := s.Token(t.Context(), k.Hash)
	ok(t, err)
	if got.Person != "ann" || !got.Until.Equal(k.Until) {
		t.Fatalf("token: %+v", got)
	}
	_, err = s.Token(t.Context(), inventory.DigestOf([]byte("other")))
	want(t, err, inventory.ErrNotFound)
	want(t, s.SavePerson(t.Context(), inventory.Person{}), inventory.ErrInvalid)
}

func testVault(t *testing.T, open Opener) {
	s := open()
	ok(t, s.Seal(t.Context(), "bmc/c01", []byte{1, 2, 0}, 0))
	want(t, s.Seal(t.Context(), "bmc/c01", []byte{3}, 0), inventory.ErrConflict)
	ok(t, s.Seal(t.Context(), "bmc/c01", []byte{3, 0}, 1))
	site := inventory.SiteSubject("ams1")
	before, _, err := s.Head(t.Context(), site)
	ok(t, err)
	got, version, err := s.Sealed(t.Context(), "bmc/c01")
	ok(t, err)
	after, _, err := s.Head(t.Context(), site)
	ok(t, err)
	if !bytes.Equal(got, []byte{3, 0}) || version != 2 || after != before+1 {
		t.Fatalf("sealed %v version %d; the read made %d events", got, version, after-before)
	}
	ok(t, s.Save(t.Context(), "https://192.0.2.1", []byte("{}")))
	if state, err := s.Load(t.Context(), "https://192.0.2.1"); err != nil || string(state) != "{}" {
		t.Fatalf("memory: %q %v", state, err)
	}
	if state, err := s.Load(t.Context(), "https://192.0.2.2"); err != nil || state != nil {
		t.Fatalf("memory of a stranger: %q %v", state, err)
	}
}

func testReopen(t *testing.T, open Opener) {
	s := open()
	c01 := Rack(t, s)["C01"]
	Raise(t, s, c01, inventory.NodeInstalled)
	seq := head(t, s, "A12")
	ok(t, s.Close())
	ok(t, s.Close())
	s = open()
	n, err := s.Node(t.Context(), "A12/C01")
	ok(t, err)
	if n.Milestone != inventory.NodeInstalled || head(t, s, "A12") != seq {
		t.Fatalf("after reopening: %s, %d of %d events", n.Milestone, head(t, s, "A12"), seq)
	}
}

// testMovedMAC: a tray in another slot boots as the node of that slot, until it
// is moved back.
func testMovedMAC(t *testing.T, open Opener) {
	s := open()
	all := Rack(t, s)
	mac := all["C01"].MACs[0]
	seenAt := func(n inventory.Node) {
		t.Helper()
		o := Reading(t, s, n)
		nic := inventory.Component{Key: inventory.Key{Kind: inventory.KindNIC, Slot: "NIC0"}, State: inventory.StatePresent,
			IDs: []inventory.Identifier{{Kind: inventory.IDMAC, Raw: string(mac), Norm: string(mac), Source: inventory.SourceRedfish}}}
		o.Components = append(o.Components, nic)
		_, err := s.Observe(t.Context(), o)
		ok(t, err)
		got, err := s.Find(t.Context(), inventory.Hint{MAC: mac})
		ok(t, err)
		if got.ID != n.ID {
			t.Fatalf("%s was shown by %s and is found at %s", mac, n.Address, got.Address)
		}
	}
	seenAt(all["C02"])
	seenAt(all["C01"])
}
