package client

import (
	"context"
	"io"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
)

// BurnInPlans lists the burn-in plans of the server's release.
func (c *Client) BurnInPlans(ctx context.Context) ([]api.BurnInPlan, error) {
	return get[[]api.BurnInPlan](ctx, c, nil, "burnin", "plans")
}

// BurnInPlan reads one burn-in plan.
func (c *Client) BurnInPlan(ctx context.Context, name string) (api.BurnInPlan, error) {
	return get[api.BurnInPlan](ctx, c, nil, "burnin", "plans", name)
}

// Verdict reads what burn-in said in a run, or in all runs of a request.
func (c *Client) Verdict(ctx context.Context, run string) (api.RunVerdict, error) {
	return get[api.RunVerdict](ctx, c, nil, "runs", run, "verdict")
}

// JUnit fetches the same as JUnit XML.
func (c *Client) JUnit(ctx context.Context, run string, to io.Writer) (int64, error) {
	return c.fetch(ctx, path("runs", run, "junit"), to)
}
