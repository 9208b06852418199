//go:build realpeer

package web_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// tab is one real browser.
type tab struct {
	context.Context
	t    *testing.T
	hall *hall

	mu    sync.Mutex
	asked []string // every address the browser asked for
}

// browse starts Debian's chromium, which trusts the test's certificate only
// because it is told to ignore all of them.
func browse(t *testing.T, h *hall, width, height int64) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("chromium"), chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	all, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	b := &tab{t: t, hall: h}
	ctx, end := chromedp.NewContext(all, chromedp.WithListener(func(e any) {
		if sent, ok := e.(*network.EventRequestWillBeSent); ok {
			b.mu.Lock()
			b.asked = append(b.asked, sent.Request.URL)
			b.mu.Unlock()
		}
	}))
	t.Cleanup(end)
	b.Context = ctx
	b.do(chromedp.EmulateViewport(width, height))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, actions...); err != nil {
		b.t.Fatal(err)
	}
}

func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *tab) signIn(who string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.hall.URL+"/"), chromedp.WaitVisible(`input[name=token]`), chromedp.SendKeys(`input[name=token]`, b.hall.tokens[who]),
		chromedp.Click(`form[action="/login"] button`), chromedp.WaitVisible(`table.racks`))
}

// never are the slots that say do not power off: in the drawing, in the table,
// and in the banner, each as a person sees it.
const never = `(() => { const live = document.getElementById("live");
  const drawn = [...live.querySelectorAll("svg .slot")].filter(g => g.textContent.includes("do not power off")).map(g => g.dataset.slot).sort().join();
  const listed = [...live.querySelectorAll("tbody tr[data-slot]")].filter(r => r.querySelector("td.op").innerText.includes("do not power off")).map(r => r.dataset.slot).sort().join();
  const banner = [...live.querySelectorAll("p.never a")].map(a => a.textContent).sort().join();
  return [drawn, listed, banner].join("|"); })()`

// same compares drawing and table, slot by slot.
const same = `(() => { const say = e => [e.dataset.slot, e.dataset.sign, e.dataset.milestone, e.dataset.never, e.dataset.findings, e.classList[e.classList.length - 1]].join(" ");
  const drawn = [...document.querySelectorAll("svg .slot")].map(say), listed = [...document.querySelectorAll("tbody tr[data-slot]")].map(say);
  return drawn.length > 0 && drawn.join() === listed.join(); })()`

// sees waits until an expression has a value, without any reload.
func (b *tab) sees(what, expression, want string) {
	b.t.Helper()
	got := ""
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got = eval[string](b, expression); got == want {
			return
		}
	}
	b.t.Fatalf("%s: the page says %q, want %q", what, got, want)
}

// TestRealPeerChromium: the page changes live; do not power off stands exactly
// while a step of class never runs; table and drawing are one; nothing comes
// from elsewhere; a broken stream is said.
func TestRealPeerChromium(t *testing.T) {
	h := newHall(t)
	b := browse(t, h, 1280, 900)
	b.signIn("tess")
	b.do(chromedp.Navigate(h.URL+"/racks/A12"), chromedp.WaitVisible("svg"))
	eval[string](b, `window.kept = "yes"`)
	agree := func(what string) {
		t.Helper()
		if !eval[bool](b, same) {
			t.Errorf("%s: table and drawing differ", what)
		}
	}
	b.sees("at rest", never, "||")
	for _, step := range []struct {
		what  string
		node  string
		abort inventory.AbortClass
		want  string
	}{
		{"work that may be cut", "A12/C01", inventory.AbortSafe, "||"},
		{"a flash", "A12/C01", inventory.AbortNever, "C01|C01|C01"},
		{"two flashes", "A12/C02", inventory.AbortNever, "C01,C02|C01,C02|C01,C02"},
		{"one is at a boundary", "A12/C01", inventory.AbortAtBoundary, "C02|C02|C02"},
		{"one is over", "A12/C02", "", "||"},
		{"all over", "A12/C01", "", "||"},
		{"and again", "A12/C01", inventory.AbortNever, "C01|C01|C01"},
	} {
		h.runs(t, step.node, step.abort)
		b.sees(step.what, never, step.want)
		agree(step.what)
	}
	short := storetest.Reading(t, h.store, h.node(t, "A12/C02"))
	short.Components[0].State = inventory.StateAbsent
	if _, err := h.store.Observe(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	b.sees("a finding", `document.querySelector("tr[data-slot=C02]").dataset.sign`, "F")
	agree("a finding")
	b.sees("no reload", `window.kept`, "yes")
	b.sees("no sideways scrolling", `String(document.documentElement.scrollWidth <= innerWidth)`, "true")
	b.picture("rack-desk.png")
	b.do(chromedp.Click(`tr[data-slot=C01] a`), chromedp.WaitVisible("table.history"))
	b.sees("the node", `document.querySelector("p.never").innerText`, "⛔ do not power off")
	b.picture("node-desk.png")
	h.runs(t, "A12/C01", "")
	b.sees("the node afterwards", `String(document.querySelector("p.never"))`, "null")
	b.onlyHere()
	b.do(chromedp.Navigate(h.URL+"/racks/A12"), chromedp.WaitVisible("svg"))
	h.CloseClientConnections()
	h.Listener.Close()
	b.sees("a lost stream", `document.getElementById("live").dataset.stale?.slice(0, 15) || ""`, "Not live since ")
}

// onlyHere: every request went to this server, and a page has one stream.
func (b *tab) onlyHere() {
	b.t.Helper()
	here, err := url.Parse(b.hall.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	streams := 0
	for _, text := range b.asked {
		u, err := url.Parse(text)
		if err != nil || u.Host != here.Host {
			b.t.Errorf("the browser asked %s", text)
		}
		if strings.HasSuffix(u.Path, "/live") {
			streams++
		}
	}
	if streams != 2 { // one rack page and one node page were open
		b.t.Errorf("%d streams for two pages", streams)
	}
}

// TestRealPeerChromiumPhone: on a phone every target is 48 px high, nothing
// sticks out, and a vendor sees no foreign rack.
func TestRealPeerChromiumPhone(t *testing.T) {
	h := newHall(t)
	b := browse(t, h, 390, 844)
	b.signIn("tess")
	h.runs(t, "A12/C01", inventory.AbortNever)
	b.do(chromedp.Navigate(h.URL+"/racks/A12"), chromedp.WaitVisible("svg"))
	b.sees("no sideways scrolling", `String(document.documentElement.scrollWidth <= innerWidth)`, "true")
	b.sees("small targets", `[...document.querySelectorAll("button, td a, p.never a, a.button, header a")].filter(e => e.getBoundingClientRect().height < 48).map(e => e.outerHTML).join()`, "")
	b.picture("rack-phone.png")
	b.do(chromedp.Navigate(h.URL+"/racks/A12/slots/C01"), chromedp.WaitVisible("h1"))
	b.sees("no sideways scrolling", `String(document.documentElement.scrollWidth <= innerWidth)`, "true")
	b.picture("node-phone.png")
	v := browse(t, h, 390, 844)
	v.signIn("wes")
	v.sees("the vendor's racks", `[...document.querySelectorAll("table.racks td a")].map(a => a.textContent).join()`, "B13")
	v.do(chromedp.Navigate(h.URL+"/racks/A12"), chromedp.WaitVisible("h1"))
	v.sees("a foreign rack", `document.querySelector("h1").innerText`, "Not Found")
	v.picture("foreign-phone.png")
}

// picture keeps what the page looks like where RACKWRIGHT_SCREENSHOTS says.
func (b *tab) picture(name string) {
	b.t.Helper()
	png, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	if err != nil || len(png) < 5000 {
		b.t.Fatalf("%s: %d bytes, %v", name, len(png), err)
	}
	if dir := os.Getenv("RACKWRIGHT_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
			b.t.Fatal(fmt.Errorf("keep %s: %w", name, err))
		}
	}
}
