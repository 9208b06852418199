package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

func now() time.Time { return time.Now() }

// HoldRequest sets or lifts a hold, or breaks a lock. The reason is required.
type HoldRequest struct {
	On     string             `json:"on" doc:"rack or node, id or address"`
	Name   inventory.HoldName `json:"name,omitempty" enum:"safety-latch,quarantine,maintenance,vendor-hold,external-hold,cred-unknown,location-mismatch"`
	Reason string             `json:"reason" minLength:"3"`
}

// Held is what a subject holds after a change.
type Held struct {
	Subject inventory.Subject `json:"subject"`
	Holds   []inventory.Hold  `json:"holds"`
	Locks   []inventory.Lock  `json:"locks,omitempty"`
}

func (s *Service) addHolds(api huma.API) {
	huma.Register(api, op(http.MethodPost, "/holds", "hold", "Set a hold; what it blocks stands in the law"), s.hold)
	huma.Register(api, op(http.MethodPost, "/holds/release", "release", "Lift a hold"), s.release)
	huma.Register(api, op(http.MethodGet, "/locks", "list-locks", "Which run holds which scope"), s.locks)
	huma.Register(api, op(http.MethodPost, "/locks/break", "break-lock", "Break a lock: its unsettled work becomes unknown"), s.breakLock)
}

type holdIn struct{ Body HoldRequest }

func (s *Service) hold(ctx context.Context, in *holdIn) (*body[Held], error) {
	on, _, c, err := s.subject(ctx, in.Body.On, auth.SetHold)
	if err != nil {
		return nil, err
	}
	if in.Body.Name == "" {
		return nil, invalid("no hold is named", "Name one of the seven holds, such as maintenance.")
	}
	h := inventory.Hold{Name: in.Body.Name, Reason: strings.TrimSpace(in.Body.Reason), By: c.Person.ID, Since: now().UTC()}
	if err := s.Store.Hold(ctx, on, h); err != nil {
		return nil, problem(err)
	}
	return s.held(ctx, on)
}

func (s *Service) release(ctx context.Context, in *holdIn) (*body[Held], error) {
	action := auth.SetHold
	if in.Body.Name == inventory.HoldSafetyLatch {
		action = auth.LiftSafety
	}
	on, _, c, err := s.subject(ctx, in.Body.On, action)
	if err != nil {
		return nil, err
	}
	if err := s.Store.Lift(ctx, on, in.Body.Name, c.Person.ID, strings.TrimSpace(in.Body.Reason)); err != nil {
		return nil, problem(err)
	}
	s.wake()
	return s.held(ctx, on)
}

func (s *Service) held(ctx context.Context, on inventory.Subject) (*body[Held], error) {
	h := Held{Subject: on, Holds: []inventory.Hold{}}
	if on.Scope == inventory.ScopeNode {
		n, err := s.Store.Node(ctx, inventory.NodeID(on.ID))
		h.Holds = nonNil(n.Holds)
		return answer(h), problem(err)
	}
	r, err := s.Store.Rack(ctx, inventory.RackID(on.ID))
	h.Holds = nonNil(r.Holds)
	return answer(h), problem(err)
}

func (s *Service) locks(ctx context.Context, _ *struct{}) (*body[[]inventory.Lock], error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	all, err := s.Store.Locks(ctx)
	if err != nil {
		return nil, problem(err)
	}
	mine := []inventory.Lock{}
	for _, l := range all {
		if s.sees(ctx, l.Scope) == nil {
			mine = append(mine, l)
		}
	}
	return answer(mine), nil
}

func (s *Service) breakLock(ctx context.Context, in *holdIn) (*body[Held], error) {
	on, _, c, err := s.subject(ctx, in.Body.On, auth.BreakLock)
	if err != nil {
		return nil, err
	}
	if err := s.Store.BreakLock(ctx, on, c.Person.ID, strings.TrimSpace(in.Body.Reason)); err != nil {
		return nil, problem(err)
	}
	s.wake()
	return s.held(ctx, on)
}
