package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// unsure ends the reason of a latch whose power-off nobody saw to its end.
const unsure = "its power-off was cut short by the end of this server: cut its supply at the shelf or outlet if its host is on"

// recall takes over, once, what an earlier process was owed. The caller holds spooling.
func (s *Safety) recall() {
	if s.recalled {
		return
	}
	s.recalled = true
	list, err := spool(s.Spool).load()
	if err != nil {
		s.Log.Error("leaks that an earlier process read and could not record may be lost", "err", err)
	}
	if len(list) > 0 {
		s.Log.Warn("an earlier process could not record what a leak asks for; it is recorded now", "what", len(list))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range list {
		if cut, ok := strings.CutSuffix(d.Latch, underWay); ok {
			d.Latch = cut + unsure
		}
		d.old = true
		s.put(d)
	}
}

// payOld files what an earlier process was owed, unless the record has it: that
// process may have died after the commit, and days ago. What was on its way to the
// rack is looked at anew.
func (s *Safety) payOld(ctx context.Context, d *due) bool {
	ask, done := context.WithTimeout(ctx, watchAnswer)
	defer done()
	n, r, err := s.place(ask, d.On)
	told := false
	if err == nil {
		told, err = s.told(ask, d, n, r)
	}
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		return s.pay(ctx, d) // it says so, and puts it aside
	case err != nil:
		s.Log.Error("whether the record has what a leak asks for could not be read; it is tried again", "what", d.name(), "err", err)
		return false
	case told:
		s.Log.Info("the record has it, or people have seen to it since", "what", d.name())
		s.drop(d)
	case !s.pay(ctx, d):
		return false
	}
	if d.On.Scope != inventory.ScopeNode {
		return true
	}
	if n, err = s.Store.Node(ask, n.ID); err != nil || gone(n) || !slices.ContainsFunc(n.Holds, leakLatch) {
		return true
	}
	if seen, err := s.onRecord(ask, latchDue(inventory.RackSubject(n.Rack), d.At, leakReason), n.Rack); err == nil && !seen {
		s.escalate(ctx, n)
	}
	return true
}

// told: the record has what is owed. A latch of ours that is held tells it unless
// the power tells a newer or a worse story now; one that was set since the reading,
// by whomever, has told people of this leak, and may be lifted for good.
func (s *Safety) told(ctx context.Context, d *due, n inventory.Node, r inventory.Rack) (bool, error) {
	held := r.Holds
	if d.On.Scope == inventory.ScopeNode {
		held = n.Holds
	}
	if i := slices.IndexFunc(held, func(h inventory.Hold) bool { return h.Name == inventory.HoldSafetyLatch }); d.Latch != "" && i >= 0 {
		h := held[i]
		newer := strings.HasSuffix(h.Reason, underWay)
		worse := strings.HasSuffix(h.Reason, hostOff) && !strings.HasSuffix(d.Latch, hostOff) && !strings.HasSuffix(d.Latch, unsure)
		return !leakLatch(h) || h.By != "" || h.Reason == d.Latch || !newer && !worse, nil
	}
	return s.onRecord(ctx, d, r.ID)
}

// place is what a debt is about.
func (s *Safety) place(ctx context.Context, on inventory.Subject) (n inventory.Node, r inventory.Rack, err error) {
	rack := inventory.RackID(on.ID)
	if on.Scope == inventory.ScopeNode {
		if n, err = s.Store.Node(ctx, inventory.NodeID(on.ID)); err != nil {
			return n, r, err
		}
		rack = n.Rack
	}
	r, err = s.Store.Rack(ctx, rack)
	return n, r, err
}

// onRecord: the chain of the rack names the debt, or a safety latch of its subject
// that was set or lifted since.
func (s *Safety) onRecord(ctx context.Context, d *due, rack inventory.RackID) (bool, error) {
	for e, err := range s.Store.Entries(ctx, inventory.RackSubject(rack), 0) {
		if err != nil {
			return false, err
		}
		if e.Request == d.ID {
			return true, nil
		}
		if d.Latch == "" || e.At.Before(d.At.Truncate(time.Millisecond)) || e.Kind != "hold.set" && e.Kind != "hold.lifted" {
			continue
		}
		var body struct {
			Subject string
			Hold    inventory.HoldName
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return false, err
		}
		if body.Subject == d.On.String() && body.Hold == inventory.HoldSafetyLatch {
			return true, nil
		}
	}
	return false, nil
}
