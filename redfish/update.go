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

// Ways an image gets in.
const (
	pushMultipart = "multipart"
	pushRaw       = "push"
	pushPull      = "pull"
)

// updateService is what StartUpdate needs of it. The URIs differ by vendor and
// are always read, never known.
type updateService struct {
	odata
	ServiceEnabled       *bool
	MultipartHTTPPushURI string `json:"MultipartHttpPushUri"`
	HTTPPushURI          string `json:"HttpPushUri"`
	Busy                 *bool  `json:"HttpPushUriTargetsBusy"`
	MaxImageSizeBytes    int64
	Options              struct {
		ApplyTime struct{ ApplyTime string } `json:"HttpPushUriApplyTime"`
	} `json:"HttpPushUriOptions"`
	Actions map[string]rawJSON
}

const simpleUpdate = "#UpdateService.SimpleUpdate"

// StartUpdate hands one image to the BMC and returns the task it became, or ""
// if the BMC made none: then the versions say. Multipart, then HttpPushUri; pull
// by SimpleUpdate if Update.URI is set. It is sent once: after ErrOutcomeUnknown
// look at tasks and versions before anything else.
func (b *BMC) StartUpdate(ctx context.Context, u Update) (TaskID, error) {
	op := "start update"
	if err := b.open(); err != nil {
		return "", err
	}
	if b.guard == nil {
		return "", b.broker.refuse(op, ErrReadOnly, "dial with a guard to write")
	}
	if err := b.checkUpdate(&u); err != nil {
		return "", b.broker.refuse(op, err, "")
	}
	if b.profile.Driver == driverOpenBMC && u.URI == "" {
		return b.openbmcUpdate(ctx, op, u)
	}
	root, err := b.broker.document(ctx)
	if err != nil {
		return "", err
	}
	var s updateService
	if err := b.broker.read(ctx, call{op: op}, root.UpdateService.ID, &s); err != nil {
		return "", err
	}
	s.ID = root.UpdateService.ID
	switch {
	case s.ServiceEnabled != nil && !*s.ServiceEnabled:
		return "", b.broker.refuse(op, fmt.Errorf("%w: its update service is switched off", ErrUnsupported), "enable UpdateService.ServiceEnabled")
	case u.URI == "" && s.MaxImageSizeBytes > 0 && u.Size > s.MaxImageSizeBytes:
		return "", b.broker.refuse(op, fmt.Errorf("%w: the image has %d bytes, the BMC takes %d", ErrUnsupported, u.Size, s.MaxImageSizeBytes), "let the BMC pull it, or split the image")
	}
	var r *reply
	switch way := b.way(u, s); way {
	case pushMultipart:
		r, err = b.pushMultipart(ctx, op, s.MultipartHTTPPushURI, u)
	case pushRaw:
		r, err = b.pushRaw(ctx, op, s, u)
	case pushPull:
		r, err = b.pull(ctx, op, s, u)
	default:
		err = b.broker.refuse(op, fmt.Errorf("%w: no way to give it an image", ErrUnsupported), "it offers neither MultipartHttpPushUri nor HttpPushUri")
	}
	if err != nil {
		return "", err
	}
	return b.broker.started(r)
}

// started names the task of an accepted update and remembers its birth.
func (b *broker) started(r *reply) (TaskID, error) {
	id := taskIDOf(r, b.taskCollection())
	if id == "" && r.status == http.StatusAccepted {
		return "", &Error{Op: "start update", Endpoint: b.name, Status: r.status,
			Err: fmt.Errorf("%w: accepted, but the answer names no task", ErrOutcomeUnknown), Hint: hintReadBack}
	}
	if id != "" {
		b.mu.Lock()
		b.tasks[id] = time.Now()
		b.mu.Unlock()
	}
	return id, nil
}

// checkUpdate finds what the caller or the profile has wrong before a byte moves.
func (b *BMC) checkUpdate(u *Update) error {
	switch {
	case (u.File == nil) == (u.URI == ""):
		return errors.New("an update has either a file to push or a URI to pull")
	case u.Force && b.profile.NoForce:
		return fmt.Errorf("%w: profile %s has no ForceUpdate", ErrUnsupported, b.profile.Name)
	case u.ApplyTime != "" && len(b.profile.ApplyTimes) > 0 && !slices.Contains(b.profile.ApplyTimes, u.ApplyTime):
		return fmt.Errorf("%w: profile %s takes the apply times %s, not %s", ErrUnsupported, b.profile.Name, strings.Join(b.profile.ApplyTimes, ", "), u.ApplyTime)
	case u.File == nil:
		return nil
	}
	info, err := u.File.Stat()
	if err != nil {
		return err
	}
	if u.Size == 0 {
		u.Size = info.Size()
	}
	if u.Size != info.Size() || u.Size == 0 {
		return fmt.Errorf("%s has %d bytes, planned were %d", filepath.Base(u.File.Name()), info.Size(), u.Size)
	}
	return nil
}

func (b *BMC) way(u Update, s updateService) string {
	_, simple := actionOf(s.Actions, simpleUpdate)
	switch {
	case u.URI != "" && simple:
		return pushPull
	case u.URI != "":
		return ""
	case s.MultipartHTTPPushURI != "" && b.profile.Push != pushRaw:
		return pushMultipart
	case s.HTTPPushURI != "" && b.profile.Push != pushMultipart:
		return pushRaw
	}
	return ""
}

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
