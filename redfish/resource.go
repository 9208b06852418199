package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// get reads one JSON resource: exactly as advertised, and once more with the
// trailing slash dropped after a 404.
func (b *broker) get(ctx context.Context, c call, uri string) (*reply, error) {
	c.json = true
	if c.op == "" {
		c.op = "get " + uri
	}
	r, err := b.do(ctx, c, http.MethodGet, uri, nil)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound && strings.HasSuffix(uri, "/") && uri != rootURI {
		if again, err := b.do(ctx, c, http.MethodGet, twin(uri), nil); err == nil {
			return again, nil
		}
	}
	return r, err
}

// read decodes one resource into v.
func (b *broker) read(ctx context.Context, c call, uri string, v any) error {
	if uri == "" {
		return &Error{Op: c.op, Endpoint: b.name, Err: fmt.Errorf("%w: the BMC does not link to it", ErrUnsupported)}
	}
	r, err := b.get(ctx, c, uri)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		return &Error{Op: c.op, Endpoint: b.name, Status: r.status, Err: fmt.Errorf("%s: %w", uri, err)}
	}
	return nil
}

// document reads the service root under the session: some roots say more, or
// anything at all, only then.
func (b *broker) document(ctx context.Context) (*serviceRoot, error) {
	b.mu.Lock()
	root := b.root
	b.mu.Unlock()
	if root != nil {
		return root, nil
	}
	root = &serviceRoot{}
	if err := b.read(ctx, call{op: "get " + rootURI}, rootURI, root); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.root = root
	return root, nil
}

// members lists a collection, whole members included, to its last page.
func (b *broker) members(ctx context.Context, c call, uri string) ([]member, error) {
	var all []member
	seen := map[string]bool{}
	for uri != "" {
		if seen[resourceKey(uri)] {
			return all, &Error{Op: c.op, Endpoint: b.name, Err: fmt.Errorf("%s: the list of pages runs in a circle", uri)}
		}
		seen[resourceKey(uri)] = true
		var page struct {
			Members []json.RawMessage
			Next    string `json:"Members@odata.nextLink"`
		}
		if err := b.read(ctx, c, uri, &page); err != nil {
			return all, err
		}
		for _, raw := range page.Members {
			if string(raw) == "null" {
				continue
			}
			href, whole := linkOf(raw)
			if href == "" { // who leaves it out may miss a running task
				return all, &Error{Op: c.op, Endpoint: b.name, Err: fmt.Errorf("%s: a member names no resource", uri)}
			}
			m := member{uri: href}
			if whole {
				m.body = raw
			}
			all = append(all, m)
		}
		uri = page.Next
	}
	return all, nil
}

// member is one entry of a collection; body is set if it came expanded.
type member struct {
	uri  string
	body json.RawMessage
}

// load decodes the member, reading it only if it was not expanded.
func (b *broker) loadMember(ctx context.Context, c call, m member, v any) error {
	if m.body == nil {
		return b.read(ctx, c, m.uri, v)
	}
	if err := json.Unmarshal(m.body, v); err != nil {
		return &Error{Op: c.op, Endpoint: b.name, Err: fmt.Errorf("%s: %w", m.uri, err)}
	}
	return nil
}

// post runs an action or creates something: sent once, without If-Match (iDRAC
// answers 412 to it on actions).
func (b *BMC) post(ctx context.Context, c call, uri string, body any) (*reply, error) {
	if err := b.open(); err != nil {
		return nil, err
	}
	c.guard = b.guard
	return b.broker.do(ctx, c, http.MethodPost, uri, body)
}

// read decodes a resource for a verb.
func (b *BMC) read(ctx context.Context, op, uri string, v any) error {
	if err := b.open(); err != nil {
		return err
	}
	return b.broker.read(ctx, call{op: op}, uri, v)
}
