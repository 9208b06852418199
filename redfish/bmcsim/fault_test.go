package bmcsim

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFaultRules(t *testing.T) {
	f, p := rig(t, ProfileX86, nil)
	p.login()
	sys := systems + "/1"
	rules := func(r ...Fault) {
		t.Helper()
		f.ClearFaults()
		if err := f.AddFaults(r...); err != nil {
			t.Fatal(err)
		}
	}
	rules(Fault{Path: "*/Systems/*", Method: "get", Nth: 2, Count: 2, Status: 503, RetryAfter: 7})
	p.want(200, "GET", sys, nil)
	equal(t, "Retry-After", p.want(503, "GET", sys, nil).Header.Get("Retry-After"), "7")
	p.want(200, "GET", root, nil)
	p.want(503, "GET", sys, nil)
	p.want(200, "GET", sys, nil)

	rules(Fault{Path: sys, Status: 429, MessageID: "Base.1.18.Busy", Count: -1})
	for range 3 {
		a := p.want(429, "GET", sys, nil)
		equal(t, "no Retry-After, own message", []string{a.Header.Get("Retry-After"), messageID(a.body)}, []string{"", "Base.1.18.Busy"})
	}
	rules(Fault{BMC: "other*", Status: 500, Count: -1})
	p.want(200, "GET", sys, nil)
	rules(Fault{Path: sys, Delay: 120 * time.Millisecond})
	start := time.Now()
	p.want(200, "GET", sys, nil)
	if d := time.Since(start); d < 120*time.Millisecond {
		t.Errorf("delay was %v", d)
	}
	rules(Fault{Path: sys, Truncate: true})
	a := p.want(200, "GET", sys, nil)
	if len(a.raw) == 0 || json.Valid(a.raw) {
		t.Errorf("truncated body is valid: %s", a.raw)
	}
	rules(Fault{Path: sys, ContentType: "text/html"})
	equal(t, "content type", p.want(200, "GET", sys, nil).Header.Get("Content-Type"), "text/html")
	rules(Fault{Path: sys, ErrorBody: true})
	if a := p.want(200, "GET", sys, nil); a.body["error"] == nil || a.body["Id"] != nil {
		t.Errorf("error body: %s", a.raw)
	}
	p.want(200, "GET", sys, nil)
	if f.AddFaults(Fault{Reset: "sometimes"}) == nil {
		t.Error("a bad rule was accepted")
	}
}

func TestFaultResets(t *testing.T) {
	f, p := rig(t, ProfileX86, nil)
	p.login()
	sys := systems + "/1"
	for _, c := range []struct{ reset, tag, outcome string }{{"before", "", "fault: reset before handling"}, {"after", "after", "done"}} {
		if err := f.AddFaults(Fault{Path: sys, Method: "PATCH", Reset: c.reset}); err != nil {
			t.Fatal(err)
		}
		_, err := p.try("PATCH", sys, object{"AssetTag": c.reset})
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: error %v", c.reset, err)
		}
		equal(t, c.reset, str(p.get(sys), "AssetTag"), c.tag)
		log := f.Mutations()
		equal(t, c.reset, log[len(log)-1].Outcome, c.outcome)
		f.ClearFaults()
	}
	if err := f.AddFaults(Fault{Path: sys, Reset: "body"}); err != nil {
		t.Fatal(err)
	}
	a, err := p.try("GET", sys, nil)
	var op *net.OpError
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &op) || len(a.raw) == 0 {
		t.Errorf("reset in the body: %v after %d bytes", err, len(a.raw))
	}
}

func TestCutUpload(t *testing.T) {
	f, p := rig(t, ProfileX86, nil)
	p.login()
	if err := f.AddFaults(Fault{Path: multi, CutAfter: 30_000}); err != nil {
		t.Fatal(err)
	}
	body, kind := form(t, object{}, Payload("NIC_0", "9"))
	if a, err := p.try("POST", multi, body, "Content-Type", kind); err == nil {
		t.Fatalf("a cut upload was answered: %s", a.Status)
	}
	c := p.b.Counters()
	equal(t, "cut, flashes", []int{c.CutUploads, len(c.Flashes)}, []int{1, 0})
	log := f.Mutations()
	equal(t, "log", log[len(log)-1].Outcome, "cut")
	p.finished(p.push(202, object{}, Payload("NIC_0", "9")).Header.Get("Location"))
	equal(t, "again", p.version("NIC_0"), "9")
}

// TestClientStopsInAnUpload: not a rule, but a client that really goes away.
func TestClientStopsInAnUpload(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	body, kind := form(t, object{}, Bundle(4<<20, "NIC_0", "9"))
	r := io.MultiReader(strings.NewReader(string(body[:1<<20])), failing{})
	if _, err := p.try("POST", multi, r, "Content-Type", kind); err == nil {
		t.Fatal("an upload that broke off was answered")
	}
	eventually(t, "a cut upload", func() bool { return p.b.Counters().CutUploads == 1 })
	equal(t, "flashes", len(p.b.Counters().Flashes), 0)
	p.push(202, object{}, Payload("NIC_0", "9"))
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the client gives up") }

// TestEarlyRefusal: with Expect: 100-continue a refusal comes before the image.
func TestEarlyRefusal(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Update.MaxImage = 1000 })
	p.token = "expired"
	body, kind := form(t, object{}, Bundle(1<<20, "NIC_0", "9"))
	p.want(401, "POST", multi, body, "Content-Type", kind, "Expect", "100-continue")
	p.login()
	p.want(413, "POST", multi, body, "Content-Type", kind, "Expect", "100-continue")
}

func TestInFlightAndWriters(t *testing.T) {
	f, p := rig(t, ProfileX86, nil)
	p.login()
	if err := f.AddFaults(Fault{Delay: 100 * time.Millisecond, Count: -1}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for i := range 4 {
		go func() {
			method, body := "GET", any(nil)
			if i%2 == 0 {
				method, body = "PATCH", object{"AssetTag": "x"}
			}
			_, err := p.try(method, systems+"/1", body)
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	c := p.b.Counters()
	equal(t, "in flight, writers", []int{c.InFlightMax, c.WritersMax}, []int{4, 2})
}
