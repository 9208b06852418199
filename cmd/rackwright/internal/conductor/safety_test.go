package conductor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
	"github.com/rackwright/rackwright/redfish"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// pond is a rack of two trays and a shelf in a real record, in which a machine
// judges leaks, and the watch of server "one" over it. Away makes the record
// unreachable.
type pond struct {
	*sqlstore.Store
	t     *testing.T
	slots map[inventory.NodeID]string
	mu    sync.Mutex
	away  error
	hangs bool // the record answers nothing
	log   bytes.Buffer
}

func newPond(t *testing.T, dir string) (*pond, *Safety) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: filepath.Join(dir, "record.db"), Site: "ams1"})
	if err != nil {
		t.Fatal(err)
	}
	p := &pond{Store: s, t: t, slots: map[inventory.NodeID]string{}}
	t.Cleanup(func() { p.must(s.Close()) })
	kind := storetest.Type(2)
	kind.Slots = append(kind.Slots, inventory.Slot{Path: "P01", Kind: inventory.KindPowerShelf, U: 9, Height: 1, Required: true})
	for i, g := range kind.Gates {
		if g.Gate == lifecycle.GateLeak {
			kind.Gates = append(kind.Gates[:i:i], kind.Gates[i+1:]...)
			break
		}
	}
	raw, err := json.Marshal(kind)
	p.must(err)
	m := storetest.Manifest(t, s, "A12", "doc")
	m.Racks[0].Type.Digest, err = s.Put(t.Context(), inventory.DocRackType, raw)
	p.must(err)
	m.Nodes = append(m.Nodes, inventory.Node{ID: "A12/P01", Rack: "A12", Kind: inventory.KindPowerShelf, Address: "A12/P01", Slot: "P01", Serial: "SHELF1"})
	p.must(s.Expect(t.Context(), m, "ann"))
	p.must(s.SavePerson(t.Context(), inventory.Person{ID: "fay", Grants: []inventory.Grant{{Role: inventory.RoleFacilities}}}))
	for _, slot := range []string{"C01", "C02", "P01"} {
		p.bind(slot, "https://"+strings.ToLower(slot)+".example")
		p.slots[p.node(slot).ID] = slot
	}
	if _, err := s.Claim(t.Context(), "one", 1); err != nil { // it serves the rack now
		t.Fatal(err)
	}
	return p, NewSafety(p, nil, "one", 30*time.Second, slog.New(slog.NewTextHandler(p, nil)))
}

func (p *pond) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *pond) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pond) bind(slot, url string) {
	p.t.Helper()
	pin := inventory.DigestOf([]byte(slot))
	p.must(p.Store.Bind(p.t.Context(), inventory.NodeID("A12/"+slot), inventory.Endpoint{URL: url, Pin: pin, Credential: credentialOf(pin)}))
}

func (p *pond) node(slot string) inventory.Node {
	p.t.Helper()
	n, err := p.Store.Node(p.t.Context(), inventory.NodeID("A12/"+slot))
	p.must(err)
	return n
}

// latch is the reason why a node, or the rack, is latched.
func (p *pond) latch(slot string) string {
	p.t.Helper()
	r, err := p.Store.Rack(p.t.Context(), "A12")
	p.must(err)
	held := r.Holds
	if slot != "" {
		held = p.node(slot).Holds
	}
	for _, h := range held {
		if h.Name == inventory.HoldSafetyLatch {
			return h.Reason
		}
	}
	return ""
}

// leaks are the machine's results of the leak gate, oldest first.
func (p *pond) leaks(slot string) string {
	p.t.Helper()
	rows, err := p.Store.Evidence(p.t.Context(), inventory.NodeSubject(p.node(slot).ID))
	p.must(err)
	var out []string
	for _, e := range rows {
		if e.Gate == lifecycle.GateLeak && e.Producer == inventory.ByMachine {
			out = append(out, string(e.Result))
		}
	}
	return strings.Join(out, " ")
}

func (p *pond) lift(slot string) error {
	return p.Store.Lift(p.t.Context(), inventory.NodeSubject(p.node(slot).ID), inventory.HoldSafetyLatch, "fay", "it is dry")
}

// shut is the first gate that keeps a node from its next milestone.
func (p *pond) shut(slot string) inventory.Gate {
	p.t.Helper()
	f, err := facts.Node(p.t.Context(), p.Store, p.node(slot).ID, time.Now())
	p.must(err)
	next, _ := lifecycle.After(f.Node.Milestone)
	if list := lifecycle.Gate(next, f); len(list) > 0 {
		return list[0].Gate
	}
	return ""
}

func (p *pond) Shards(ctx context.Context, h inventory.Holder) ([]inventory.RackID, error) {
	if p.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := p.lost(); err != nil {
		return nil, err
	}
	return p.Store.Shards(ctx, h)
}

func (p *pond) Select(ctx context.Context, sel inventory.Selector) iter.Seq2[inventory.Node, error] {
	if err := p.lost(); err != nil {
		return func(yield func(inventory.Node, error) bool) { yield(inventory.Node{}, err) }
	}
	return p.Store.Select(ctx, sel)
}

func (p *pond) Node(ctx context.Context, id inventory.NodeID) (inventory.Node, error) {
	if p.hangs {
		<-ctx.Done()
		return inventory.Node{}, ctx.Err()
	}
	if err := p.lost(); err != nil {
		return inventory.Node{}, err
	}
	return p.Store.Node(ctx, id)
}

func (p *pond) Hold(ctx context.Context, on inventory.Subject, h inventory.Hold) error {
	if err := p.lost(); err != nil {
		return err
	}
	return p.Store.Hold(ctx, on, h)
}

// lose takes the record away with an error, or brings it back; looks may be under way.
func (p *pond) lose(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = err
}

func (p *pond) lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.away
}

// lookNow looks at every BMC once and waits for all.
func lookNow(t *testing.T, s *Safety) {
	t.Helper()
	s.begin(t.Context(), 0)
	s.looks.Wait()
}

type fleetSecrets struct{ *bmcsim.Fleet }

func (f fleetSecrets) Credential(_ context.Context, name string) (string, inventory.Secret, error) {
	s := f.BMC(name).Spec()
	return s.User, inventory.NewSecret(s.Password), nil
}

// wetRack is a pond whose BMCs are simulators on real sockets; C01 is burned in.
func wetRack(t *testing.T) (*Safety, *pond, *bmcsim.Fleet) {
	t.Helper()
	c01, c02 := bmcsim.NewSpec(bmcsim.ProfileGB200, "C01"), bmcsim.NewSpec(bmcsim.ProfileGB200, "C02")
	c01.PowerOn, c02.PowerOn = true, true
	fleet, err := bmcsim.New(bmcsim.Options{}, c01, c02, bmcsim.NewSpec(bmcsim.ProfileShelf, "P01"))
	if err == nil {
		err = fleet.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &redfish.Dialer{Credentials: fleetSecrets{fleet}}
	t.Cleanup(func() {
		if err := errors.Join(d.Logout(context.Background()), fleet.Close()); err != nil {
			t.Error(err)
		}
	})
	p, s := newPond(t, t.TempDir())
	for _, e := range fleet.Directory() {
		p.bind(e.Name, e.URL)
	}
	s.Open = func(ctx context.Context, e inventory.Endpoint) (Watched, error) {
		slot := p.slots[e.Node]
		e.Pin, e.Credential = "", slot // key and secret are not this test's matter
		if slot != "P01" {
			e.System = "System_0"
		}
		return d.Dial(ctx, e, func(context.Context) error { return nil })
	}
	lookNow(t, s) // its dry readings are the evidence of discovered
	storetest.Raise(t, p.Store, p.node("C01"), inventory.NodeBurnedIn)
	return s, p, fleet
}

func offs(b *bmcsim.BMC) int { return b.Counters().Resets["System_0 ForceOff"] }

func (p *pond) wet(b *bmcsim.BMC, i int, state string) {
	p.t.Helper()
	p.must(b.SetLeak(b.Spec().Leaks[i], state))
}

// TestSafety: a leak powers its tray off, latches it and takes its milestones;
// nobody lifts the latch while it is wet, and dry readings open the way again. A
// second leak latches the rack.
func TestSafety(t *testing.T) {
	s, p, fleet := wetRack(t)
	c01, c02 := fleet.BMC("C01"), fleet.BMC("C02")
	lookNow(t, s)
	if p.latch("C01")+p.latch("C02") != "" || offs(c01)+offs(c02) != 0 || p.leaks("C01") != "pass" || p.node("C01").Milestone != inventory.NodeBurnedIn {
		t.Fatalf("dry, and it did: latches %q %q, leaks %s", p.latch("C01"), p.latch("C02"), p.leaks("C01"))
	}
	p.wet(c01, 0, "Critical")
	lookNow(t, s)
	lookNow(t, s)
	if r := p.latch("C01"); offs(c01) != 1 || offs(c02) != 0 || !strings.HasPrefix(r, "leak: /redfish/v1/") || !strings.Contains(r, c01.Spec().Leaks[0]+" Critical") || !strings.HasSuffix(r, "; its host is off") {
		t.Fatalf("%d and %d power-offs, latch %q", offs(c01), offs(c02), r)
	}
	if n := p.node("C01"); n.Milestone != inventory.NodeDiscovered || p.leaks("C01") != "pass fail" || p.shut("C01") != lifecycle.GateLeak || p.latch("") != "" {
		t.Fatalf("it stands at %s, leaks %s, shut is %s, rack %q", n.Milestone, p.leaks("C01"), p.shut("C01"), p.latch(""))
	}
	if err := p.lift("C01"); !errors.Is(err, inventory.ErrConflict) || !strings.Contains(err.Error(), "do not read dry") {
		t.Fatalf("lifted while wet: %v", err)
	}
	p.wet(c02, 0, "Warning")
	lookNow(t, s)
	if offs(c02) != 1 || p.latch("C02") == "" || !strings.HasPrefix(p.latch(""), "leak in A12/C01, A12/C02: cut the power") {
		t.Fatalf("%d power-offs, latches %q and of the rack %q", offs(c02), p.latch("C02"), p.latch(""))
	}
	rack := func() error {
		return p.Store.Lift(t.Context(), inventory.RackSubject("A12"), inventory.HoldSafetyLatch, "fay", "drained")
	}
	if err := rack(); !errors.Is(err, inventory.ErrConflict) {
		t.Fatalf("the rack was lifted before its members: %v", err)
	}
	p.wet(c01, 0, "OK")
	p.wet(c02, 0, "OK")
	lookNow(t, s)
	p.must(errors.Join(p.lift("C01"), p.lift("C02"), rack()))
	if p.leaks("C01") != "pass fail pass" || p.shut("C01") == lifecycle.GateLeak {
		t.Errorf("dry again: leaks %s, shut is %s", p.leaks("C01"), p.shut("C01"))
	}
	lookNow(t, s)
	if p.leaks("C01") != "pass fail pass" || p.latch("C01") != "" || offs(c01) != 1 || !strings.Contains(p.log.String(), "level=ERROR msg=LEAK node=A12/C01") {
		t.Errorf("leaks %s, latch %q, log:\n%s", p.leaks("C01"), p.latch("C01"), &p.log)
	}
}

// TestSafetyOneAfterTheOther: the second leak latches the rack while the first
// tray is still wet, but not once it has read dry.
func TestSafetyOneAfterTheOther(t *testing.T) {
	s, p, fleet := wetRack(t)
	p.wet(fleet.BMC("C01"), 0, "Critical")
	lookNow(t, s)
	p.wet(fleet.BMC("C01"), 0, "OK")
	lookNow(t, s)
	p.wet(fleet.BMC("C02"), 0, "Critical")
	lookNow(t, s)
	if p.latch("C01") == "" || p.latch("C02") == "" || p.latch("") != "" {
		t.Errorf("latches %q %q, of the rack %q", p.latch("C01"), p.latch("C02"), p.latch(""))
	}
	fresh := NewSafety(p, nil, "one", time.Second, s.Log) // a new process has not read C01 yet
	n := p.node("C02")
	fresh.escalate(t.Context(), n)
	if p.latch("") == "" {
		t.Error("who has not seen C01 dry takes it for dry")
	}
}

// TestSafetyWithoutRecord: power goes off first; latch and evidence follow when
// the record is back, though the sensor is dry by then.
func TestSafetyWithoutRecord(t *testing.T) {
	s, p, fleet := wetRack(t)
	p.lose(errors.New("disk full"))
	c01 := fleet.BMC("C01")
	p.wet(c01, 1, "Critical")
	lookNow(t, s)
	if p.latch("C01") != "" || offs(c01) != 1 || !strings.Contains(p.log.String(), "goes on with the BMCs it knows") {
		t.Fatalf("%d power-offs, latch %q, log:\n%s", offs(c01), p.latch("C01"), &p.log)
	}
	p.wet(c01, 1, "OK")
	p.lose(nil)
	lookNow(t, s)
	lookNow(t, s) // what was owed is filed beside the first of these looks

	// one more pass when the latch fell behind the first
	if p.latch("C01") == "" || !strings.HasPrefix(p.leaks("C01"), "pass fail pass") {
		t.Fatalf("latch %q, leaks %s", p.latch("C01"), p.leaks("C01"))
	}
	p.must(p.lift("C01"))
}

// TestSafetyServes: a server watches its own racks.
func TestSafetyServes(t *testing.T) {
	_, s := newPond(t, t.TempDir())
	if list := s.nodes(t.Context()); len(list) != 3 {
		t.Errorf("it watches %d of its 3 nodes", len(list))
	}
	s.Holder = "two"
	if list := s.nodes(t.Context()); len(list) != 0 {
		t.Errorf("it watches %d nodes of another server", len(list))
	}
}

// TestWatched: what was never reached, is the customer's, or whose password
// nobody may try now is left alone.
func TestWatched(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*inventory.Node)
		want bool
	}{
		{"secured", func(*inventory.Node) {}, true},
		{"under test", func(n *inventory.Node) { n.Operation = &inventory.Operation{Kind: inventory.OpBurnIn} }, true},
		{"being flashed", func(n *inventory.Node) { n.Operation = &inventory.Operation{Kind: inventory.OpFirmware} }, true},
		{"in triage", func(n *inventory.Node) { n.Milestone = inventory.NodeTriage }, true},
		{"accepted", func(n *inventory.Node) { n.Milestone = inventory.NodeAccepted }, true},
		{"fell back when it leaked", func(n *inventory.Node) {
			n.Milestone, n.Holds = inventory.NodeDiscovered, []inventory.Hold{{Name: inventory.HoldSafetyLatch}}
		}, true},
		{"fell back, latch lifted", func(n *inventory.Node) { n.Milestone = inventory.NodeDiscovered }, true},
		{"in quarantine", func(n *inventory.Node) { n.Holds = []inventory.Hold{{Name: inventory.HoldQuarantine}} }, true},
		{"never reached", func(n *inventory.Node) { n.BMC.Pin = "" }, false},
		{"not secured", func(n *inventory.Node) { n.BMC.Credential = "factory/A12/C01" }, false},
		{"latched while its password changed", func(n *inventory.Node) {
			n.BMC.Credential, n.Holds = "factory/A12/C01", []inventory.Hold{{Name: inventory.HoldSafetyLatch}}
		}, false},
		{"its password changes", func(n *inventory.Node) { n.Operation = &inventory.Operation{Kind: inventory.OpSecure} }, false},
		{"its password is unknown", func(n *inventory.Node) { n.Holds = []inventory.Hold{{Name: inventory.HoldCredUnknown}} }, false},
		{"the customer's", func(n *inventory.Node) { n.Milestone = inventory.NodeHandedOver }, false},
		{"retired", func(n *inventory.Node) { n.Milestone = inventory.NodeRetired }, false},
	} {
		n := inventory.Node{ID: "n", Milestone: inventory.NodeSecured, BMC: inventory.Endpoint{Pin: "sha256:x", Credential: credentialOf("sha256:x")}}
		c.edit(&n)
		if got := watched(n); got != c.want {
			t.Errorf("%s: watched %t", c.name, got)
		}
	}
}
