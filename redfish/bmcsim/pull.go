package bmcsim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// simpleUpdate answers UpdateService.SimpleUpdate: the BMC pulls the image itself.
// The task runs from the first byte; the flash counts when the image is complete.
func (c *call) simpleUpdate() reply {
	var in object
	if out, ok := c.decode(&in); !ok {
		return out
	}
	b := c.b
	uri, err := url.Parse(str(in, "ImageURI"))
	if err != nil || uri.Scheme != "http" || uri.Host == "" {
		return badValue("ImageURI", str(in, "ImageURI"))
	}
	if p, has := in["TransferProtocol"]; has && p != "HTTP" {
		return badValue("TransferProtocol", fmt.Sprint(p))
	}
	delete(in, "ImageURI")
	delete(in, "TransferProtocol")
	p, out := b.parameters(in, []string{"Targets", "@Redfish.OperationApplyTime", "ForceUpdate"})
	if out.status != 0 {
		return out
	}
	if out, ok := b.openUpload(0); !ok {
		return out
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.newTask("Firmware update by pull")
	b.say(t, "Starting", 0, info("Update.1.2.TransferringToComponent", "The image is being transferred.", uri.Redacted()))
	ctx, cancel := context.WithCancel(b.fleet.ctx)
	b.running.Go(func() { defer cancel(); b.transfer(ctx, t, uri.String(), p) })
	return b.accepted(t)
}

// transfer fetches the image and goes on to the bank write.
func (b *BMC) transfer(ctx context.Context, t *task, uri string, p parameters) {
	defer b.closeUpload()
	img, err := fetch(ctx, uri)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.update.tasks[t.id] != t { // the BMC was reset meanwhile
		return
	}
	switch {
	case errors.Is(err, errCorrupt):
		b.count.RefusedPayloads++
		b.say(t, "Exception", -1, info("Update.1.2.VerificationFailed", "Verification of the image failed: "+err.Error()))
		return
	case err != nil:
		b.say(t, "Exception", -1, info("Update.1.2.TransferFailed", "Transfer of the image failed: "+err.Error()))
		return
	}
	writes, out := b.resolve(img, p)
	if out.status != 0 {
		b.count.RefusedPayloads++
		b.say(t, "Exception", -1, info("Update.1.2.UpdateNotApplicable", "The image does not apply to a component of the targets."))
		return
	}
	b.startWrite(t, img, writes, p)
}

func fetch(ctx context.Context, uri string) (image, error) {
	client := &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return image{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return image{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return image{}, fmt.Errorf("%s answered %s", req.URL.Redacted(), resp.Status)
	}
	return readImage(resp.Body)
}
