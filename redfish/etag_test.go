package redfish

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestLadder(t *testing.T) {
	for _, c := range []struct {
		name, header, body, learned, want string
	}{
		{"strong", `"a"`, "", "", `header="a" unquoted=a none=`},
		{"weak", `W/"a"`, "", "", `header=W/"a" strong="a" unquoted=a none=`},
		{"body differs", `"a"`, `"b"`, "", `header="a" body="b" unquoted=a none=`},
		{"body only", "", `W/"b"`, "", `body=W/"b" strong="b" unquoted=b none=`},
		{"doubled quotes", `""a""`, "", "", `header=""a"" strong="a" unquoted=a none=`},
		{"no tag at all", "", "", "", `none=`},
		{"empty tag", `""`, "", "", `header="" none=`},
		{"learned first", `W/"a"`, "", rungStrong, `strong="a" header=W/"a" unquoted=a none=`},
		{"learned rung not offered", `"a"`, "", rungBody, `header="a" unquoted=a none=`},
	} {
		h := http.Header{}
		if c.header != "" {
			h["Etag"] = []string{c.header}
		}
		var got []string
		for _, r := range ladder(h, c.body, c.learned) {
			got = append(got, r.name+"="+r.tag)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, text, c.want)
		}
	}
}

// TestLadderOnTheWire: 412 and 428 mean that nothing was applied; the rung that
// worked is used first from then on; a change without a tag is compared.
func TestLadderOnTheWire(t *testing.T) {
	const weak = `W/"7"`
	for _, c := range []struct {
		name    string
		take    string // the If-Match it wants; "-": none
		keep    bool   // whether it keeps the change
		patches int
		rung    string
	}{
		{"as given", weak, true, 1, rungHeader},
		{"strong only", `"7"`, true, 2, rungStrong},
		{"unquoted only", `7`, true, 3, rungUnquoted},
		{"none at all", "-", true, 4, rungNone},
		{"none and not kept", "-", false, 4, rungNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			led := `false`
			f.hook("GET "+systemURI, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["ETag"] = []string{weak}
				jsonWith(w, 200, strings.Replace(f.docs[systemURI], `"LocationIndicatorActive":false`, `"LocationIndicatorActive":`+led, 1))
			})
			f.hook("PATCH "+systemURI, func(w http.ResponseWriter, r *http.Request) {
				tag := r.Header.Get("If-Match")
				if tag != c.take && (tag != "" || c.take != "-") {
					status := http.StatusPreconditionFailed
					if tag == "" {
						status = http.StatusPreconditionRequired
					}
					failWith(w, status, "Base.1.8.PreconditionFailed", "tag")
					return
				}
				if c.keep {
					led = `true`
				}
				w.WriteHeader(204)
			})
			d, _ := newDialer(t)
			b := dial(t, d, f.endpoint(), free)
			err := b.SetLocator(soon(t), true)
			if c.keep != (err == nil) {
				t.Fatalf("got %v", err)
			}
			if n := f.count("PATCH " + systemURI); n != c.patches {
				t.Errorf("%d rungs tried, want %d", n, c.patches)
			}
			if got := b.broker.facts().Rung; got != c.rung {
				t.Errorf("learned %q, want %q", got, c.rung)
			}
			if !c.keep {
				return
			}
			led = `false`
			if err := b.SetLocator(soon(t), true); err != nil {
				t.Fatal(err)
			}
			if n := f.count("PATCH " + systemURI); n != c.patches+1 {
				t.Errorf("the learned rung was not used first: %d requests", n)
			}
		})
	}
}

func TestActionsCarryNoIfMatch(t *testing.T) {
	f := newFake(t)
	f.hook("POST "+resetURI, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") != "" {
			w.WriteHeader(412)
			return
		}
		w.WriteHeader(204)
	})
	d, _ := newDialer(t)
	if err := dial(t, d, f.endpoint(), free).SetPower(soon(t), ActionOn); err != nil {
		t.Error(err)
	}
}

func TestDiffers(t *testing.T) {
	want := map[string]any{"Boot": map[string]any{"Target": "Pxe"}}
	for _, c := range []struct {
		got  any
		want string
	}{
		{map[string]any{"Boot": map[string]any{"Target": "Pxe", "Mode": "UEFI"}}, ""},
		{map[string]any{"Boot": map[string]any{"Target": "Hdd"}}, "/Boot/Target is Hdd, not Pxe"},
		{map[string]any{}, "/Boot is missing"},
		{map[string]any{"Boot": map[string]any{}}, ""}, // unreadable proves nothing
	} {
		if got := differs(want, c.got, ""); got != c.want {
			t.Errorf("%v: %q, want %q", c.got, got, c.want)
		}
	}
	if !unmatched(&Error{Status: 428}) || unmatched(errors.New("x")) {
		t.Error("unmatched")
	}
}
