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

// WaiverRequest asks that one gate, or one finding accepted as found, may pass
// although it did not. It counts once a second person approves it.
type WaiverRequest struct {
	On      string              `json:"on" doc:"rack or node, id or address"`
	Gate    inventory.Gate      `json:"gate,omitempty"`
	Finding inventory.FindingID `json:"finding,omitempty"`
	Reason  string              `json:"reason" minLength:"10" doc:"it is printed on the certificate"`
	Until   time.Time           `json:"until" doc:"expiry"`
}

type waiveIn struct{ Body WaiverRequest }

type approveIn struct {
	Waiver string `path:"waiver"`
	Rack   string `query:"rack" required:"true" doc:"rack the waiver belongs to"`
}

func (s *Service) addWaivers(api huma.API) {
	huma.Register(api, op(http.MethodPost, "/waivers", "ask-waiver", "Ask for a waiver"), s.askWaiver)
	huma.Register(api, op(http.MethodPost, "/waivers/{waiver}/approval", "approve-waiver", "Approve a waiver that somebody else asked for"), s.approveWaiver)
	huma.Register(api, op(http.MethodGet, "/racks/{rack}/waivers", "list-waivers", "Waivers of a rack and its members"),
		func(ctx context.Context, in *rackPath) (*body[[]inventory.Waiver], error) {
			r, _, err := s.rack(ctx, in.Rack, auth.Read)
			if err != nil {
				return nil, err
			}
			list, err := s.Store.Waivers(ctx, inventory.RackSubject(r.ID))
			return answer(nonNil(list)), problem(err)
		})
}

func (s *Service) askWaiver(ctx context.Context, in *waiveIn) (*body[inventory.Waiver], error) {
	on, _, c, err := s.subject(ctx, in.Body.On, auth.AskWaiver)
	if err != nil {
		return nil, err
	}
	if (in.Body.Gate == "") == (in.Body.Finding == "") {
		return nil, invalid("name either a gate or a finding", "See rackwright describe for the gates, rackwright get findings for the findings.")
	}
	if !in.Body.Until.After(now()) {
		return nil, invalid("the waiver would be expired already", "Give an expiry in the future.")
	}
	w := inventory.Waiver{Gate: in.Body.Gate, Finding: in.Body.Finding, Subject: on, Reason: strings.TrimSpace(in.Body.Reason),
		Requester: c.Person.ID, Until: in.Body.Until.UTC(), At: now().UTC()}
	if w.ID, err = s.Store.Waive(ctx, w); err != nil {
		return nil, problem(err)
	}
	return answer(w), nil
}

func (s *Service) approveWaiver(ctx context.Context, in *approveIn) (*body[inventory.Waiver], error) {
	r, c, err := s.rack(ctx, in.Rack, auth.ApproveWaiver)
	if err != nil {
		return nil, err
	}
	list, err := s.Store.Waivers(ctx, inventory.RackSubject(r.ID))
	if err != nil {
		return nil, problem(err)
	}
	for _, w := range list {
		if string(w.ID) != in.Waiver {
			continue
		}
		if err := auth.Different(w.Requester, c.Person.ID, "a waiver"); err != nil {
			return nil, problem(err)
		}
		w.Approver = c.Person.ID
		if _, err := s.Store.Waive(ctx, w); err != nil {
			return nil, problem(err)
		}
		s.wake()
		return answer(w), nil
	}
	return nil, problem(notFound("waiver", in.Waiver))
}
