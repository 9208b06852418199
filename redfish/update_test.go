package redfish

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

const pushURI = "/redfish/v1/UpdateService/update-multipart"

// imageFile is a file of n bytes and its digest.
func imageFile(t *testing.T, n int) (*os.File, inventory.Digest) {
	t.Helper()
	return written(t, []byte(strings.Repeat("firmware", n/8+1)[:n]))
}

// written is a file with these bytes, open, and its digest.
func written(t *testing.T, body []byte) (*os.File, inventory.Digest) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nvfw_P4975.fwpkg")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, inventory.DigestOf(body)
}

func updater(t *testing.T, service string, p Profile) (*fake, *BMC) {
	t.Helper()
	f := newFake(t)
	f.set("/redfish/v1/UpdateService", service)
	d, _ := newDialer(t)
	d.Profiles = map[string]Profile{GenericProfile: p}
	return f, dial(t, d, f.endpoint(), free)
}

const multipartService = `{"MultipartHttpPushUri":"` + pushURI + `","MaxImageSizeBytes":10000000}`

func accept(w http.ResponseWriter) {
	w.Header().Set("Location", "/redfish/v1/TaskService/TaskMonitors/7")
	jsonWith(w, 202, `{"@odata.id":"/redfish/v1/TaskService/Tasks/7","@odata.type":"#Task.v1_4_3.Task","Id":"7","TaskState":"New"}`)
}

// TestMultipartUpdate: parts in the order of DSP0266, the length known, every
// byte there, and the task named.
func TestMultipartUpdate(t *testing.T) {
	f, b := updater(t, multipartService, Profile{})
	file, sum := imageFile(t, 3<<20)
	f.hook("POST "+pushURI, func(w http.ResponseWriter, r *http.Request) {
		kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "multipart/form-data" || r.ContentLength < 3<<20 || len(r.TransferEncoding) != 0 || r.Header.Get("Expect") != "100-continue" {
			t.Errorf("%s, %d bytes, %v, expect %q, %v", kind, r.ContentLength, r.TransferEncoding, r.Header.Get("Expect"), err)
		}
		parts := multipart.NewReader(r.Body, params["boundary"])
		var seen []string
		for {
			p, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
			body, err := io.ReadAll(p)
			if err != nil {
				t.Error(err)
				return
			}
			text := string(inventory.DigestOf(body))
			if p.FormName() == "UpdateParameters" {
				text = string(body)
			}
			seen = append(seen, fmt.Sprintf("%s %q %s %s", p.FormName(), p.FileName(), p.Header.Get("Content-Type"), text))
		}
		want := []string{`UpdateParameters "" application/json {"@Redfish.OperationApplyTime":"OnReset","ForceUpdate":true,"Targets":["/redfish/v1/Chassis/HGX_Chassis_0"]}`,
			`UpdateFile "nvfw_P4975.fwpkg" application/octet-stream ` + string(sum)}
		if strings.Join(seen, "\n") != strings.Join(want, "\n") {
			t.Errorf("parts:\n%s\nwant:\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
		}
		accept(w)
	})
	id, err := b.StartUpdate(soon(t), Update{File: file, Digest: sum, Targets: []string{"/redfish/v1/Chassis/HGX_Chassis_0"}, ApplyTime: "OnReset", Force: true})
	if err != nil || id != "/redfish/v1/TaskService/Tasks/7" {
		t.Errorf("%q, %v", id, err)
	}
}

func TestEmptyTargetsAreSentAndNoneAreNot(t *testing.T) {
	for want, targets := range map[string][]string{`{}`: nil, `{"Targets":[]}`: {}} {
		body, err := multipartBody(parameters(Update{Targets: targets}), "x", strings.NewReader("img"), 3)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil || !strings.Contains(string(text), "\r\n\r\n"+want+"\r\n") || int64(len(text)) != body.length {
			t.Errorf("%v: %d of %d bytes: %s", err, len(text), body.length, text)
		}
	}
}

// TestWrongFileNeverArrivesComplete: the digest is known only at the end, so the
// last piece is held back and the BMC sees a cut upload.
func TestWrongFileNeverArrivesComplete(t *testing.T) {
	for name, service := range map[string]string{"multipart": multipartService, "raw": `{"HttpPushUri":"` + pushURI + `"}`} {
		f, b := updater(t, service, Profile{})
		complete := make(chan bool, 1)
		f.hook("POST "+pushURI, func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			complete <- err == nil && n == r.ContentLength
			accept(w)
		})
		file, _ := imageFile(t, 1<<20)
		_, err := b.StartUpdate(soon(t), Update{File: file, Digest: inventory.DigestOf([]byte("another file"))})
		if !errors.Is(err, errWrongFile) || errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s: got %v, want a definite refusal", name, err)
		}
		if <-complete {
			t.Errorf("%s: the wrong file arrived complete", name)
		}
	}
}

// TestRefusedBeforeTheImageLeaves: with Expect a 413 costs no upload.
func TestRefusedBeforeTheImageLeaves(t *testing.T) {
	f, b := updater(t, multipartService, Profile{})
	f.hook("POST "+pushURI, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		failWith(w, http.StatusRequestEntityTooLarge, "Base.1.8.PayloadTooLarge", "too large")
	})
	file, sum := imageFile(t, 4<<20)
	var e *Error
	_, err := b.StartUpdate(soon(t), Update{File: file, Digest: sum})
	if !errors.As(err, &e) || e.Status != 413 || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
	if at, err := file.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		t.Errorf("the caller's offset moved to %d: %v", at, err)
	}
}

func TestUpdateRefusals(t *testing.T) {
	small, _ := imageFile(t, 100)
	for _, c := range []struct {
		name, service string
		p             Profile
		u             Update
		want          string
	}{
		{"neither", multipartService, Profile{}, Update{}, "either a file to push or a URI to pull"},
		{"both", multipartService, Profile{}, Update{File: small, URI: "http://x/y"}, "either a file to push or a URI to pull"},
		{"size changed", multipartService, Profile{}, Update{File: small, Size: 99}, "has 100 bytes, planned were 99"},
		{"too large", `{"MultipartHttpPushUri":"/x","MaxImageSizeBytes":10}`, Profile{}, Update{File: small}, "the image has 100 bytes, the BMC takes 10"},
		{"switched off", `{"ServiceEnabled":false,"MultipartHttpPushUri":"/x"}`, Profile{}, Update{File: small}, "switched off"},
		{"no way in", `{"ServiceEnabled":true}`, Profile{}, Update{File: small}, "no way to give it an image"},
		{"no pull", multipartService, Profile{}, Update{URI: "http://x/y"}, "no way to give it an image"},
		{"no force", multipartService, Profile{Name: "openbmc", NoForce: true}, Update{File: small, Force: true}, "has no ForceUpdate"},
		{"apply time", multipartService, Profile{ApplyTimes: []string{"Immediate"}}, Update{File: small, ApplyTime: "OnReset"}, "takes the apply times Immediate"},
		{"claimed", `{"HttpPushUri":"` + pushURI + `","HttpPushUriTargetsBusy":true}`, Profile{}, Update{File: small}, "another updater has claimed"},
	} {
		f, b := updater(t, c.service, c.p)
		if _, err := b.StartUpdate(soon(t), c.u); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		for _, line := range f.log {
			if !strings.HasPrefix(line, "GET ") {
				t.Errorf("%s: sent %s", c.name, line)
			}
		}
	}
}

// TestRawPushTakesAndReturnsTheClaim on every exit.
func TestRawPushTakesAndReturnsTheClaim(t *testing.T) {
	for name, status := range map[string]int{"accepted": 202, "refused": 400} {
		f, b := updater(t, `{"@odata.id":"/redfish/v1/UpdateService","HttpPushUri":"`+pushURI+`","HttpPushUriTargetsBusy":false,
			"HttpPushUriOptions":{"HttpPushUriApplyTime":{"ApplyTime":"Immediate"}}}`, Profile{})
		patches := f.bodies("PATCH /redfish/v1/UpdateService")
		file, sum := imageFile(t, 5000)
		f.hook("POST "+pushURI, func(w http.ResponseWriter, r *http.Request) {
			if got := inventory.DigestOf([]byte(readAll(t, r))); got != sum || r.Header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("%s: body %s, want %s", name, got, sum)
			}
			if status == 202 {
				accept(w)
				return
			}
			failWith(w, status, "Base.1.8.InvalidUpload", "no")
		})
		_, err := b.StartUpdate(soon(t), Update{File: file, ApplyTime: "OnReset", Targets: []string{"/a"}})
		if (err == nil) != (status == 202) {
			t.Errorf("%s: %v", name, err)
		}
		want := `{"HttpPushUriOptions":{"HttpPushUriApplyTime":{"ApplyTime":"OnReset"}},"HttpPushUriTargets":["/a"],"HttpPushUriTargetsBusy":true} {"HttpPushUriTargetsBusy":false}`
		if got := strings.Join(*patches, " "); got != want {
			t.Errorf("%s: settings\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestSimpleUpdatePulls(t *testing.T) {
	const target = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate"
	f, b := updater(t, `{"Actions":{"#UpdateService.SimpleUpdate":{"target":"`+target+`","TransferProtocol@Redfish.AllowableValues":[["SCP"],"HTTPS"]}}}`, Profile{})
	var body string
	f.hook("POST "+target, func(w http.ResponseWriter, r *http.Request) {
		body = readAll(t, r)
		w.Header().Set("Location", "/redfish/v1/TaskService/TaskMonitors/3")
		w.WriteHeader(http.StatusNoContent)
	})
	id, err := b.StartUpdate(soon(t), Update{URI: "https://10.0.0.1/b/token/fw.bin", Targets: []string{"/redfish/v1/UpdateService/FirmwareInventory/BMC"}})
	if err != nil || id != "/redfish/v1/TaskService/TaskMonitors/3" {
		t.Errorf("%q, %v", id, err)
	}
	if want := `{"ImageURI":"https://10.0.0.1/b/token/fw.bin","Targets":["/redfish/v1/UpdateService/FirmwareInventory/BMC"],"TransferProtocol":"HTTPS"}`; body != want {
		t.Errorf("sent %s, want %s", body, want)
	}
	f.hook("POST "+target, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if id, err := b.StartUpdate(soon(t), Update{URI: "https://10.0.0.1/x"}); err != nil || id != "" {
		t.Errorf("a 204 without a task: %q, %v", id, err)
	}
	f.hook("POST "+target, func(w http.ResponseWriter, _ *http.Request) { jsonWith(w, 202, `{`) })
	if _, err := b.StartUpdate(soon(t), Update{URI: "https://10.0.0.1/x"}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("accepted without a task: %v, want ErrOutcomeUnknown", err)
	}
}
