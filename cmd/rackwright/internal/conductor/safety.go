package conductor

import (
	"context"
	"hash/fnv"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// Safety watches for leaks between the readings that gates ask for. A tray that
// leaks is powered off first and latched then; two of them, or a shelf or CDU,
// latch their rack. It is the second line: the tray's own cut-off and the
// building's come first (lifecycle.md §11). It asks no lock, no hold and no abort
// class, and waits for no other request to its BMC. What it reads becomes
// evidence of the leak gate when it differs from what was known.
//
// Each server watches the racks it serves. One BMC that is slow delays no other.
type Safety struct {
	Store  SafetyStore
	Open   func(context.Context, inventory.Endpoint) (Watched, error)
	Holder inventory.Holder // whose racks are watched
	Every  time.Duration
	Spool  string // file for what the record does not take; empty: it is kept in memory only
	Log    *slog.Logger

	looks    sync.WaitGroup
	settling sync.Mutex  // held by the one that files what is owed
	paying   sync.Map    // by name: held by the one that files it
	spooling sync.Mutex  // held by the one that writes the spool; before mu
	recalled bool        // by spooling: what an earlier process was owed is taken over
	unsaved  atomic.Bool // the spool is not what is owed
	hung     atomic.Bool // its disk did not answer, and has not since
	mu       sync.Mutex
	known    []inventory.Node // of the last time that the record could be read
	posts    map[inventory.NodeID]*post
	owed     map[string]*due // what the record has not taken yet, by name
	stroke   *stroke         // of the spool that has not begun
}

// post is what the watch knows of one BMC.
type post struct {
	busy     bool             // its last look has not ended
	state    inventory.Result // of the last look: pass is dry, fail is a leak; empty: not known
	once     time.Time        // when a leak was read, and not again
	hostless time.Time        // when it had no host that could be powered off
	blind    time.Time        // since when it cannot be read
	said     bool             // and that was said
	acted    time.Time        // when its host was powered off for a leak
	filed    inventory.Result // what the record says, as of checked
	checked  time.Time
}

// SafetyStore is what the watch reads and writes.
type SafetyStore interface {
	inventory.Reader
	inventory.Recorder
	inventory.Documents
	inventory.Journal
	Shards(context.Context, inventory.Holder) ([]inventory.RackID, error)
}

// Watched is a BMC as the watch uses it.
type Watched interface {
	Leaks(ctx context.Context, known int) (redfish.Sensed, error)
	Power(context.Context) (redfish.PowerState, error)
	ReadyOff(context.Context) error
	SetPower(context.Context, redfish.PowerAction) error
	Close() error
}

// NewSafety watches the BMCs that access reaches. Its writes ask no lease.
func NewSafety(store SafetyStore, access *Access, holder inventory.Holder, every time.Duration, log *slog.Logger) *Safety {
	return &Safety{Store: store, Holder: holder, Every: every, Log: log, Open: func(ctx context.Context, e inventory.Endpoint) (Watched, error) {
		return access.dial(ctx, e, func(context.Context) error { return nil })
	}}
}

// Limits of the watch.
const (
	watchRecord  = 5 * time.Second  // for a question to the record
	watchAnswer  = time.Minute      // for one BMC
	watchBlind   = 5 * time.Minute  // a flash or reset may silence a BMC for so long
	watchRepeat  = 10 * time.Second // for a second reading
	watchFlap    = 10 * time.Minute // two single readings within this are a leak
	watchSend    = 45 * time.Second // for a power-off to leave
	watchConfirm = 10 * time.Second // for a host to be off
	watchSlow    = 5 * time.Minute  // a power-on that a BMC took may take effect so late
	watchRecheck = 5 * time.Minute  // what the record says of a BMC is looked up again
)

// Run looks every time until the context ends; looks under way end first.
func (s *Safety) Run(ctx context.Context) {
	defer s.looks.Wait()
	s.looks.Go(func() {
		s.save() // takes over what an earlier process was owed
		s.settle(watching(ctx))
	})
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.begin(ctx, s.Every/2)
		}
	}
}

// begin looks at every BMC whose last look has ended, at times that are spread
// out: they share the site's connections with the work.
func (s *Safety) begin(ctx context.Context, spread time.Duration) {
	ctx = watching(ctx)
	s.looks.Go(func() { s.settle(ctx) })
	for _, n := range s.nodes(ctx) {
		if !s.take(n.ID) {
			continue
		}
		s.looks.Go(func() {
			defer s.post(n.ID, func(p *post) { p.busy = false })
			if wait := phase(n.ID, spread); wait > 0 { // no timer for nothing: several that fire at once break Go's race detector under synctest
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
			s.look(ctx, n)
		})
	}
}

func watching(ctx context.Context) context.Context {
	return inventory.WithCause(ctx, inventory.Cause{Via: "safety"})
}

// phase is the same part of the spread for the same node each time.
func phase(id inventory.NodeID, spread time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // hash.Hash never fails
	return spread * time.Duration(h.Sum32()%1024) / 1024
}

func (s *Safety) take(id inventory.NodeID) (free bool) {
	s.post(id, func(p *post) { free, p.busy = !p.busy, true })
	return free
}

// post changes what is known of a BMC.
func (s *Safety) post(id inventory.NodeID, edit func(*post)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.posts == nil {
		s.posts = map[inventory.NodeID]*post{}
	}
	if s.posts[id] == nil {
		s.posts[id] = &post{}
	}
	edit(s.posts[id])
}

// nodes are those to watch; without a record, or with one that hangs, the ones
// known last.
func (s *Safety) nodes(ctx context.Context) []inventory.Node {
	list, err := s.mine(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.known = list
	case ctx.Err() != nil:
	case len(s.known) == 0:
		s.Log.Error("no leak is watched: the record cannot be read", "err", err)
	default:
		s.Log.Error("the leak watch cannot read the record and goes on with the BMCs it knows", "bmcs", len(s.known), "err", err)
	}
	return s.known
}

func (s *Safety) mine(ctx context.Context) ([]inventory.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, watchRecord)
	defer cancel()
	racks, err := s.Store.Shards(ctx, s.Holder)
	if err != nil || len(racks) == 0 {
		return nil, err
	}
	return nodesOf(s.Store.Select(ctx, inventory.Selector{Racks: racks}), watched)
}

func nodesOf(all iter.Seq2[inventory.Node, error], keep func(inventory.Node) bool) ([]inventory.Node, error) {
	var out []inventory.Node
	for n, err := range all {
		if err != nil {
			return nil, err
		}
		if keep(n) {
			out = append(out, n)
		}
	}
	return out, nil
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
