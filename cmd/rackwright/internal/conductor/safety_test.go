package conductor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// tank is a record of one rack.
type tank struct {
	mu    sync.Mutex
	nodes []inventory.Node
	rack  inventory.Rack
	away  error
	set   []string // holds, in order
}

func (k *tank) Select(_ context.Context, sel inventory.Selector) iter.Seq2[inventory.Node, error] {
	return func(yield func(inventory.Node, error) bool) {
		if !sel.All {
			return // as in the record: the empty selector selects nothing
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.away != nil {
			yield(inventory.Node{}, k.away)
			return
		}
		for _, n := range k.nodes {
			if !yield(n, nil) {
				return
			}
		}
	}
}

func (k *tank) Node(_ context.Context, id inventory.NodeID) (inventory.Node, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.nodes, func(n inventory.Node) bool { return n.ID == id })
	return k.nodes[i], k.away
}

func (k *tank) Rack(context.Context, inventory.RackID) (inventory.Rack, error) {
	return k.rack, k.away
}

func (k *tank) Hold(ctx context.Context, on inventory.Subject, h inventory.Hold) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away != nil || ctx.Err() != nil {
		return errors.Join(k.away, ctx.Err())
	}
	k.set = append(k.set, fmt.Sprintf("%s %s %s", on.ID, h.Name, h.Reason))
	if on.Scope == inventory.ScopeRack {
		k.rack.Holds = append(k.rack.Holds, h)
		return nil
	}
	i := slices.IndexFunc(k.nodes, func(n inventory.Node) bool { return string(n.ID) == on.ID })
	k.nodes[i].Holds = append(slices.Clone(k.nodes[i].Holds), h)
	return nil
}

type fleetSecrets struct{ *bmcsim.Fleet }

func (f fleetSecrets) Credential(_ context.Context, name string) (string, inventory.Secret, error) {
	s := f.BMC(name).Spec()
	return s.User, inventory.NewSecret(s.Password), nil
}

// wetRack is a rack of two trays with leak detectors and a shelf, on real
// sockets, and the watch over it.
func wetRack(t *testing.T) (*Safety, *tank, *bmcsim.Fleet, *bytes.Buffer) {
	t.Helper()
	c01, c02 := bmcsim.NewSpec(bmcsim.ProfileGB200, "c01"), bmcsim.NewSpec(bmcsim.ProfileGB200, "c02")
	c01.PowerOn, c02.PowerOn = true, true
	fleet, err := bmcsim.New(bmcsim.Options{}, c01, c02, bmcsim.NewSpec(bmcsim.ProfileShelf, "p01"))
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
	k := &tank{rack: inventory.Rack{ID: "r", Name: "A12"}}
	for _, e := range fleet.Directory() {
		n := inventory.Node{ID: inventory.NodeID(e.Name), Rack: "r", Address: "A12/" + e.Name, Milestone: inventory.NodeSecured}
		n.BMC = inventory.Endpoint{Node: n.ID, URL: e.URL, Pin: "sha256:seen"}
		n.BMC.Credential = credentialOf(n.BMC.Pin)
		if e.Name != "p01" {
			n.BMC.System = "System_0"
		}
		k.nodes = append(k.nodes, n)
	}
	var log bytes.Buffer
	s := NewSafety(k, nil, time.Second, slog.New(slog.NewTextHandler(&log, nil)))
	s.Open = func(ctx context.Context, e inventory.Endpoint) (Watched, error) {
		e.Pin, e.Credential = "", string(e.Node) // key and secret are not this test's matter
		return d.Dial(ctx, e, func(context.Context) error { return nil })
	}
	return s, k, fleet, &log
}

// TestSafety: a leak powers its tray off and latches it, once; while it lasts,
// who switched the tray on again finds it off; a second one latches the rack.
func TestSafety(t *testing.T) {
	s, k, fleet, log := wetRack(t)
	ctx := t.Context()
	c01, c02 := fleet.BMC("c01"), fleet.BMC("c02")
	power := func(name string) redfish.PowerState {
		t.Helper()
		b, err := s.Open(ctx, k.nodes[slices.IndexFunc(k.nodes, func(n inventory.Node) bool { return string(n.ID) == name })].BMC)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		p, err := b.Power(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := power("c01")
	s.Look(ctx)
	if len(k.set) != 0 || power("c01") != before {
		t.Fatalf("dry, and it did %v, power %s", k.set, power("c01"))
	}
	if err := c01.SetLeak(c01.Spec().Leaks[0], "Critical"); err != nil {
		t.Fatal(err)
	}
	s.Look(ctx)
	s.Look(ctx)
	if power("c01") != redfish.PowerOff || power("c02") == redfish.PowerOff || len(k.set) != 1 || !strings.HasPrefix(k.set[0], "c01 safety-latch leak: ") ||
		!strings.Contains(k.set[0], c01.Spec().Leaks[0]) || !strings.HasSuffix(k.set[0], "its host is off") {
		t.Fatalf("c01 %s, c02 %s, holds %q", power("c01"), power("c02"), k.set)
	}
	if err := c02.SetLeak(c02.Spec().Leaks[0], "Warning"); err != nil {
		t.Fatal(err)
	}
	s.Look(ctx)
	if power("c02") != redfish.PowerOff || len(k.set) != 3 || !strings.HasPrefix(k.set[2], "r safety-latch leak in A12/c01, A12/c02") {
		t.Fatalf("c02 %s, holds %q", power("c02"), k.set)
	}
	if !strings.Contains(log.String(), "level=ERROR msg=LEAK node=A12/c01") {
		t.Errorf("log:\n%s", log)
	}
}

// TestSafetyWithoutRecord: power goes off first; the latch follows when the
// record is back.
func TestSafetyWithoutRecord(t *testing.T) {
	s, k, fleet, _ := wetRack(t)
	s.Look(t.Context())
	k.away = errors.New("disk full")
	c01 := fleet.BMC("c01")
	if err := c01.SetLeak(c01.Spec().Leaks[1], "Critical"); err != nil {
		t.Fatal(err)
	}
	s.Look(t.Context())
	if n := c01.Counters().Resets["System_0 ForceOff"]; n != 1 || len(k.set) != 0 {
		t.Fatalf("%d power-offs, holds %q", n, k.set)
	}
	k.away = nil
	if err := c01.SetLeak(c01.Spec().Leaks[1], "OK"); err != nil { // dry again, and the latch is still owed
		t.Fatal(err)
	}
	s.Look(t.Context())
	if n := c01.Counters().Resets["System_0 ForceOff"]; n != 1 || len(k.set) != 1 {
		t.Fatalf("%d power-offs, holds %q", n, k.set)
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

// scripted is a BMC that says what the table wants.
type scripted struct {
	wet   [][]redfish.Alarm
	err   error
	power error
	slow  bool // the second reading hangs
	cut   bool // it falls silent after the leak was read
	asked int
	off   int
}

func (b *scripted) Alarms(ctx context.Context) ([]redfish.Alarm, error) {
	b.asked++
	if b.slow && b.asked > 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if b.err != nil && b.asked > 1 {
		return nil, b.err
	}
	if b.cut {
		return b.wet[0], redfish.ErrUnreachable
	}
	return b.wet[min(b.asked, len(b.wet))-1], nil
}
func (b *scripted) Power(context.Context) (redfish.PowerState, error) { return redfish.PowerOn, nil }
func (b *scripted) SetPower(ctx context.Context, _ redfish.PowerAction) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.off++
	return b.power
}
func (*scripted) Close() error { return nil }

// TestSafetyDoubts: a glitch cuts nothing; a leak that cannot be read twice, or
// a host that stays on, is said to people who can pull a plug.
func TestSafetyDoubts(t *testing.T) {
	leak, dry := []redfish.Alarm{{Kind: redfish.AlarmLeak, Sensor: "/L", State: "Critical", Latched: true}}, []redfish.Alarm{{Kind: redfish.AlarmBlind, Leak: true}}
	for _, c := range []struct {
		name string
		bmc  *scripted
		off  int
		says string
	}{
		{"blind is no leak here; the gate is about it", &scripted{wet: [][]redfish.Alarm{dry}}, 0, ""},
		{"read once and not again", &scripted{wet: [][]redfish.Alarm{leak, nil}}, 0, ""},
		{"blind when it is read again", &scripted{wet: [][]redfish.Alarm{leak, dry}}, 1, "NOT off"},
		{"cannot be repeated", &scripted{wet: [][]redfish.Alarm{leak}, err: errors.New("away")}, 1, "NOT off"},
		{"second reading hangs", &scripted{wet: [][]redfish.Alarm{leak}, slow: true}, 1, "NOT off"},
		{"falls silent after the leak", &scripted{wet: [][]redfish.Alarm{leak}, cut: true}, 1, "NOT off"},
		{"stays on", &scripted{wet: [][]redfish.Alarm{leak}}, 1, "its host is NOT off (power state \"On\"): cut its supply"},
		{"refused", &scripted{wet: [][]redfish.Alarm{leak}, power: redfish.ErrBusy}, 1, redfish.ErrBusy.Error()},
		{"refused for good", &scripted{wet: [][]redfish.Alarm{leak}, power: redfish.ErrUnsupported}, 1, "/L Critical (stays until it is re-armed); its host is NOT off ("},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &tank{nodes: []inventory.Node{{ID: "n", Address: "A12/C01", Milestone: inventory.NodeBurnedIn, BMC: inventory.Endpoint{Pin: "sha256:x", Credential: credentialOf("sha256:x")}}}}
				s := NewSafety(k, nil, time.Second, slog.New(slog.DiscardHandler))
				s.Open = func(context.Context, inventory.Endpoint) (Watched, error) { return c.bmc, nil }
				s.Look(t.Context())
				if c.bmc.off != c.off || len(k.set) != c.off || c.off > 0 && !strings.Contains(k.set[0], c.says) {
					t.Errorf("%d power-offs, holds %q", c.bmc.off, k.set)
				}
			})
		})
	}
}

// TestSafetyBlind: a BMC that is silent for longer than a flash is said once,
// and again after it has answered.
func TestSafetyBlind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		k := &tank{nodes: []inventory.Node{{ID: "n", Address: "A12/C01", Milestone: inventory.NodeBurnedIn, BMC: inventory.Endpoint{Pin: "sha256:x", Credential: credentialOf("sha256:x")}}}}
		s := NewSafety(k, nil, 30*time.Second, slog.New(slog.NewTextHandler(&log, nil)))
		away := error(redfish.ErrUnreachable)
		s.Open = func(context.Context, inventory.Endpoint) (Watched, error) {
			return &scripted{wet: [][]redfish.Alarm{nil}}, away
		}
		run := func(d time.Duration) int {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			s.Run(ctx)
			return strings.Count(log.String(), "are not watched")
		}
		if n := run(watchBlind); n != 0 {
			t.Errorf("said after %s: %s", watchBlind, &log)
		}
		if n := run(time.Hour); n != 1 {
			t.Errorf("said %d times in an hour: %s", n, &log)
		}
		away = nil
		run(time.Minute)
		away = redfish.ErrUnreachable
		if n := run(time.Hour); n != 2 {
			t.Errorf("said %d times after it was back: %s", n, &log)
		}
	})
}
