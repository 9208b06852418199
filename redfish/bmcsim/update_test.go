package bmcsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

const multi = updates + "/update-multipart"

// form is a multipart update body; parts in the order given.
func form(t *testing.T, params any, image []byte, order ...string) (body []byte, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if order == nil {
		order = []string{"UpdateParameters", "UpdateFile"}
	}
	for _, name := range order {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name=%q`, name)}, "Content-Type": {"application/json"}}
		raw, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		if name == "UpdateFile" {
			raw = image
			h.Set("Content-Disposition", `form-data; name="UpdateFile"; filename="fw.bin"`)
			h.Set("Content-Type", "application/octet-stream")
		}
		part, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func (p *peer) push(want int, params any, image []byte, order ...string) answer {
	p.t.Helper()
	body, kind := form(p.t, params, image, order...)
	return p.want(want, "POST", multi, body, "Content-Type", kind)
}

// finished polls the monitor until it is no longer 202.
func (p *peer) finished(monitor string) answer {
	p.t.Helper()
	var a answer
	eventually(p.t, "the end of "+monitor, func() bool {
		a = p.do("GET", monitor, nil)
		return a.StatusCode != http.StatusAccepted
	})
	return a
}

func (p *peer) version(id string) string {
	p.t.Helper()
	return str(p.get(inventory+"/"+id), "Version")
}

func TestMultipartUpdate(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	a := p.push(202, object{"Targets": []string{inventory + "/NIC_0"}}, Payload("NIC_*", "224.0"))
	equal(t, "headers", []string{a.Header.Get("Location"), a.Header.Get("Retry-After")}, []string{monitors + "/1", "1"})
	equal(t, "task", str(a.body, "@odata.id"), tasks+"/1")
	equal(t, "flash at once", len(p.b.Counters().Flashes), 1)
	equal(t, "old while it runs", p.version("NIC_0"), "223.0.161.0")
	var seen []string
	eventually(t, "the end", func() bool {
		b := p.get(tasks + "/1")
		seen = append(seen, fmt.Sprint(str(b, "TaskState"), b["PercentComplete"]))
		return str(b, "TaskState") == "Completed"
	})
	if len(seen) < 3 {
		t.Errorf("no progress was visible: %v", seen)
	}
	end := p.finished(monitors + "/1")
	equal(t, "monitor afterwards", []any{end.StatusCode, str(end.body, "TaskState"), end.body["PercentComplete"]}, []any{200, "Completed", 100})
	equal(t, "new", p.version("NIC_0"), "224.0")
	f := p.b.Counters().Flashes[0]
	equal(t, "flash", []any{f.Components, f.Task, strings.HasPrefix(f.Digest, "sha256:")}, []any{[]string{"NIC_0 224.0"}, tasks + "/1", true})
}

func TestPushAndPull(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	a := p.want(202, "POST", updates+"/update", Payload("NIC_0", "1"), "Content-Type", "application/octet-stream")
	p.finished(a.Header.Get("Location"))
	equal(t, "raw push", p.version("NIC_0"), "1")
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write(Payload("NIC_0", "2"))
		case "/bad":
			_, _ = w.Write(Payload("NIC_0", "3")[:5000])
		default:
			http.NotFound(w, r)
		}
	}))
	defer images.Close()
	simple := updates + "/Actions/UpdateService.SimpleUpdate"
	for _, c := range []struct{ path, state, version string }{{"/good", "Completed", "2"}, {"/bad", "Exception", "2"}, {"/none", "Exception", "2"}} {
		a := p.want(202, "POST", simple, object{"ImageURI": images.URL + c.path, "TransferProtocol": "HTTP", "Targets": []string{inventory + "/NIC_0"}})
		end := p.finished(a.Header.Get("Location"))
		equal(t, c.path, []string{str(end.body, "TaskState"), p.version("NIC_0")}, []string{c.state, c.version})
	}
	c := p.b.Counters()
	equal(t, "flashes, refused", []int{len(c.Flashes), c.RefusedPayloads}, []int{2, 1})
	for _, bad := range []object{{}, {"ImageURI": "ftp://x/y"}, {"ImageURI": images.URL, "TransferProtocol": "SCP"}, {"ImageURI": images.URL, "Colour": "red"}} {
		p.want(400, "POST", simple, bad)
	}
}

func TestPayloadsRefused(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Update.MaxImage = 200_000 })
	p.login()
	good := Payload("NIC_0", "9")
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	none := object{}
	for what, c := range map[string]struct {
		want   int
		params any
		image  []byte
		order  []string
	}{
		"truncated":         {400, none, good[:len(good)-1], nil},
		"longer":            {400, none, append(bytes.Clone(good), 'x'), nil},
		"flipped bit":       {400, none, flipped, nil},
		"empty":             {400, none, nil, nil},
		"no image":          {400, none, bytes.Repeat([]byte("z"), 100_000), nil},
		"other machine":     {400, none, Payload("HGX_FW_*", "9"), nil},
		"file first":        {400, none, good, []string{"UpdateFile", "UpdateParameters"}},
		"no parameters":     {400, none, good, []string{"UpdateFile"}},
		"no file":           {400, none, good, []string{"UpdateParameters"}},
		"unknown parameter": {400, object{"ForceUpdate": true}, good, nil},
		"unknown target":    {400, object{"Targets": []string{inventory + "/nothing"}}, good, nil},
		"other target":      {400, object{"Targets": []string{inventory + "/BIOS"}}, good, nil},
		"bad apply time":    {400, object{"@Redfish.OperationApplyTime": "Never"}, good, nil},
		"too large":         {413, none, Bundle(300_000, "NIC_0", "9"), nil},
	} {
		t.Run(what, func(t *testing.T) { p.push(c.want, c.params, c.image, c.order...) })
	}
	p.want(415, "POST", multi, good, "Content-Type", "application/octet-stream")
	c := p.b.Counters()
	equal(t, "flashes and cut uploads", []int{len(c.Flashes), c.CutUploads}, []int{0, 0})
	equal(t, "version", p.version("NIC_0"), "223.0.161.0")
	p.push(202, none, good) // and the service is free for a good one
}

func TestOneUpdateAtATime(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Timing.Update = 400 * time.Millisecond })
	p.login()
	first := p.push(202, object{}, Payload("NIC_0", "9"))
	a := p.push(503, object{}, Payload("NIC_0", "10"))
	equal(t, "Retry-After", a.Header.Get("Retry-After"), "30")
	p.finished(first.Header.Get("Location"))
	equal(t, "flashes", len(p.b.Counters().Flashes), 1)
	p.push(202, object{}, Payload("NIC_0", "10"))
}

func TestUpdateFaults(t *testing.T) {
	for what, c := range map[string]struct {
		faults  UpdateFaults
		status  int    // of the monitor when it is over
		state   string // of the task then
		version string
	}{
		"fails at 40 %":    {UpdateFaults{Count: 1, FailAt: 40}, 200, "Exception", "223.0.161.0"},
		"reaped when done": {UpdateFaults{Count: 1, ReapOnDone: true}, 404, "", "9"},
		"wrong version":    {UpdateFaults{Count: 1, WrongVersion: "8"}, 200, "Completed", "8"},
		"unchanged":        {UpdateFaults{Count: 1, Unchanged: []string{"NIC_0"}}, 200, "Completed", "223.0.161.0"},
		"monitor once":     {UpdateFaults{Count: 1, MonitorOnce: true}, 200, "Completed", "9"},
	} {
		t.Run(what, func(t *testing.T) {
			_, p := rig(t, ProfileX86, func(s *Spec) { s.Update.Faults = c.faults })
			p.login()
			a := p.push(202, object{}, Payload("NIC_0", "9"))
			end := p.finished(a.Header.Get("Location"))
			equal(t, "end", []any{end.StatusCode, str(end.body, "TaskState"), p.version("NIC_0")}, []any{c.status, c.state, c.version})
			if c.faults.MonitorOnce {
				p.want(404, "GET", a.Header.Get("Location"), nil)
				p.want(404, "GET", tasks+"/1", nil)
			}
			equal(t, "flashes", len(p.b.Counters().Flashes), 1)
			end = p.finished(p.push(202, object{}, Payload("NIC_0", "10")).Header.Get("Location"))
			equal(t, "the next update is sound", []any{end.StatusCode, p.version("NIC_0")}, []any{200, "10"})
		})
	}
}

func TestUpdateHeldThenReleased(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	p.b.SetUpdateFaults(UpdateFaults{Count: 1, HoldAt: 60})
	a := p.push(202, object{}, Payload("NIC_0", "9"))
	task := func() object { return p.get(tasks + "/1") }
	eventually(t, "60 %", func() bool { return fmt.Sprint(task()["PercentComplete"]) == "60" })
	time.Sleep(100 * time.Millisecond)
	equal(t, "held", []any{task()["PercentComplete"], task()["TaskState"]}, []any{60, "Running"})
	if !p.b.Release() || p.b.Release() {
		t.Error("Release must work once")
	}
	p.finished(a.Header.Get("Location"))
	equal(t, "version", p.version("NIC_0"), "9")
}

func TestUpdateWithoutTask(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Update.Faults = UpdateFaults{NoTask: true} })
	p.login()
	a := p.push(204, object{}, Payload("NIC_0", "9"))
	equal(t, "Location", a.Header.Get("Location"), "")
	eventually(t, "the version", func() bool { return p.version("NIC_0") == "9" })
	equal(t, "tasks", p.get(tasks)["Members@odata.count"], 0)
}

// imageServer serves one image to a BMC that pulls; it returns its URL.
func imageServer(t *testing.T, image []byte) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(image) }))
	t.Cleanup(s.Close)
	return s.URL + "/image"
}

// TestRawPushSettings: targets and apply time on the service, and Lenovo's claim.
func TestRawPushSettings(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Update.Claim = true })
	p.login()
	raw := updates + "/update"
	p.want(400, "POST", raw, Payload("*", "9")) // not claimed
	p.want(400, "PATCH", updates, object{"HttpPushUriOptions": object{"HttpPushUriApplyTime": object{"ApplyTime": "Never"}}})
	p.want(400, "PATCH", updates, object{"HttpPushUriTargets": "NIC_0"})
	p.want(400, "PATCH", updates, object{"MaxImageSizeBytes": 1})
	p.want(200, "PATCH", updates, object{"HttpPushUriTargetsBusy": true, "HttpPushUriTargets": []string{inventory + "/NIC_0"},
		"HttpPushUriOptions": object{"HttpPushUriApplyTime": object{"ApplyTime": "OnReset"}}})
	p.want(400, "PATCH", updates, object{"HttpPushUriTargetsBusy": true}) // claimed already
	p.finished(p.want(202, "POST", raw, Payload("*", "9")).Header.Get("Location"))
	equal(t, "only the target, staged", []string{p.version("NIC_0"), p.version("NIC_0_Staged"), p.version("BMC")}, []string{"223.0.161.0", "9", "1.10.0"})
	p.want(200, "PATCH", updates, object{"HttpPushUriTargetsBusy": false})
	p.want(400, "POST", raw, Payload("*", "9"))
}
