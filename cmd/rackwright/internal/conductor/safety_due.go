package conductor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// due is what a leak asks of the record: a latch, or evidence of a reading.
type due struct {
	ID     string            `json:"id"` // of the request that the record names beside what it took
	On     inventory.Subject `json:"on"`
	Latch  string            `json:"latch,omitempty"` // its reason; empty: evidence
	At     time.Time         `json:"at"`              // of the reading
	Result inventory.Result  `json:"result,omitempty"`
	Detail string            `json:"detail,omitempty"`
	Read   redfish.Sensed    `json:"read"`

	old  bool // an earlier process was owed it
	kept bool // its maker files it, as soon as more is known
}

func latchDue(on inventory.Subject, at time.Time, reason string) *due {
	return &due{ID: ulid.Make().String(), On: on, At: at, Latch: reason}
}

func leakDue(on inventory.Subject, at time.Time, seen found, read redfish.Sensed) *due {
	return &due{ID: ulid.Make().String(), On: on, At: at, Result: seen.result, Detail: seen.detail, Read: read}
}

func (d *due) ok() bool {
	return d != nil && d.ID != "" && d.On.ID != "" && (d.Latch != "" || d.Result != "")
}

// name is the same for what replaces it, and sorts latches first. What an earlier
// process was owed is replaced by nothing.
func (d *due) name() string {
	out := "leak of " + d.On.String()
	if d.Latch != "" {
		out = "latch " + d.On.String()
	}
	if d.old {
		out += " " + d.ID
	}
	return out
}

// watchWrite is how long the spool's disk is waited for: the record, and the next
// node, do not wait for one that hangs.
const watchWrite = time.Second

// stroke is one writing of the spool, for all who ask for one before it begins.
type stroke struct{ done chan struct{} }

// promise keeps what a leak asks for until the record has it, past the end of this
// process, too.
func (s *Safety) promise(list ...*due) {
	s.mu.Lock()
	for _, d := range list {
		s.put(d)
	}
	s.mu.Unlock()
	s.save()
}

// put is for a caller that holds mu.
func (s *Safety) put(d *due) {
	if s.owed == nil {
		s.owed = map[string]*due{}
	}
	s.owed[d.name()] = d
}

// drop ends a debt, unless another one has replaced it.
func (s *Safety) drop(d *due) {
	s.mu.Lock()
	last := s.owed[d.name()] == d
	if last {
		delete(s.owed, d.name())
	}
	s.mu.Unlock()
	if last {
		s.save()
	}
}

// save writes down what is owed, and waits for it for a moment.
func (s *Safety) save() {
	s.mu.Lock()
	st := s.stroke
	if st == nil {
		st = &stroke{make(chan struct{})}
		s.stroke = st
		go s.write(st)
	}
	s.mu.Unlock()
	if s.hung.Load() {
		return
	}
	select {
	case <-st.done:
	case <-time.After(watchWrite):
		s.hung.Store(true)
		s.Log.Error("the disk of the leak spool does not answer; what a leak asks for is in memory only")
	}
}

func (s *Safety) write(st *stroke) {
	defer close(st.done)
	s.spooling.Lock()
	defer s.spooling.Unlock()
	s.recall()
	s.mu.Lock()
	s.stroke = nil
	list := s.debts()
	s.mu.Unlock()
	err := spool(s.Spool).save(list)
	s.unsaved.Store(err != nil)
	s.hung.Store(false)
	if err != nil {
		s.Log.Error("what a leak asks for is kept in memory only: do not end this server before the record has it", "err", err)
	}
	if len(list) > 0 {
		return
	}
	if err := spool(s.Spool).reserve(); err != nil {
		s.Log.Warn("no room is kept for leaks that the record does not take", "err", err)
	}
}

// debts are what is owed, latches first, for a caller that holds mu.
func (s *Safety) debts() (out []*due) {
	for _, name := range slices.Sorted(maps.Keys(s.owed)) {
		out = append(out, s.owed[name])
	}
	return out
}

// owe files something now, or at a later look if the record does not take it:
// whatever the sensor says then.
func (s *Safety) owe(ctx context.Context, d *due) {
	s.promise(d)
	s.pay(ctx, d)
}

// pay files what was promised, one of a name at a time: what replaced another is
// filed last.
func (s *Safety) pay(ctx context.Context, d *due) (filed bool) {
	lock, _ := s.paying.LoadOrStore(d.name(), &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	s.mu.Lock()
	owed := s.owed[d.name()] == d
	s.mu.Unlock()
	if !owed {
		return true
	}
	ctx, cancel := context.WithTimeout(inventory.WithCause(ctx, inventory.Cause{Via: "safety", Request: d.ID}), watchRecord)
	defer cancel()
	var err error
	if d.Latch != "" {
		err = s.Store.Hold(ctx, d.On, inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: d.Latch})
	} else {
		err = s.evidence(ctx, inventory.NodeID(d.On.ID), d.At, found{lifecycle.GateLeak, d.Result, d.Detail}, d.Read)
	}
	if err == nil {
		s.drop(d)
		return true
	}
	s.mu.Lock()
	d.kept = false
	s.mu.Unlock()
	if never := d.Latch != "" && errors.Is(err, inventory.ErrInvalid) || s.nowhere(ctx, d); never && s.aside(d, err) {
		return true
	}
	s.Log.Error("the record did not take what a leak asks for; it is tried again", "what", d.name(), "err", err)
	return false
}

// nowhere: the record knows no such node or rack.
func (s *Safety) nowhere(ctx context.Context, d *due) bool {
	_, _, err := s.place(ctx, d.On)
	return errors.Is(err, inventory.ErrNotFound)
}

// aside puts what the record will never take where a person finds it. It waits for no disk.
func (s *Safety) aside(d *due, why error) bool {
	if s.hung.Load() || !s.spooling.TryLock() {
		return false
	}
	path, err := spool(s.Spool).aside(d)
	s.spooling.Unlock()
	s.Log.Error("the record will never take what a leak asks for: look at the machine, and set the latch by hand", "what", d.name(), "reason", d.Latch, "detail", d.Detail,
		"err", why, "kept", path, "fault", err)
	if err == nil {
		s.drop(d)
	}
	return err == nil
}

// settle files what the record did not take before, latches first; nobody waits
// for it. One that is refused again holds up none behind it.
func (s *Safety) settle(ctx context.Context) {
	if !s.settling.TryLock() {
		return
	}
	defer s.settling.Unlock()
	s.mu.Lock()
	list := slices.DeleteFunc(s.debts(), func(d *due) bool { return d.kept })
	s.mu.Unlock()
	for _, d := range list {
		pay := s.pay
		if d.old {
			pay = s.payOld
		}
		if !pay(ctx, d) && ctx.Err() != nil {
			return
		}
	}
	if s.unsaved.Load() {
		s.save()
	}
}
