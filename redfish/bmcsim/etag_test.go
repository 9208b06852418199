package bmcsim

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestETags(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	sys := systems + "/1"
	tag := func() string { return p.do("GET", sys, nil).Header.Get("ETag") }
	first := tag()
	equal(t, "body and header", p.get(sys)["@odata.etag"], first)
	equal(t, "stable", tag(), first)
	a := p.want(304, "GET", sys, nil, "If-None-Match", first)
	equal(t, "304 body", len(a.raw), 0)
	p.want(200, "PATCH", sys, object{"AssetTag": "A12"}, "If-Match", first)
	if tag() == first {
		t.Error("a change kept the ETag")
	}
	a = p.want(412, "PATCH", sys, object{"AssetTag": "B13"}, "If-Match", first)
	equal(t, "message", messageID(a.body), "Base.1.18.PreconditionFailed")
	equal(t, "412 applied nothing", p.get(sys)["AssetTag"], "A12")
	p.want(200, "GET", sys, nil, "If-None-Match", first)
	p.want(200, "PATCH", sys, object{"AssetTag": "C14"}, "If-Match", "*")
	a = p.want(200, "PATCH", sys, object{"AssetTag": "D15"})
	equal(t, "ETag of the answer", a.Header.Get("ETag"), tag())
	p.want(204, "POST", resetPath(sys), object{"ResetType": "On"}, "If-Match", `"nonsense"`) // not looked at on actions
}

func TestETagVariants(t *testing.T) {
	for _, c := range []struct {
		quirk string
		sent  func(header, body string) string
		want  int
	}{
		{"weak", func(h, _ string) string { return h }, 412}, // strong comparison never matches a weak tag
		{"weak", func(h, _ string) string { return strings.TrimPrefix(h, "W/") }, 200},
		{"header-differs", func(h, _ string) string { return h }, 412},
		{"header-differs", func(_, b string) string { return b }, 200},
		{"unquoted", func(h, _ string) string { return h }, 200},
		{"none", func(h, _ string) string { return h }, 200},
	} {
		_, p := rig(t, ProfileX86, func(s *Spec) { s.Quirks.ETag = c.quirk })
		p.login()
		a := p.do("GET", systems+"/1", nil)
		if (a.Header.Get("ETag") == "") != (c.quirk == "none") {
			t.Errorf("%s: header %q", c.quirk, a.Header.Get("ETag"))
		}
		p.want(c.want, "PATCH", systems+"/1", object{"AssetTag": "x"}, "If-Match", c.sent(a.Header.Get("ETag"), str(a.body, "@odata.etag")))
	}
}

func TestIfMatchRequired(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Quirks.RequireIfMatch, s.Quirks.Patch204 = true, true })
	p.login()
	p.want(428, "PATCH", systems+"/1", object{"AssetTag": "x"})
	equal(t, "428 applied nothing", str(p.get(systems+"/1"), "AssetTag"), "")
	a := p.want(204, "PATCH", systems+"/1", object{"AssetTag": "x"}, "If-Match", p.do("GET", systems+"/1", nil).Header.Get("ETag"))
	equal(t, "body of 204", len(a.raw), 0)
}

func TestClockSkew(t *testing.T) {
	_, p := rig(t, ProfileX86, func(s *Spec) { s.Quirks.ClockSkew = -100 * 24 * time.Hour })
	at, err := http.ParseTime(p.do("GET", root, nil).Header.Get("Date"))
	if d := time.Since(at); err != nil || d < 99*24*time.Hour {
		t.Errorf("Date is %v ago, %v", d, err)
	}
}

func TestWireOdds(t *testing.T) {
	_, p := rig(t, ProfileX86, nil)
	p.login()
	equal(t, "slash", p.get(systems + "/1/")["Id"], "1")
	equal(t, "version", p.do("GET", root, nil).Header.Get("OData-Version"), "4.0")
	p.want(501, "GET", systems+"?$expand=.", nil)
	p.want(404, "GET", systems+"/2", nil)
	p.want(404, "POST", systems+"/1/Actions/Nothing", object{})
	p.want(405, "PUT", systems+"/1", object{})
	p.want(405, "DELETE", systems+"/1", nil)
	a := p.do("HEAD", systems+"/1", nil)
	equal(t, "HEAD", []any{a.StatusCode, len(a.raw), a.Header.Get("ETag") != ""}, []any{200, 0, true})
	if !p.b.Set(systems+"/1", object{"Model": "changed", "SKU": nil}) || p.b.Set("/nowhere", nil) {
		t.Error("Set")
	}
	equal(t, "Set", []any{p.get(systems + "/1")["Model"], p.get(systems + "/1")["SKU"]}, []any{"changed", nil})
	p.b.Remove(systems + "/1/Memory/DIMM_1")
	equal(t, "Remove", p.get(systems + "/1/Memory")["Members@odata.count"], 15)
}
