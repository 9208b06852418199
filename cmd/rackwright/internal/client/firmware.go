package client

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

// ImportBaseline sends a baseline with its detached minisign signature (the
// text of the .minisig file).
func (c *Client) ImportBaseline(ctx context.Context, document, signature []byte) (inventory.Ref, error) {
	var out inventory.Ref
	err := c.do(ctx, call{method: http.MethodPost, path: "/baselines", raw: document, contentType: octets,
		header: map[string]string{"X-Signature": base64.StdEncoding.EncodeToString(signature)}}, &out)
	return out, err
}

// BaselinesFull reads every baseline with its components.
func (c *Client) BaselinesFull(ctx context.Context) ([]api.BaselineLine, error) {
	return get[[]api.BaselineLine](ctx, c, nil, "firmware", "baselines")
}

// StorePlan plans a baseline for a node and stores the plan.
func (c *Client) StorePlan(ctx context.Context, node, baseline string) (api.PlanAnswer, error) {
	return post[api.PlanAnswer](ctx, c, nil, query("baseline", baseline), "nodes", node, "plans")
}

// Plan reads a stored firmware plan.
func (c *Client) Plan(ctx context.Context, digest string) (api.PlanAnswer, error) {
	return get[api.PlanAnswer](ctx, c, nil, "plans", digest)
}

// ApprovePlan consents to a plan that somebody else will start.
func (c *Client) ApprovePlan(ctx context.Context, digest, reason string) (api.PlanAnswer, error) {
	return post[api.PlanAnswer](ctx, c, map[string]string{"reason": reason}, nil, "plans", digest, "approval")
}
