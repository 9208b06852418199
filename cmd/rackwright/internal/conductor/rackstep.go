package conductor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// rackEvents are the events that people's evidence opens, by where they lead.
var rackEvents = map[inventory.RackMilestone]inventory.EventKind{
	inventory.RackShipped: inventory.EventRackShipped, inventory.RackArrived: inventory.EventRackArrived, inventory.RackReceived: inventory.EventRackReceived,
	inventory.RackInstalled: inventory.EventRackInstalled, inventory.RackPowerReady: inventory.EventRackPowerReady, inventory.RackInReview: inventory.EventRackInReview,
	inventory.RackAccepted: inventory.EventRackAccepted, inventory.RackHandedOver: inventory.EventRackHandedOver,
}

// rack is the step of every rack milestone.
func (s *Steps) rack(ctx context.Context, t Turn) (Result, error) {
	r, err := s.rackStep(ctx, t)
	return safe(t, r, err)
}

func (s *Steps) rackStep(ctx context.Context, t Turn) (Result, error) {
	f, err := facts.Rack(ctx, s.Store, t.Rack.ID, time.Now())
	if err != nil {
		return Result{}, err
	}
	if err := s.answerRack(ctx, t); err != nil {
		return Result{}, err
	}
	at := t.Rack.Milestone
	if at == inventory.RackPowerReady || lifecycle.Computed(at) {
		if r, moved := computed(f); moved {
			return r, nil
		}
	}
	if at == inventory.RackInReview || at == inventory.RackAccepted {
		if fallen := lifecycle.Fallen(f); len(fallen) > 0 {
			return reopened(fallen), nil
		}
	}
	next, ok := lifecycle.AfterRack(at)
	if !ok || at == inventory.RackHandedOver {
		return Result{}, nil
	}
	shut := lifecycle.GateRack(next, f)
	if b, ok := s.produce(ctx, t, f, next); b != nil {
		shut = append([]inventory.Blocker{*b}, shut...)
	} else if ok {
		return Result{Change: inventory.Change{Due: time.Now()}, Reason: "filed evidence for " + string(next)}, nil
	}
	e, byPeople := rackEvents[next]
	if len(shut) == 0 && byPeople {
		return Result{Change: inventory.Change{Event: &inventory.Event{Kind: e, Reason: "every gate is open"}}}, nil
	}
	return Result{Change: inventory.Change{Blockers: shut}, Reason: fmt.Sprintf("%d gates of %s are shut", len(shut), next)}, nil
}

// reopened takes a review back: what the draft says is not so any more, and the
// two who would sign are better told by the rack than by the customer.
func reopened(fallen []inventory.Blocker) Result {
	reason := inventory.Sentence(fallen[0].Fix, fallen[0].Args)
	if more := len(fallen) - 1; more > 0 {
		reason += fmt.Sprintf(" (and %d more gates)", more)
	}
	return Result{Change: inventory.Change{Event: &inventory.Event{Kind: inventory.EventRackReopened, Reason: reason}}, Reason: reason}
}

// computed asks where the members carry the rack now; a change is an event.
func computed(f lifecycle.Facts) (Result, bool) {
	to := lifecycle.RackTarget(f)
	out := lifecycle.Excluded(f.Type, f.Nodes, to)
	if to == f.Rack.Milestone && slices.Equal(out, f.Rack.Excluded) {
		return Result{}, false
	}
	reason := fmt.Sprintf("the members carry %s, %d are left out", to, len(out))
	r := Result{Change: inventory.Change{Event: &inventory.Event{Kind: inventory.EventRackComputed, Reason: reason}, Excluded: out}}
	if to == f.Rack.Milestone {
		r.Due = time.Now() // only the excluded members changed: look again
	}
	return r, true
}

// produce makes the two machine evidences of a rack: the frozen draft, and the
// issued package. It returns true when it filed something new.
func (s *Steps) produce(ctx context.Context, t Turn, f lifecycle.Facts, next inventory.RackMilestone) (*inventory.Blocker, bool) {
	make, gate := s.Freeze, lifecycle.GateDraft
	switch {
	case next == inventory.RackInReview:
	case next == inventory.RackHandedOver:
		make, gate = s.Issue, lifecycle.GatePackage
	default:
		return nil, false
	}
	for _, g := range lifecycle.RackGateResults(next, f) {
		if g.Gate == gate && g.Open() {
			return nil, false
		}
		if g.Gate != gate && !g.Open() {
			return nil, false // first what others owe
		}
	}
	e, err := make(ctx, t, f)
	if err == nil {
		_, err = s.Store.File(ctx, e)
	}
	if err != nil {
		owner := inventory.OwnerSystem
		if errors.Is(err, inventory.ErrDenied) {
			owner = inventory.OwnerTechnician
		}
		return &inventory.Blocker{Gate: gate, Subject: t.Subject(), Owner: owner, Fix: "gate." + string(gate), Args: []string{t.Rack.Name, err.Error()}}, false
	}
	return nil, true
}

// answerRack says how far a rack is that somebody asked to bring up.
func (s *Steps) answerRack(ctx context.Context, t Turn) error {
	for _, req := range t.Asked {
		line := inventory.RequestLine{Result: lineRunning, Detail: string(t.Rack.Milestone)}
		if lifecycle.RackRank(t.Rack.Milestone) >= lifecycle.RackRank(inventory.RackBurnedIn) {
			line.Result = lineOK
		}
		if req.Op == inventory.OpRackTest {
			line = inventory.RequestLine{Result: lineRefused, Detail: "this release runs no collective tests; sign rack.collective and rack.soak"}
		}
		if err := s.answer(ctx, t, req, line); err != nil {
			return err
		}
	}
	return nil
}
