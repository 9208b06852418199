package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

// Health asks the server who it is.
func (c *Client) Health(ctx context.Context) (api.Health, error) {
	return get[api.Health](ctx, c, nil, "health")
}

// Me asks the server who we are.
func (c *Client) Me(ctx context.Context) (api.Me, error) { return get[api.Me](ctx, c, nil, "me") }

// Racks lists the racks we may see.
func (c *Client) Racks(ctx context.Context) ([]api.RackLine, error) {
	return get[[]api.RackLine](ctx, c, nil, "racks")
}

// Rack reads one rack with its why.
func (c *Client) Rack(ctx context.Context, id string) (api.RackDetail, error) {
	return get[api.RackDetail](ctx, c, nil, "racks", id)
}

// Nodes lists nodes; empty arguments do not narrow.
func (c *Client) Nodes(ctx context.Context, rack, kind, milestone string) ([]api.NodeLine, error) {
	return get[[]api.NodeLine](ctx, c, query("rack", rack, "kind", kind, "milestone", milestone), "nodes")
}

// Node reads one node with its why; at and knownAt are RFC 3339 or empty.
func (c *Client) Node(ctx context.Context, id, at, knownAt string) (api.NodeDetail, error) {
	return get[api.NodeDetail](ctx, c, query("at", at, "known-at", knownAt), "nodes", id)
}

// Findings lists differences.
func (c *Client) Findings(ctx context.Context, rack string, open bool) ([]api.FindingLine, error) {
	q := query("rack", rack)
	if open {
		q.Set("open", "true")
	}
	return get[[]api.FindingLine](ctx, c, q, "findings")
}

// Dispose decides what happens with a finding at the dock.
func (c *Client) Dispose(ctx context.Context, finding, disposition string) (api.FindingLine, error) {
	return post[api.FindingLine](ctx, c, map[string]string{"disposition": disposition}, nil, "findings", finding, "disposition")
}

// Sightings lists unknown machines.
func (c *Client) Sightings(ctx context.Context) ([]inventory.Sighting, error) {
	return get[[]inventory.Sighting](ctx, c, nil, "sightings")
}

// Start asks for work; the same key gives the same run.
func (c *Client) Start(ctx context.Context, key string, dryRun bool, in api.StartRequest) (inventory.Request, error) {
	q := url.Values{}
	if dryRun {
		q.Set("dryRun", "true")
	}
	var out inventory.Request
	err := c.do(ctx, call{method: http.MethodPost, path: "/requests", query: q, in: in, key: key}, &out)
	return out, err
}

// Run reads a request or a run.
func (c *Client) Run(ctx context.Context, id string) (api.RunDetail, error) {
	return get[api.RunDetail](ctx, c, nil, "runs", id)
}

// Requests lists what was asked of a rack.
func (c *Client) Requests(ctx context.Context, rack string) ([]inventory.Request, error) {
	return get[[]inventory.Request](ctx, c, nil, "racks", rack, "requests")
}

// Hold sets a hold, Release lifts it, BreakLock breaks a lock.
func (c *Client) Hold(ctx context.Context, in api.HoldRequest) (api.Held, error) {
	return post[api.Held](ctx, c, in, nil, "holds")
}

// Release lifts a hold.
func (c *Client) Release(ctx context.Context, in api.HoldRequest) (api.Held, error) {
	return post[api.Held](ctx, c, in, nil, "holds", "release")
}

// BreakLock breaks a lock; its unsettled work becomes unknown.
func (c *Client) BreakLock(ctx context.Context, in api.HoldRequest) (api.Held, error) {
	return post[api.Held](ctx, c, in, nil, "locks", "break")
}

// Locks lists which run holds which scope.
func (c *Client) Locks(ctx context.Context) ([]inventory.Lock, error) {
	return get[[]inventory.Lock](ctx, c, nil, "locks")
}

// AskWaiver asks for a waiver.
func (c *Client) AskWaiver(ctx context.Context, in api.WaiverRequest) (inventory.Waiver, error) {
	return post[inventory.Waiver](ctx, c, in, nil, "waivers")
}

// ApproveWaiver approves what somebody else asked for.
func (c *Client) ApproveWaiver(ctx context.Context, rack, waiver string) (inventory.Waiver, error) {
	return post[inventory.Waiver](ctx, c, nil, query("rack", rack), "waivers", waiver, "approval")
}

// Waivers lists a rack's waivers.
func (c *Client) Waivers(ctx context.Context, rack string) ([]inventory.Waiver, error) {
	return get[[]inventory.Waiver](ctx, c, nil, "racks", rack, "waivers")
}

// People lists people and grants.
func (c *Client) People(ctx context.Context) ([]inventory.Person, error) {
	return get[[]inventory.Person](ctx, c, nil, "people")
}

// SavePerson adds or changes a person.
func (c *Client) SavePerson(ctx context.Context, p inventory.Person) (inventory.Person, error) {
	var out inventory.Person
	in := map[string]any{"name": p.Name, "grants": p.Grants, "disabled": p.Disabled}
	err := c.do(ctx, call{method: http.MethodPut, path: path("people", string(p.ID)), in: in}, &out)
	return out, err
}

// MakeToken makes a token; it is shown once.
func (c *Client) MakeToken(ctx context.Context, in api.TokenRequest) (api.NewTokenAnswer, error) {
	return post[api.NewTokenAnswer](ctx, c, in, nil, "tokens")
}

// RackEvents reads a rack's chain after a number.
func (c *Client) RackEvents(ctx context.Context, rack string, after uint64, limit int) ([]inventory.Entry, error) {
	return get[[]inventory.Entry](ctx, c, query("after", fmt.Sprint(after), "limit", fmt.Sprint(limit)), "racks", rack, "events")
}

// Watch calls seen for each new event of a rack's chain until the context
// ends, seen returns false, or the stream breaks. The rack may carry the number
// of the last entry already known: A12:118.
func (c *Client) Watch(ctx context.Context, rack string, seen func(inventory.Entry) bool) error {
	resp, err := c.send(ctx, call{method: http.MethodGet, path: "/events", query: query("chains", rack)})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), 8<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e inventory.Entry
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("watch %s: %w", rack, err)
		}
		if !seen(e) {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("watch %s: %w: %w", rack, ErrUnreachable, err)
	}
	return fmt.Errorf("watch %s: the stream ended: %w", rack, io.ErrUnexpectedEOF)
}

func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}
