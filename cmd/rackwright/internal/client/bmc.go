package client

import (
	"context"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
)

// SetBMC changes how a node's BMC is reached.
func (c *Client) SetBMC(ctx context.Context, node string, in api.BMCRequest) (api.NodeLine, error) {
	return post[api.NodeLine](ctx, c, in, nil, "nodes", node, "bmc")
}
