package redfish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bmc-toolbox/bmclib/v2/providers/openbmc"
	"github.com/go-logr/logr"
)

// driverOpenBMC is Profile.Driver of the one bmclib provider that is wired.
const driverOpenBMC = "openbmc"

// The provider wants ten minutes left in its context and freezes them as its
// client's time-out. Our round tripper carries the real context, so this only
// has to be long.
const providerTime = 2 * time.Hour

// openbmcUpdate pushes an image with bmclib's openbmc provider alone: built by
// its own package, never through the umbrella client, which would try the next
// provider after a failed upload.
func (b *BMC) openbmcUpdate(ctx context.Context, op string, u Update) (TaskID, error) {
	if u.Digest != "" { // the provider reads the file itself, so it is checked before
		if _, err := io.Copy(io.Discard, b.image(u)); err != nil {
			return "", b.broker.refuse(op, err, "fetch the image again")
		}
	}
	if len(u.Targets) > 0 || u.ApplyTime != "" && u.ApplyTime != "OnReset" {
		return "", b.broker.refuse(op, fmt.Errorf("%w: the openbmc driver takes no targets and applies on reset", ErrUnsupported), "use a profile without a driver")
	}
	if _, err := u.File.Seek(0, io.SeekStart); err != nil {
		return "", b.broker.refuse(op, err, "")
	}
	long, cancel := context.WithTimeout(context.WithoutCancel(ctx), providerTime)
	defer cancel()
	rt := b.provider(ctx, op)
	conn := openbmc.New(b.broker.name, "rackwright", "not sent", logr.Discard(), openbmc.WithHttpClient(rt.client()), openbmc.WithPort(""), openbmc.WithUseBasicAuth(true))
	if err := conn.Open(long); err != nil {
		return "", rt.explain(err)
	}
	id, err := conn.FirmwareInstallUploadAndInitiate(long, "BMC", u.File)
	if err != nil {
		return "", rt.explain(err)
	}
	r := rt.accepted(id)
	if r == nil {
		return "", &Error{Op: op, Endpoint: b.broker.name, Err: fmt.Errorf("%w: the provider reports an update that we saw no answer to", ErrOutcomeUnknown), Hint: hintReadBack}
	}
	return b.broker.started(r)
}

// provider makes the round tripper through which a bmclib provider reaches this
// BMC for the length of one call: with our context, session, limits, guard and
// pin. The provider is told to use Basic so that it opens no session of its own;
// those credentials are replaced by our token and never leave.
func (b *BMC) provider(ctx context.Context, op string) *providerTripper {
	return &providerTripper{b: b, ctx: ctx, call: call{op: op, guard: b.guard}}
}

type providerTripper struct {
	b    *BMC
	ctx  context.Context //nolint:containedctx // lives for one call: bmclib does not pass contexts on
	call call

	mu    sync.Mutex
	write *reply // the answer to its last write
	fault error  // or why there was none
}

func (p *providerTripper) client() *http.Client {
	return &http.Client{Transport: p, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// RoundTrip implements http.RoundTripper.
func (p *providerTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	defer closeBody(req)
	out := req.Clone(withCall(p.ctx, p.call))
	out.Header.Del("Authorization")
	out.URL = &url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	out.GetBody = nil
	resp, err := p.b.broker.chain.RoundTrip(out)
	if !isWrite(req) {
		return resp, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write, p.fault = nil, err
	if err == nil {
		p.write = &reply{status: resp.StatusCode, header: resp.Header, body: peek(resp)}
	}
	return resp, err
}

// explain gives the typed error of what happened on the wire; bmclib turns
// causes into text.
func (p *providerTripper) explain(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := p.b.broker.name
	switch {
	case p.fault != nil:
		return fault(p.call.op, name, true, p.fault)
	case p.write != nil && p.write.status >= 300:
		return verdict(p.call.op, name, true, p.write.status, p.write.header, p.write.body)
	case p.write != nil:
		return &Error{Op: p.call.op, Endpoint: name, Status: p.write.status, Err: fmt.Errorf("%w: %w", ErrOutcomeUnknown, err), Hint: hintReadBack}
	}
	var own *Error
	var w *wireError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &w):
		return fault(p.call.op, name, false, w)
	case strings.Contains(err.Error(), "not an OpenBMC device"):
		return &Error{Op: p.call.op, Endpoint: name, Err: fmt.Errorf("%w: %w", ErrUnsupported, err), Hint: "this endpoint has the wrong profile"}
	}
	return &Error{Op: p.call.op, Endpoint: name, Err: err, Hint: "nothing was written"}
}

// accepted is the answer to the upload, from which we take the task ourselves;
// the provider's own reading of it stands in if that says nothing. Nil when no
// answer passed by.
func (p *providerTripper) accepted(id string) *reply {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.write
	if r != nil && taskIDOf(r, "") == "" && id != "" {
		r.header.Set("Location", "/redfish/v1/TaskService/Tasks/"+url.PathEscape(id))
	}
	return r
}
