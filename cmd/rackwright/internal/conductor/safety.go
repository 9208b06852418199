package conductor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// Safety watches for leaks between the readings that gates ask for. A tray that
// leaks is powered off first and latched then; two of them latch their rack. It
// is the second line: the tray's own cut-off and the building's come first
// (lifecycle.md §11). It asks no lock, no hold and no abort class; but an upload
// has the one place to write, and power-off waits until the latch has ended it.
type Safety struct {
	Store SafetyStore
	Open  func(context.Context, inventory.Endpoint) (Watched, error)
	Every time.Duration
	Log   *slog.Logger

	mu    sync.Mutex
	known []inventory.Node               // of the last time that the record could be read
	blind map[inventory.NodeID]time.Time // since when a BMC cannot be read; zero: it was said
	owed  map[inventory.NodeID]owed      // latches that the record has not taken yet
}

// owed is a latch to file.
type owed struct {
	node   inventory.Node
	reason string
}

// SafetyStore is what the watch reads and writes.
type SafetyStore interface {
	Select(context.Context, inventory.Selector) iter.Seq2[inventory.Node, error]
	Node(context.Context, inventory.NodeID) (inventory.Node, error)
	Rack(context.Context, inventory.RackID) (inventory.Rack, error)
	Hold(context.Context, inventory.Subject, inventory.Hold) error
}

// Watched is a BMC as the watch uses it.
type Watched interface {
	Alarms(context.Context) ([]redfish.Alarm, error)
	Power(context.Context) (redfish.PowerState, error)
	SetPower(context.Context, redfish.PowerAction) error
	Close() error
}

// NewSafety watches the BMCs that access reaches. Its writes ask no lease.
func NewSafety(store SafetyStore, access *Access, every time.Duration, log *slog.Logger) *Safety {
	return &Safety{Store: store, Every: every, Log: log, Open: func(ctx context.Context, e inventory.Endpoint) (Watched, error) {
		return access.dial(ctx, e, func(context.Context) error { return nil })
	}}
}

// Limits of the watch.
const (
	watchAtOnce  = 16
	watchAnswer  = time.Minute      // for one BMC
	watchBlind   = 5 * time.Minute  // a flash or reset may silence a BMC for so long
	watchRepeat  = 10 * time.Second // for a second reading
	watchSend    = 15 * time.Second // for a power-off to leave
	watchConfirm = 10 * time.Second // for a host to be off
)

// Run looks every time until the context ends.
func (s *Safety) Run(ctx context.Context) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.Look(ctx)
		}
	}
}

// Look looks at every BMC once.
func (s *Safety) Look(ctx context.Context) {
	ctx = inventory.WithCause(ctx, inventory.Cause{Via: "safety"})
	s.settle(ctx)
	var mu sync.Mutex
	wet := map[inventory.RackID][]string{}
	var all errgroup.Group
	all.SetLimit(watchAtOnce)
	for _, n := range s.nodes(ctx) {
		all.Go(func() error {
			if s.look(ctx, n) {
				mu.Lock()
				defer mu.Unlock()
				wet[n.Rack] = append(wet[n.Rack], n.Address)
			}
			return nil
		})
	}
	_ = all.Wait() // look reports for itself
	for rack, trays := range wet {
		if len(trays) > 1 {
			slices.Sort(trays)
			s.latchRack(ctx, rack, trays)
		}
	}
}

// nodes are those to watch; without a record the ones known last.
func (s *Safety) nodes(ctx context.Context) []inventory.Node {
	var out []inventory.Node
	for n, err := range s.Store.Select(ctx, inventory.Selector{All: true}) {
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Error("the leak watch goes on with the BMCs it knows", "bmcs", len(s.known), "err", err)
			}
			return s.known
		}
		if watched(n) {
			out = append(out, n)
		}
	}
	s.known = out
	return out
}

// watched: its BMC has answered, is not the customer's, and opens with its own
// sealed secret: a login with another one while the password changes, or while
// nobody knows which is on it, would lock the BMC.
func watched(n inventory.Node) bool {
	return n.BMC.Pin != "" && n.BMC.Credential == credentialOf(n.BMC.Pin) &&
		n.Milestone != inventory.NodeHandedOver && n.Milestone != inventory.NodeRetired &&
		lifecycle.May(inventory.NodeSubject(n.ID), n.Holds, lifecycle.UseBMC) == nil &&
		(n.Operation == nil || n.Operation.Kind != inventory.OpSecure)
}

// look reports whether a node leaks, and has acted on it then.
func (s *Safety) look(ctx context.Context, n inventory.Node) bool {
	ctx, cancel := context.WithTimeout(ctx, watchAnswer)
	defer cancel()
	if now, err := s.Store.Node(ctx, n.ID); err == nil { // others were looked at since the list was read, and its password may be another one
		if n = now; !watched(n) {
			return false
		}
	}
	bmc, err := s.Open(ctx, n.BMC)
	if err != nil {
		s.unseen(ctx, n, err)
		return false
	}
	defer bmc.Close()
	leaks, err := leaking(ctx, bmc)
	if len(leaks) == 0 {
		s.dry(ctx, n, err)
		return false
	}
	repeat, done := context.WithTimeout(ctx, watchRepeat)
	again, err := leaking(repeat, bmc) // one reading may be a glitch; one that cannot be repeated is believed
	done()
	if err == nil && len(again) == 0 {
		s.Log.Warn("a leak was read once and not again", "node", n.Address, "sensor", strings.Join(leaks, ", "))
		return false
	}
	act := context.WithoutCancel(ctx) // neither the time of the reading nor the end of this process stops what must be done now
	said := strings.Join(leaks, ", ") + "; " + powerOff(act, bmc)
	s.Log.Error("LEAK", "node", n.Address, "sensor", said)
	if !n.Held(inventory.HoldSafetyLatch) {
		s.latch(act, n, "leak: "+said)
	}
	return true
}

// latch files what was done; what the record does not take now it takes later,
// whatever the sensor says then.
func (s *Safety) latch(ctx context.Context, n inventory.Node, reason string) {
	ctx, cancel := context.WithTimeout(ctx, watchSend)
	defer cancel()
	err := s.Store.Hold(ctx, inventory.NodeSubject(n.ID), inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: reason})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.owed, n.ID)
		return
	}
	s.Log.Error("a leak could not be recorded; it is tried again at the next look", "node", n.Address, "err", err)
	if s.owed == nil {
		s.owed = map[inventory.NodeID]owed{}
	}
	s.owed[n.ID] = owed{n, reason}
}

// settle files what the record did not take before.
func (s *Safety) settle(ctx context.Context) {
	s.mu.Lock()
	list := slices.Collect(maps.Values(s.owed))
	s.mu.Unlock()
	for _, o := range list {
		s.latch(ctx, o.node, o.reason)
	}
}

// dry: no leak was read. An error, if any, says why that is no proof.
func (s *Safety) dry(ctx context.Context, n inventory.Node, err error) {
	if err != nil {
		s.unseen(ctx, n, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blind, n.ID)
}

// leaking names the detectors that report a leak.
func leaking(ctx context.Context, bmc Watched) ([]string, error) {
	alarms, err := bmc.Alarms(ctx)
	var out []string
	for _, a := range alarms {
		if a.Kind == redfish.AlarmBlind && a.Leak && err == nil {
			err = fmt.Errorf("%w: %s: %s", redfish.ErrUnreachable, a.Sensor, a.State)
		}
		if a.Kind == redfish.AlarmLeak {
			text := a.Sensor + " " + a.State
			if a.Latched {
				text += " (stays until it is re-armed)"
			}
			out = append(out, text)
		}
	}
	return out, err
}

// powerOff cuts the host's power and says how that went.
func powerOff(ctx context.Context, bmc Watched) string {
	ctx, over := context.WithTimeout(ctx, watchSend+watchConfirm)
	defer over()
	brief, cancel := context.WithTimeout(ctx, watchSend) // an upload may have the one place to write; the latch ends it, and the next look finds it free
	defer cancel()
	err := bmc.SetPower(brief, redfish.ActionForceOff)
	for end := time.Now().Add(watchConfirm); ; time.Sleep(watchConfirm / 40) {
		state, perr := bmc.Power(ctx)
		switch {
		case perr == nil && state == redfish.PowerOff:
			return "its host is off"
		case errors.Is(err, redfish.ErrUnsupported) && errors.Is(perr, redfish.ErrUnsupported):
			return "no host here can be powered off: cut its supply at the shelf or outlet"
		case time.Now().After(end) || ctx.Err() != nil:
			return fmt.Sprintf("its host is NOT off (%s): cut its supply at the shelf or outlet", errors.Join(err, perr, fmt.Errorf("power state %q", state)))
		}
	}
}

// latchRack: two leaking trays are the rack's matter. Its power is cut by people.
func (s *Safety) latchRack(ctx context.Context, id inventory.RackID, trays []string) {
	r, err := s.Store.Rack(ctx, id)
	if err == nil && !r.Held(inventory.HoldSafetyLatch) {
		err = s.Store.Hold(ctx, inventory.RackSubject(id), inventory.Hold{Name: inventory.HoldSafetyLatch,
			Reason: fmt.Sprintf("leak in %s: cut the power of the rack and isolate its coolant", strings.Join(trays, ", "))})
	}
	if err != nil {
		s.Log.Error("a rack that leaks could not be latched; it is tried again", "rack", r.Name, "err", err)
	}
}

// unseen says once that a BMC has been silent for longer than a flash explains.
func (s *Safety) unseen(ctx context.Context, n inventory.Node, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blind == nil {
		s.blind = map[inventory.NodeID]time.Time{}
	}
	since, ok := s.blind[n.ID]
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // we are ending, not the BMC
	case !ok:
		s.blind[n.ID] = time.Now()
	case !since.IsZero() && time.Since(since) > watchBlind:
		s.Log.Warn("the leak sensors of this node are not watched: they cannot be read", "node", n.Address, "since", since.UTC().Format(time.RFC3339), "err", err)
		s.blind[n.ID] = time.Time{}
	}
}
