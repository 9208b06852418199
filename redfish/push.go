package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// parameters are the UpdateParameters of DSP0266 §12.6.2: only what was asked
// for, because upstream bmcweb refuses what it does not know.
func parameters(u Update) map[string]any {
	p := map[string]any{}
	if u.Targets != nil {
		p["Targets"] = u.Targets
	}
	if u.ApplyTime != "" {
		p["@Redfish.OperationApplyTime"] = u.ApplyTime
	}
	if u.Force {
		p["ForceUpdate"] = true
	}
	return p
}

func (b *BMC) image(u Update) io.Reader {
	return newHashed(io.NewSectionReader(u.File, 0, u.Size), u.Size, u.Digest)
}

func (b *BMC) pushMultipart(ctx context.Context, op, uri string, u Update) (*reply, error) {
	body, err := multipartBody(parameters(u), filepath.Base(u.File.Name()), b.image(u), u.Size)
	if err != nil {
		return nil, b.broker.refuse(op, err, "")
	}
	return b.push(ctx, op, uri, body)
}

// pushRaw is the deprecated way: settings on the service, then the bare bytes.
// Where the service has a claim it is taken first and given back on every exit.
func (b *BMC) pushRaw(ctx context.Context, op string, s updateService, u Update) (*reply, error) {
	if s.Busy != nil && *s.Busy {
		return nil, &Error{Op: op, Endpoint: b.broker.name, Err: fmt.Errorf("%w: another updater has claimed the service", ErrBusy), Wait: 30 * time.Second}
	}
	if u.Force {
		return nil, b.broker.refuse(op, fmt.Errorf("%w: a raw push cannot force", ErrUnsupported), "")
	}
	settings := map[string]any{}
	if u.ApplyTime != "" && s.Options.ApplyTime.ApplyTime != u.ApplyTime {
		settings["HttpPushUriOptions"] = map[string]any{"HttpPushUriApplyTime": map[string]any{"ApplyTime": u.ApplyTime}}
	}
	if len(u.Targets) > 0 {
		settings["HttpPushUriTargets"] = u.Targets
	}
	if s.Busy != nil {
		settings["HttpPushUriTargetsBusy"] = true
		defer b.unclaim(ctx, op, s.ID)
	}
	if len(settings) > 0 {
		if err := b.patch(ctx, call{op: op}, s.ID, settings); err != nil {
			return nil, err
		}
	}
	return b.push(ctx, op, s.HTTPPushURI, upload{Reader: b.image(u), contentType: "application/octet-stream", length: u.Size})
}

func (b *BMC) unclaim(ctx context.Context, op, uri string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	if err := b.patch(ctx, call{op: op}, uri, map[string]any{"HttpPushUriTargetsBusy": false}); err != nil {
		b.log.Warn("claim on the update service not given back", "err", err)
	}
}

// push sends the body once. Expect: 100-continue lets the BMC refuse (401, 413,
// 503) before the image is on its way.
func (b *BMC) push(ctx context.Context, op, uri string, body upload) (*reply, error) {
	req, err := b.broker.request(ctx, call{op: op, guard: b.guard}, http.MethodPost, uri, io.NopCloser(body.Reader))
	if err != nil {
		return nil, b.broker.refuse(op, err, "")
	}
	req.ContentLength = body.length
	req.Header.Set("Content-Type", body.contentType)
	if !b.profile.NoExpect {
		req.Header.Set("Expect", "100-continue")
	}
	return b.broker.send(b.broker.chain, req)
}

// pull lets the BMC fetch the image itself (SimpleUpdate).
func (b *BMC) pull(ctx context.Context, op string, s updateService, u Update) (*reply, error) {
	a, _ := actionOf(s.Actions, simpleUpdate)
	from, err := url.Parse(u.URI)
	if err != nil || from.Host == "" {
		return nil, b.broker.refuse(op, errors.New("the image address is not a complete URL"), "")
	}
	body := parameters(u)
	body["ImageURI"] = u.URI
	if protocol := strings.ToUpper(from.Scheme); slices.Contains(transferProtocols(s.Actions[simpleUpdate]), protocol) {
		body["TransferProtocol"] = protocol // some want it though the URI says it
	}
	return b.post(ctx, call{op: op}, a.Target, body)
}

// transferProtocols lists what the action advertises; BlueField nests the list.
func transferProtocols(action rawJSON) []string {
	var a struct {
		Values []json.RawMessage `json:"TransferProtocol@Redfish.AllowableValues"`
	}
	if json.Unmarshal(action, &a) != nil {
		return nil
	}
	var out []string
	for _, v := range a.Values {
		var one string
		var more []string
		if json.Unmarshal(v, &one) == nil {
			out = append(out, one)
		} else if json.Unmarshal(v, &more) == nil {
			out = append(out, more...)
		}
	}
	return out
}
