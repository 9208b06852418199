package redfish

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

func addrPort(t testing.TB, raw string) netip.AddrPort {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(u.Host)
}

// TestProbeSim: one request without a login says who is there, that it is a
// simulator, and which key it holds.
func TestProbeSim(t *testing.T) {
	r := newRig(t, bmcsim.ProfileGB200, nil)
	root, err := Probe(soon(t), addrPort(t, r.sim.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if !root.Simulated || string(root.Pin) != r.sim.Pin() || root.Sessions == "" || root.Version == "" || root.UUID != r.spec.UUID {
		t.Errorf("%+v, want simulated, pin %s, uuid %s", root, r.sim.Pin(), r.spec.UUID)
	}
	c := r.sim.Counters()
	if c.Requests != 1 || c.Handshakes != 1 || c.Unauthorized != 0 {
		t.Errorf("%d requests, %d handshakes, %d refused: a probe is one GET and no login", c.Requests, c.Handshakes, c.Unauthorized)
	}
	if s := root.Sighting("sweep"); s.Addr != root.Addr.Addr().String() || !s.Simulated || s.UUID != root.UUID {
		t.Errorf("sighting %+v", s)
	}
}

// TestProbeSeesOneRequest: exactly GET /redfish/v1/ without credentials.
func TestProbeSeesOneRequest(t *testing.T) {
	var seen []string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+r.Header.Get("X-Auth-Token"))
		w.Write([]byte(`{"@odata.type":"#ServiceRoot.v1_5_0.ServiceRoot","RedfishVersion":"1.6.1","Vendor":"V","Product":"P","Oem":{"Zeta":{},"Alpha":{}},
			"ProtocolFeaturesSupported":{"ExpandQuery":{"Levels":true,"MaxLevels":6}},"Links":{"Sessions":{"@odata.id":"/redfish/v1/SessionService/Sessions"}}}`))
	}))
	defer s.Close()
	root, err := Probe(soon(t), addrPort(t, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(seen, []string{"GET /redfish/v1/ "}) {
		t.Errorf("saw %q", seen)
	}
	if root.Vendor != "V" || root.Product != "P" || root.Expand != 6 || !slices.Equal(root.OEM, []string{"Alpha", "Zeta"}) || root.UUID != "" || root.Simulated {
		t.Errorf("%+v", root)
	}
	if root.Pin != pinOf(s.Certificate()) {
		t.Errorf("pin %s", root.Pin)
	}
}

func TestProbeRefuses(t *testing.T) {
	serve := func(status int, body string) *httptest.Server {
		return httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			w.Write([]byte(body))
		}))
	}
	for name, s := range map[string]*httptest.Server{
		"a web page": serve(200, "<html>"), "another JSON": serve(200, `{"hello":1}`), "not found": serve(404, "{}"), "a login page": serve(401, "{}"),
		"an error body": serve(200, `{"error":{}}`), "too large": serve(200, `{"Systems":"`+strings.Repeat("x", maxRoot)+`"}`),
		"a redirect": httptest.NewTLSServer(http.RedirectHandler("https://192.0.2.1/redfish/v1/", http.StatusFound)),
		"plain HTTP": httptest.NewServer(http.NotFoundHandler()),
	} {
		t.Run(name, func(t *testing.T) {
			defer s.Close()
			root, err := Probe(soon(t), addrPort(t, s.URL))
			var e *Error
			if !errors.Is(err, ErrUnreachable) || !errors.As(err, &e) || e.Op != "probe" {
				t.Errorf("%+v, %v", root, err)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	if _, err := Probe(soon(t), at); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nothing listens: %v", err)
	}
}
