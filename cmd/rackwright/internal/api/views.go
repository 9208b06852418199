package api

import (
	"context"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

// Racks are the racks the caller of the context may read, as the list shows them.
func (s *Service) Racks(ctx context.Context) ([]RackLine, error) {
	out, err := s.listRacks(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

// RackOf reads one rack for the caller of the context; a foreign rack does not exist.
func (s *Service) RackOf(ctx context.Context, id string) (RackDetail, error) {
	r, _, err := s.rack(ctx, id, auth.Read)
	if err != nil {
		return RackDetail{}, err
	}
	return s.RackDetail(ctx, r)
}

// NodeOf reads one node and its rack's last events that name it.
func (s *Service) NodeOf(ctx context.Context, id string) (NodeDetail, []inventory.Entry, error) {
	n, r, _, err := s.node(ctx, id, auth.Read)
	if err != nil {
		return NodeDetail{}, nil, err
	}
	d, err := s.NodeDetail(ctx, n, inventory.At{})
	if err != nil {
		return d, nil, err
	}
	seq, _, err := s.Store.Head(ctx, inventory.RackSubject(r.ID))
	if err != nil {
		return d, nil, err
	}
	after := uint64(0)
	if seq > history {
		after = seq - history
	}
	var out []inventory.Entry
	for e, err := range s.Store.Entries(ctx, inventory.RackSubject(r.ID), after) {
		if err != nil {
			return d, nil, err
		}
		if names(e, n) {
			out = append(out, e)
		}
	}
	return d, out, nil
}

// history is how many entries of a rack the page of one node looks through.
const history = 2000
