package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
