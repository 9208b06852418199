package redfish

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// maxBody is the largest body that is read: 5 MB bodies are real.
const maxBody = 16 << 20

// get reads one JSON resource under the full policy of this package.
func (b *BMC) get(ctx context.Context, uri string) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.endpoint.URL+uri, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, &Error{Op: "get " + uri, Endpoint: b.endpoint.URL, Err: fmt.Errorf("%w: %w", ErrUnreachable, err)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, &Error{Op: "get " + uri, Endpoint: b.endpoint.URL, Status: resp.StatusCode, Err: err}
	}
	return body, nil
}
