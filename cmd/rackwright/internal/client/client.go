package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

// Login is where and as whom a client speaks. Pin is the SHA-256 of the
// server's public key (hex), for servers whose certificate no public CA knows;
// empty means the system's trust store.
type Login struct {
	Server string           `json:"server"` // https://host:8443
	Token  inventory.Secret `json:"-"`
	Pin    string           `json:"pin,omitempty"`
}

// ErrUnreachable: the server did not answer; nothing is known about the request.
var ErrUnreachable = errors.New("server is unreachable")

// ErrOtherKey: whoever answers does not hold the pinned key; nothing was sent.
var ErrOtherKey = errors.New("another key")

// Client speaks to one server. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token inventory.Secret
	http  *http.Client
}

// New checks the login's form; it does not connect.
func New(l Login) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(l.Server, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("server %q: write https://host:8443: %w", l.Server, inventory.ErrInvalid)
	}
	if base.Scheme == "http" && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("server %q: a token must not travel in clear; use https: %w", l.Server, inventory.ErrInvalid)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // a hall has none, and an environment's must not see the token
	if l.Pin != "" {
		want := strings.ToLower(strings.TrimPrefix(l.Pin, "sha256:"))
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: pinned(want)}
	}
	return &Client{base: base, token: l.Token, http: &http.Client{Transport: t}}, nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// pinned accepts exactly one public key; the chain is not asked because a
// site's first certificate has none.
func pinned(want string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server showed no certificate")
		}
		if got := KeyPin(s.PeerCertificates[0]); got != want {
			return fmt.Errorf("%w: the server's key is %s, pinned is %s: if the certificate was renewed, run rackwright login again", ErrOtherKey, got, want)
		}
		return nil
	}
}

// KeyPin is the hex SHA-256 of a certificate's public key.
func KeyPin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// call is one request.
type call struct {
	method, path string
	query        url.Values
	in           any
	raw          []byte // instead of in
	contentType  string
	key          string // idempotency
	header       map[string]string
	stream       io.Reader // instead of in and raw, size bytes long
	size         int64
}

// Do sends one JSON request. out may be nil.
func (c *Client) do(ctx context.Context, q call, out any) error {
	resp, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: the answer is not readable: %w", q.method, q.path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, q call) (*http.Response, error) {
	content, kind := q.raw, q.contentType
	if q.in != nil {
		var err error
		if content, err = json.Marshal(q.in); err != nil {
			return nil, fmt.Errorf("%s %s: %w", q.method, q.path, err)
		}
		kind = "application/json"
	}
	target := c.base.String() + "/v1" + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", q.method, q.path, err)
	}
	if q.stream != nil {
		req.Body, req.GetBody, req.ContentLength = io.NopCloser(q.stream), nil, q.size
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	req.Header.Set("X-Rackwright-Via", "cli")
	if q.key != "" {
		req.Header.Set("Idempotency-Key", q.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w: %w", c.base, ErrUnreachable, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, problem(resp)
	}
	return resp, nil
}

// maxProblem bounds an error body: a wrong server may answer anything.
const maxProblem = 1 << 20

func problem(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	var p api.Problem
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Code == "" {
		p = api.Problem{Status: resp.StatusCode, Code: "unreadable", Detail: fmt.Sprintf("the server answered %s and no problem document", resp.Status),
			Fix: "Check that this address is a Rackwright management address."}
	}
	return &p
}

// get fetches a path of escaped segments.
func get[T any](ctx context.Context, c *Client, query url.Values, segments ...string) (T, error) {
	var out T
	err := c.do(ctx, call{method: http.MethodGet, path: path(segments...), query: query}, &out)
	return out, err
}

func post[T any](ctx context.Context, c *Client, in any, query url.Values, segments ...string) (T, error) {
	var out T
	err := c.do(ctx, call{method: http.MethodPost, path: path(segments...), query: query, in: in}, &out)
	return out, err
}

// path escapes each segment, so that A12/C07 stays one.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}
