package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
)

const octets = "application/octet-stream"

// Import sends a manifest as it is.
func (c *Client) Import(ctx context.Context, document []byte, dryRun bool) (api.ImportAnswer, error) {
	q := url.Values{}
	if dryRun {
		q.Set("dryRun", "true")
	}
	var out api.ImportAnswer
	err := c.do(ctx, call{method: http.MethodPost, path: "/manifests", query: q, raw: document, contentType: octets}, &out)
	return out, err
}

// Scan files one scanned label.
func (c *Client) Scan(ctx context.Context, in api.ScanRequest) (api.ScanAnswer, error) {
	return post[api.ScanAnswer](ctx, c, in, nil, "scans")
}

// Signoff signs checklist gates.
func (c *Client) Signoff(ctx context.Context, in api.SignoffRequest, dryRun bool) ([]api.Signed, error) {
	q := url.Values{}
	if dryRun {
		q.Set("dryRun", "true")
	}
	return post[[]api.Signed](ctx, c, in, q, "signoffs")
}

// Draft reads the frozen certificate draft of a rack.
func (c *Client) Draft(ctx context.Context, rack string) (api.Draft, error) {
	return get[api.Draft](ctx, c, nil, "racks", rack, "draft")
}

// SignDraft signs a draft as deliverer or acceptor.
func (c *Client) SignDraft(ctx context.Context, rack string, in api.SignatureRequest) (api.Draft, error) {
	return post[api.Draft](ctx, c, in, nil, "racks", rack, "signatures")
}

// Package fetches the handover package of a rack.
func (c *Client) Package(ctx context.Context, rack string, to io.Writer) (int64, error) {
	return c.fetch(ctx, path("racks", rack, "package"), to)
}

// Backup fetches the whole record as one SQLite file.
func (c *Client) Backup(ctx context.Context, to io.Writer) (int64, error) {
	return c.fetch(ctx, "/backup", to)
}

// fetch copies an answer that is a file; a cut one is an error.
func (c *Client) fetch(ctx context.Context, from string, to io.Writer) (int64, error) {
	resp, err := c.send(ctx, call{method: http.MethodGet, path: from})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(to, resp.Body)
	if err == nil && resp.ContentLength >= 0 && n != resp.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return n, fmt.Errorf("GET %s: only %d bytes came: %w", from, n, err)
	}
	return n, nil
}

// Key reads the public key of the site's packages.
func (c *Client) Key(ctx context.Context) (api.KeyAnswer, error) {
	return get[api.KeyAnswer](ctx, c, nil, "key")
}
