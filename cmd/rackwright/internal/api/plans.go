package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/inventory"
)

// BurnInPlan is a burn-in plan of this release as written, before it is
// resolved for one machine.
type BurnInPlan struct {
	burnin.Profile
	Digest inventory.Digest `json:"digest"`
}

func (s *Service) addBurnInPlans(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/burnin/plans", "list-burnin-plans", "Burn-in plans of this release, with every limit and its source"),
		func(ctx context.Context, _ *struct{}) (*body[[]BurnInPlan], error) {
			if _, err := caller(ctx); err != nil {
				return nil, err
			}
			out := []BurnInPlan{}
			for _, name := range plan.Names() {
				p, err := plan.Embedded(name)
				if err != nil {
					return nil, problem(err)
				}
				out = append(out, BurnInPlan{Profile: p, Digest: p.Digest()})
			}
			return answer(out), nil
		})
	huma.Register(api, op(http.MethodGet, "/burnin/plans/{plan}", "get-burnin-plan", "One burn-in plan"),
		func(ctx context.Context, in *struct {
			Plan string `path:"plan"`
		}) (*body[BurnInPlan], error) {
			if _, err := caller(ctx); err != nil {
				return nil, err
			}
			p, err := plan.Embedded(in.Plan)
			return answer(BurnInPlan{Profile: p, Digest: p.Digest()}), problem(err)
		})
}
