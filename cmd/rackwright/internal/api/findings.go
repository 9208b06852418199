package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

// FindingLine is a finding with its sentence and the node's address.
type FindingLine struct {
	inventory.Finding
	Address  string `json:"address"`
	Sentence string `json:"sentence"` // what to do, verb first
}

func notFound(what, id string) error {
	return fmt.Errorf("%s %q: %w", what, id, inventory.ErrNotFound)
}

type findingsIn struct {
	Rack string `query:"rack" doc:"rack id or name"`
	Open bool   `query:"open" doc:"only open ones"`
}

type disposeIn struct {
	Finding string `path:"finding"`
	Body    struct {
		Disposition string `json:"disposition" enum:"received,missing,damaged,extra,wrong,fixed" doc:"decision at the dock, or fixed"`
	}
}

func (s *Service) addFindings(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/findings", "list-findings", "Differences between expected and observed"), s.listFindings)
	huma.Register(api, op(http.MethodPost, "/findings/{finding}/disposition", "dispose", "Decide what happens with a finding at the dock"),
		func(ctx context.Context, in *disposeIn) (*body[FindingLine], error) {
			f, err := s.Store.Finding(ctx, inventory.FindingID(in.Finding))
			if errors.Is(err, inventory.ErrNotFound) {
				err = notFound("finding", in.Finding)
			}
			if err != nil {
				return nil, problem(err)
			}
			r, c, err := s.rack(ctx, string(f.Rack), auth.Scan)
			if errors.Is(err, inventory.ErrNotFound) { // of a rack that the caller does not see
				err = problem(notFound("finding", in.Finding))
			}
			if err != nil {
				return nil, err
			}
			if err := s.Store.Dispose(ctx, f.ID, in.Body.Disposition, c.Person.ID); err != nil {
				return nil, problem(err)
			}
			s.wake()
			if f, err = s.Store.Finding(ctx, f.ID); err != nil {
				return nil, problem(err)
			}
			return answer(s.line(ctx, r, f)), nil
		})
}

func (s *Service) listFindings(ctx context.Context, in *findingsIn) (*body[[]FindingLine], error) {
	mine, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	if in.Rack != "" {
		r, _, err := s.rack(ctx, in.Rack, auth.Read)
		if err != nil {
			return nil, err
		}
		mine = []inventory.Rack{r}
	}
	out := []FindingLine{}
	for _, r := range mine {
		list, err := s.Store.Findings(ctx, inventory.Selector{Racks: []inventory.RackID{r.ID}})
		if err != nil {
			return nil, problem(err)
		}
		for _, f := range list {
			if !in.Open || !f.Closed {
				out = append(out, s.line(ctx, r, f))
			}
		}
	}
	return answer(out), nil
}

func (s *Service) line(ctx context.Context, r inventory.Rack, f inventory.Finding) FindingLine {
	line := FindingLine{Finding: f, Address: r.Name, Sentence: inventory.Sentence(f.Fix, f.Args)}
	if n, err := s.Store.Node(ctx, f.Node); err == nil {
		line.Address = n.Address
	}
	return line
}
