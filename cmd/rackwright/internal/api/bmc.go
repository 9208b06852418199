package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

// BMCRequest changes how a node's BMC is reached: another address, or a key that
// a person confirms after a board or its firmware was changed.
type BMCRequest struct {
	URL        string `json:"url,omitempty" doc:"https://host or https://host:port"`
	ConfirmKey bool   `json:"confirmKey,omitempty" doc:"forget the pinned key and how many leak detectors it had; the next reading pins and counts what is shown then"`
	Factory    bool   `json:"factory,omitempty" doc:"the unit has the factory password of its label again: board replaced, or factory reset"`
	Reason     string `json:"reason" minLength:"10" doc:"it stays in the record"`
}

type bmcIn struct {
	Node string `path:"node" doc:"node id or address such as A12/C07 (slash as %2F)"`
	Body BMCRequest
}

func (s *Service) addBMC(api huma.API) {
	huma.Register(api, op(http.MethodPost, "/nodes/{node}/bmc", "set-bmc", "Set the address of a node's BMC, or confirm its new key"), s.setBMC)
}

func (s *Service) setBMC(ctx context.Context, in *bmcIn) (*body[NodeLine], error) {
	n, _, _, err := s.node(ctx, in.Node, auth.ApproveVendor)
	if err != nil {
		return nil, err
	}
	e := n.BMC
	if in.Body.URL == "" && !in.Body.ConfirmKey && !in.Body.Factory {
		return nil, invalid("nothing is changed", "Give url, confirmKey or factory.")
	}
	if in.Body.URL != "" {
		u, err := url.Parse(in.Body.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" {
			return nil, invalid("url "+in.Body.URL+" is no BMC address", "Write https://host or https://host:port, without user, password and path.")
		}
		e.URL = "https://" + u.Host
		if err := s.unclaimed(ctx, n, e.URL); err != nil {
			return nil, err
		}
	}
	onlyKey := in.Body.URL == "" && !in.Body.Factory // what waits for the BMC goes on at the same address
	if n.Operation != nil && !(onlyKey && n.Operation.Kind == inventory.OpPower) {
		return nil, invalid(n.Address+" is in "+string(n.Operation.Kind)+" ("+n.Operation.Step+"); its BMC is not changed under it", "Wait for its end: rackwright watch.")
	}
	if in.Body.ConfirmKey {
		e.Pin, e.Detectors = "", 0
	}
	if in.Body.Factory {
		e.Credential = "factory/" + n.Address
	}
	e.Note = strings.TrimSpace(in.Body.Reason)
	if err := s.Store.Bind(ctx, n.ID, e); err != nil {
		return nil, problem(err)
	}
	s.wake()
	d, err := s.NodeDetail(ctx, n, inventory.At{})
	return answer(d.NodeLine), problem(err)
}

// unclaimed: no node of another rack answers there; a mistyped address powers off
// somebody else's machine. Nodes of one tray share a BMC.
func (s *Service) unclaimed(ctx context.Context, n inventory.Node, at string) error {
	racks, err := s.Store.Racks(ctx)
	if err != nil {
		return problem(err)
	}
	_, found, err := s.elsewhere(ctx, racks, n.Rack, func(o inventory.Node) bool { return o.BMC.URL == at })
	if err != nil || !found {
		return err
	}
	return invalid(at+" is the BMC of a node in another rack already", "Compare the label of "+n.Address+"; an address that moved is freed there first.")
}
