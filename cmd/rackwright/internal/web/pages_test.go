package web_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/storetest"
)

var (
	inDrawing = regexp.MustCompile(`<g class="slot (\w+)" (data-slot="[^"]*" data-sign="[^"]*" data-milestone="[^"]*" data-never="[^"]*" data-findings="[^"]*")`)
	inTable   = regexp.MustCompile(`<tr (data-slot="[^"]*" data-sign="[^"]*" data-milestone="[^"]*" data-never="[^"]*" data-findings="[^"]*") class="(\w+)"`)
)

// TestTableEqualsDrawing in every state a rack shows: expected, a hold, a
// finding, work that may be cut and work that may not.
func TestTableEqualsDrawing(t *testing.T) {
	h := newHall(t)
	b := h.browser(t, "tess")
	check := func(state string, never int, words ...string) {
		t.Helper()
		status, page, _ := get(t, b, h.URL+"/racks/A12")
		if status != http.StatusOK {
			t.Fatalf("%s: %d", state, status)
		}
		var drawn, listed []string
		for _, m := range inDrawing.FindAllStringSubmatch(page, -1) {
			drawn = append(drawn, m[2]+" "+m[1])
		}
		for _, m := range inTable.FindAllStringSubmatch(page, -1) {
			listed = append(listed, m[1]+" "+m[2])
		}
		if len(drawn) != 3 || !slices.Equal(drawn, listed) {
			t.Errorf("%s: the drawing says %v, the table %v", state, drawn, listed)
		}
		for _, w := range words {
			if strings.Count(page, w) < 1 {
				t.Errorf("%s: the page does not say %q", state, w)
			}
		}
		live, _, _ := strings.Cut(page, "<h2>Signs</h2>") // the legend always explains the sign
		svg, table, _ := strings.Cut(live, "<table")
		if got := strings.Count(svg[strings.Index(svg, "<svg"):], "do not power off"); got != never {
			t.Errorf("%s: the drawing says %d times do not power off, want %d", state, got, never)
		}
		if got := strings.Count(table, "do not power off</strong>"); got != never {
			t.Errorf("%s: the table says %d times do not power off, want %d", state, got, never)
		}
		if got := strings.Contains(live, `<p class="never"`); got != (never > 0) {
			t.Errorf("%s: the banner is there: %v", state, got)
		}
	}
	check("expected", 0, "empty, part expected", "the table says the same")
	h.runs(t, "A12/C01", inventory.AbortSafe)
	check("safe work", 0, "B ⟳ busy", "firmware write BIOS 40%")
	h.runs(t, "A12/C01", inventory.AbortNever)
	check("work that must not be cut", 1, "D ⛔ do not power off")
	h.runs(t, "A12/C02", inventory.AbortNever)
	check("two of them", 2)
	h.runs(t, "A12/C01", inventory.AbortAtBoundary)
	check("one is over", 1)
	h.runs(t, "A12/C02", "")
	h.runs(t, "A12/C01", "")
	check("all over", 0)
	short := storetest.Reading(t, h.store, h.node(t, "A12/C01"))
	short.Components[0].State = inventory.StateAbsent
	if _, err := h.store.Observe(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	check("a finding", 0, "F ! finding open", "Open findings", "1 open")
	if err := h.store.Hold(t.Context(), inventory.NodeSubject(h.node(t, "A12/C02").ID), inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak", By: "tess"}); err != nil {
		t.Fatal(err)
	}
	check("a leak", 0, "L ~ leak or safety latch")
	if err := h.store.Hold(t.Context(), inventory.RackSubject("A12"), inventory.Hold{Name: inventory.HoldMaintenance, Reason: "new <fans>", By: "tess"}); err != nil {
		t.Fatal(err)
	}
	check("the rack is held", 0, "Hold maintenance", "new &lt;fans&gt;")
}

// TestNodePage shows why, what was seen, and the history, newest first.
func TestNodePage(t *testing.T) {
	h := newHall(t)
	b := h.browser(t, "tess")
	storetest.Raise(t, h.store, h.node(t, "A12/C01"), inventory.NodeReceived)
	if _, err := h.store.Observe(t.Context(), storetest.Reading(t, h.store, h.node(t, "A12/C01"))); err != nil {
		t.Fatal(err)
	}
	status, page, _ := get(t, b, h.URL+"/racks/A12/slots/C01")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	for _, want := range []string{"Gates of installed", "installed.confirmed", "gpu/GPU0", "B200", "identity.label", "node.expected", "Rack A12</a>", "serial SN-A12-1"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if first, last := strings.Index(page, "node.expected"), strings.Index(page, "part.installed"); last < 0 || first < last {
		t.Errorf("the history is not newest first: %d %d", first, last)
	}
	h.runs(t, "A12/C01", inventory.AbortNever)
	if _, page, _ = get(t, b, h.URL+"/racks/A12/slots/C01"); !strings.Contains(page, "⛔ do not power off</strong>") || !strings.Contains(page, "writing the second bank") {
		t.Error("the page of a node that is flashed does not say: do not power off")
	}
	if status, page, _ := get(t, b, h.URL+"/racks/A12/slots/C99"); status != http.StatusNotFound || !strings.Contains(page, "All racks") {
		t.Errorf("a slot that is not there: %d", status)
	}
}

// TestVendorSeesNoForeignRack on any page, nor its stream.
func TestVendorSeesNoForeignRack(t *testing.T) {
	h := newHall(t)
	b := h.browser(t, "wes")
	if _, page, _ := get(t, b, h.URL+"/"); !strings.Contains(page, "B13") || strings.Contains(page, "A12") {
		t.Error("the list of racks is wrong for a vendor")
	}
	for _, path := range []string{"/racks/A12", "/racks/A12/slots/C01", "/racks/A12/live"} {
		status, page, _ := get(t, b, h.URL+path)
		ghost, other, _ := get(t, b, h.URL+strings.ReplaceAll(path, "A12", "Z99"))
		if status != http.StatusNotFound || ghost != status || strings.Contains(page, "SN-A12") {
			t.Errorf("%s: %d, for a rack that does not exist %d", path, status, ghost)
		}
		stamp := regexp.MustCompile(`\d\d:\d\d:\d\d UTC`)
		if a, b := stamp.ReplaceAllString(page, ""), stamp.ReplaceAllString(strings.ReplaceAll(other, "Z99", "A12"), ""); a != b {
			t.Errorf("%s tells a foreign rack from none:\n%s\n%s", path, a, b)
		}
	}
}

// TestDoors: without a session every page leads to the log-in; a wrong token,
// a form of another site, and an ended session get nothing.
func TestDoors(t *testing.T) {
	h := newHall(t)
	nobody := h.browser(t, "")
	for _, path := range []string{"/", "/racks/A12", "/racks/A12/live", "/racks/A12/slots/C01"} {
		if _, page, _ := get(t, nobody, h.URL+path); !strings.Contains(page, "<h1>Sign in</h1>") || strings.Contains(page, "SN-A12") {
			t.Errorf("%s is open", path)
		}
	}
	resp, err := nobody.PostForm(h.URL+"/login", url.Values{"token": {"rw_wrong"}})
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token: %v %v", resp.Status, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.URL+"/login", strings.NewReader("token="+h.tokens["tess"]))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://evil.example")
	if resp, err = nobody.Do(req); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %v %v", resp.Status, err)
	}
	tess := h.browser(t, "tess")
	at, _ := url.Parse(h.URL)
	if c := tess.Jar.Cookies(at); len(c) != 1 {
		t.Fatalf("cookies: %v", c)
	}
	if _, err := tess.PostForm(h.URL+"/logout", nil); err != nil {
		t.Fatal(err)
	}
	if _, page, _ := get(t, tess, h.URL+"/"); !strings.Contains(page, "Sign in") {
		t.Error("the session goes on after signing out")
	}
	if status, page, head := get(t, h.browser(t, "tess"), h.URL+"/nothing"); status != http.StatusNotFound || !strings.Contains(page, "No such page") || !strings.Contains(head.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("a page that is not there: %d %v", status, head)
	}
}

// TestNothingFromElsewhere: no page or asset names another host, and one page
// has one stream.
func TestNothingFromElsewhere(t *testing.T) {
	foreign := regexp.MustCompile(`(?i)(src|href|url|import|fetch|action)\s*[=(:]\s*["'(]*\s*(https?:)?//`)
	streams := 0
	for _, dir := range []string{"static", "templates"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if m := foreign.Find(raw); m != nil {
				t.Errorf("%s/%s loads from elsewhere: %s", dir, f.Name(), m)
			}
			if strings.Contains(string(raw), "<script>") || strings.Contains(string(raw), " style=") || strings.Contains(string(raw), " onclick=") {
				t.Errorf("%s/%s has script or style inside", dir, f.Name())
			}
			streams += strings.Count(string(raw), "new EventSource")
		}
	}
	if streams != 1 {
		t.Errorf("%d streams a page: a browser opens six connections a host", streams)
	}
}

// TestStreamGoesOnFromThePage: an event between page and stream is not lost.
func TestStreamGoesOnFromThePage(t *testing.T) {
	h := newHall(t)
	b := h.browser(t, "tess")
	_, page, _ := get(t, b, h.URL+"/racks/A12")
	m := regexp.MustCompile(`data-stream="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("the page has no stream")
	}
	if err := h.store.Hold(t.Context(), inventory.RackSubject("A12"), inventory.Hold{Name: inventory.HoldMaintenance, Reason: "between", By: "tess"}); err != nil {
		t.Fatal(err)
	}
	resp, err := b.Get(h.URL + m[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	late := time.AfterFunc(5*time.Second, func() { _ = resp.Body.Close() })
	defer late.Stop()
	raw := make([]byte, 4096)
	n, err := resp.Body.Read(raw)
	if err != nil || !strings.Contains(string(raw[:n]), "between") {
		t.Fatalf("the stream starts with %q %v", raw[:n], err)
	}
}

// TestRecordAway: when the record cannot be asked, a page says that, and does
// not send people to a log-in that would not help.
func TestRecordAway(t *testing.T) {
	h := newHall(t)
	b := h.browser(t, "tess")
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	if status, page, _ := get(t, b, h.URL+"/"); status != http.StatusInternalServerError || strings.Contains(page, "Sign in") || !strings.Contains(page, "server&#39;s log") {
		t.Errorf("%d %s", status, page)
	}
}
