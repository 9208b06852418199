package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
)

// Letters of the roles in the table below.
const (
	everybody = "vtfwuad" // viewer technician facilities vendor(w) automation(u) acceptor(a) admin(d)
	nobody    = ""
)

// slots are one for each who may set a hold: nobody takes over another's.
var slots = map[string]string{"tess": "A12/C01", "fay": "A12/C02", "wes": "A12/C03", "auto": "A12/C04", "vic": "A12/C01", "ada": "A12/C01", "adam": "A12", "foreignvendor": "A12/C01", "foreignacceptor": "A12/C01"}

// staff is one person a letter; vendor and acceptor are bound to rack A12.
var staff = map[byte]struct {
	id   string
	role inventory.Role
}{'v': {"vic", inventory.RoleViewer}, 't': {"tess", inventory.RoleTechnician}, 'f': {"fay", inventory.RoleFacilities}, 'w': {"wes", inventory.RoleVendor},
	'u': {"auto", inventory.RoleAutomation}, 'a': {"ada", inventory.RoleAcceptor}, 'd': {"adam", inventory.RoleAdmin}}

// endpoint is one row: who may, and what they get. The table says it again in
// its own words (interface.md §5); it is not computed from the code's matrix.
type endpoint struct {
	route  string // METHOD /v1/path as in the contract
	path   string // with real ids; empty: the route's own
	body   string
	may    string // letters
	status int    // for those who may; 0: 200
	rack   bool   // about rack A12: for people of other racks it does not exist
}

func table(ids map[string]string) []endpoint {
	return []endpoint{
		{route: "GET /v1/backup", may: "d"},
		{route: "GET /v1/baselines", may: everybody},
		{route: "POST /v1/baselines", body: "baseline: x@1", may: "tud", status: 422},
		{route: "POST /v1/blobs", body: "payload without its digest", may: "tud", status: 422},
		{route: "GET /v1/blobs/{digest}", path: "/v1/blobs/sha256:" + strings.Repeat("0", 64), may: "vtfud", status: 404},
		{route: "GET /v1/images", may: everybody},
		{route: "POST /v1/images", body: `{"name":"burnin","version":"1","arch":"amd64","files":{}}`, may: "tud", status: 422},
		{route: "GET /v1/events", path: "/v1/events?chains=A12", may: everybody, rack: true},
		{route: "GET /v1/findings", may: everybody},
		{route: "GET /v1/findings", path: "/v1/findings?rack=A12", may: everybody, rack: true},
		{route: "POST /v1/findings/{finding}/disposition", path: "/v1/findings/FINDING/disposition", body: `{"disposition":"extra"}`, may: "twd", rack: true},
		{route: "POST /v1/nodes/{node}/bmc", path: "/v1/nodes/A12%2FC02/bmc", body: `{"confirmKey":true,"reason":"table of the roles"}`, may: "td", rack: true},
		{route: "POST /v1/holds", body: `{"on":"HELD","name":"maintenance","reason":"table"}`, may: "tfwud", rack: true},
		{route: "POST /v1/holds/release", body: `{"on":"A12/C02","name":"vendor-hold","reason":"table"}`, may: "tfwud", status: 404, rack: true},
		{route: "POST /v1/holds/release", body: `{"on":"A12/C03","name":"safety-latch","reason":"sensor reads clear"}`, may: "f", rack: true},
		{route: "GET /v1/key", may: everybody},
		{route: "GET /v1/locks", may: everybody},
		{route: "POST /v1/locks/break", body: `{"on":"A12","reason":"table"}`, may: "td", status: 404, rack: true},
		{route: "POST /v1/manifests", path: "/v1/manifests?dryRun=true", body: ids["manifest"], may: "twud"},
		{route: "GET /v1/me", may: everybody},
		{route: "GET /v1/nodes", may: everybody},
		{route: "GET /v1/nodes", path: "/v1/nodes?rack=A12", may: everybody, rack: true},
		{route: "GET /v1/nodes/{node}", path: "/v1/nodes/A12%2FC01", may: everybody, rack: true},
		{route: "GET /v1/nodes/{node}/plan", path: "/v1/nodes/A12%2FC01/plan?baseline=none", may: everybody, status: 404, rack: true},
		{route: "GET /v1/people", may: "d"},
		{route: "PUT /v1/people/{person}", path: "/v1/people/newcomer", body: `{"name":"New Comer","grants":[{"role":"viewer"}]}`, may: "d"},
		{route: "GET /v1/racks", may: everybody},
		{route: "GET /v1/racks/{rack}", path: "/v1/racks/A12", may: everybody, rack: true},
		{route: "GET /v1/racks/{rack}/draft", path: "/v1/racks/A12/draft", may: everybody, status: 404, rack: true},
		{route: "GET /v1/racks/{rack}/events", path: "/v1/racks/A12/events", may: everybody, rack: true},
		{route: "GET /v1/racks/{rack}/package", path: "/v1/racks/A12/package", may: everybody, status: 404, rack: true},
		{route: "GET /v1/racks/{rack}/requests", path: "/v1/racks/A12/requests", may: everybody, rack: true},
		{route: "GET /v1/racks/{rack}/waivers", path: "/v1/racks/A12/waivers", may: everybody, rack: true},
		{route: "POST /v1/racks/{rack}/signatures", path: "/v1/racks/A12/signatures", body: `{"part":"deliverer","draft":"sha256:0"}`, may: "tw", status: 404, rack: true},
		{route: "POST /v1/racks/{rack}/signatures", path: "/v1/racks/A12/signatures", body: `{"part":"acceptor","draft":"sha256:0"}`, may: "a", status: 404, rack: true},
		{route: "GET /v1/racktypes", may: everybody},
		{route: "POST /v1/requests", path: "/v1/requests?dryRun=true", body: `{"op":"locate","nodes":["A12/C01"]}`, may: "twud", rack: true},
		{route: "POST /v1/requests", path: "/v1/requests?dryRun=true", body: `{"op":"burn_in","racks":["A12"]}`, may: "tud", rack: true}, // a vendor needs consent
		{route: "POST /v1/requests", path: "/v1/requests?dryRun=true", body: `{"op":"burn_in","racks":["A12"],"approver":"boss"}`, may: "twud", rack: true},
		{route: "GET /v1/runs/{run}", path: "/v1/runs/" + ids["run"], may: everybody, rack: true},
		{route: "GET /v1/firmware/baselines", may: everybody},
		{route: "POST /v1/nodes/{node}/plans", path: "/v1/nodes/A12%2FC01/plans?baseline=none", may: "twud", status: 404, rack: true},
		{route: "GET /v1/plans/{plan}", path: "/v1/plans/" + ids["plan"], may: everybody, rack: true},
		{route: "POST /v1/plans/{plan}/approval", path: "/v1/plans/" + ids["plan"] + "/approval", body: `{"reason":"the table asks"}`, may: "td", rack: true},
		{route: "POST /v1/requests", path: "/v1/requests?dryRun=true", body: `{"op":"power","nodes":["A12/C01"],"args":{"action":"on"}}`, may: "twud", rack: true},
		{route: "POST /v1/requests", path: "/v1/requests?dryRun=true", body: `{"op":"power","nodes":["A12/C01"],"args":{"action":"force-off"}}`, may: "tfwud", rack: true},                    // who stands before the water
		{route: "POST /v1/requests", path: "/v1/requests?dryRun=true", body: `{"op":"triage","nodes":["A12/C01"],"args":{"reason":"cold plate burst"}}`, may: "tud", status: 409, rack: true}, // it was not even received
		{route: "GET /v1/burnin/plans", may: everybody},
		{route: "GET /v1/burnin/plans/{plan}", path: "/v1/burnin/plans/smoke", may: everybody},
		{route: "GET /v1/runs/{run}/verdict", path: "/v1/runs/" + ids["run"] + "/verdict", may: everybody, rack: true},
		{route: "GET /v1/runs/{run}/junit", path: "/v1/runs/" + ids["run"] + "/junit", may: everybody, rack: true},
		{route: "POST /v1/scans", body: `{"rack":"A12","code":"A12SN0001"}`, may: "twd", rack: true},
		{route: "GET /v1/sightings", may: "vtfud"},
		{route: "POST /v1/signoffs", path: "/v1/signoffs?dryRun=true", body: `{"on":"A12","gates":["facility.checklist"]}`, may: "f", rack: true},
		{route: "POST /v1/signoffs", path: "/v1/signoffs?dryRun=true", body: `{"on":"A12/C01","gates":["slot"]}`, may: "tfd", rack: true},
		{route: "POST /v1/tokens", body: `{"person":"boss","until":"` + ids["soon"] + `"}`, may: "d"},
		{route: "POST /v1/waivers", body: `{"on":"A12/C01","gate":"bom","reason":"the table asks for it","until":"` + ids["soon"] + `"}`, may: "tfwd", rack: true},
		{route: "POST /v1/waivers/{waiver}/approval", path: "/v1/waivers/" + ids["waiver"] + "/approval?rack=A12", may: "d", rack: true},
	}
}

// TestRolesOnEveryEndpoint asks every endpoint as every role, as nobody, with a
// wrong token and as the vendor of another rack. An endpoint of the contract
// without a row fails, and so does a refusal that changed anything.
func TestRolesOnEveryEndpoint(t *testing.T) {
	s, ids := roleSite(t)
	rows := table(ids)
	covered := map[string]bool{"GET /v1/health": true} // the only one without a token; TestHealthIsOpen
	for _, row := range rows {
		covered[row.route] = true
		method, path, _ := strings.Cut(row.route, " ")
		if row.path != "" {
			path = row.path
		}
		t.Run(row.route+" "+row.may, func(t *testing.T) {
			for _, token := range []string{"", "rw_wrong", s.tokens["gone"]} {
				if a := s.ask(t, token, method, path, row.body); a.status != http.StatusUnauthorized || problemOf(t, a).Code != "unauthenticated" {
					t.Errorf("token %q got %d %s", token, a.status, a.body)
				}
			}
			for letter, who := range staff {
				s.expect(t, row, letter, s.ask2(t, who.id, method, path, row))
			}
			s.foreign(t, row, method, path)
		})
	}
	for _, route := range routes(t) {
		if !covered[route] {
			t.Errorf("%s has no row: say who may call it", route)
		}
		delete(covered, route)
	}
	for route := range covered {
		t.Errorf("%s has a row but is not in the contract", route)
	}
}

// ask2 sends a request and holds that a refusal leaves the record as it was.
func (s *site) ask2(t *testing.T, who, method, path string, row endpoint) answer {
	t.Helper()
	before := s.entriesBy(t, who)
	a := s.ask(t, s.tokens[who], method, strings.ReplaceAll(path, "FINDING", s.findings[who]), strings.ReplaceAll(row.body, "HELD", slots[who]))
	if after := s.entriesBy(t, who); a.status >= 400 && before != after {
		t.Errorf("%s as %s got %d and wrote %d entries, before %d", row.route, who, a.status, after, before)
	}
	return a
}

func (s *site) expect(t *testing.T, row endpoint, letter byte, a answer) {
	t.Helper()
	may := strings.IndexByte(row.may, letter) >= 0
	want := http.StatusForbidden
	if may {
		want = cmp(row.status, http.StatusOK)
	}
	if a.status != want {
		t.Errorf("%s: %s got %d, want %d: %s", row.route, staff[letter].role, a.status, want, a.body)
	}
	if a.status >= 400 {
		if p := problemOf(t, a); p.Detail == "" || p.Fix == "" || p.RequestID == "" || p.Code == "" {
			t.Errorf("%s as %s: the problem lacks code, detail, fix or request id: %s", row.route, staff[letter].role, a.body)
		}
	}
}

// foreign asks as people of rack B13: a rack's endpoint answers as for a rack
// that does not exist, and no list names anything of A12.
func (s *site) foreign(t *testing.T, row endpoint, method, path string) {
	t.Helper()
	for _, who := range []string{"foreignvendor", "foreignacceptor"} {
		a := s.ask2(t, who, method, path, row)
		if row.rack && a.status != http.StatusNotFound {
			t.Errorf("%s: %s got %d, want 404: %s", row.route, who, a.status, a.body)
		}
		for _, secret := range []string{"A12SN", "RK-A12", `"A12"`} {
			if strings.Contains(a.body, secret) && a.status < 400 {
				t.Errorf("%s: %s sees %s: %s", row.route, who, secret, a.body)
			}
		}
		if !row.rack {
			continue
		}
		ghostly := strings.NewReplacer("A12", "Z99", s.run, "01NOSUCHRUN", s.plan, noSuchPlan, "FINDING", "01NOSUCHFINDING")
		ghost := s.ask(t, s.tokens[who], method, ghostly.Replace(path), ghostly.Replace(strings.ReplaceAll(row.body, "HELD", slots[who])))
		if got, want := blank(t, a, "A12", s.run, s.plan, s.findings[who]), blank(t, ghost, "Z99", "01NOSUCHRUN", noSuchPlan, "01NOSUCHFINDING"); got != want {
			t.Errorf("%s: %s can tell a foreign rack from none:\n%s\n%s", row.route, who, got, want)
		}
	}
}

// blank is a problem without what differs by nature: the name and the request.
func blank(t *testing.T, a answer, names ...string) string {
	t.Helper()
	p := problemOf(t, a)
	for _, name := range names {
		p.Detail = strings.ReplaceAll(p.Detail, name, "*")
	}
	return fmt.Sprint(a.status, p.Code, p.Detail, p.Fix)
}

// entriesBy counts what a person wrote into any chain.
func (s *site) entriesBy(t *testing.T, who string) int {
	t.Helper()
	n := 0
	racks, err := s.Store().Racks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	chains := []inventory.Subject{inventory.SiteSubject("ams1")}
	for _, r := range racks {
		chains = append(chains, inventory.RackSubject(r.ID))
	}
	for _, on := range chains {
		for e, err := range s.Store().Entries(t.Context(), on, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if e.By == who {
				n++
			}
		}
	}
	return n
}

func problemOf(t *testing.T, a answer) api.Problem {
	t.Helper()
	var p api.Problem
	if a.status < 400 {
		return p
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("an error came as %q: %s", got, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Errorf("an error is no problem document: %v: %s", err, a.body)
	}
	return p
}

func cmp(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// routes are METHOD /path of the contract itself.
func routes(t *testing.T) []string {
	t.Helper()
	raw, err := (&api.Service{}).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	for path, methods := range doc.Paths {
		for m := range methods {
			out = append(out, strings.ToUpper(m)+" "+path)
		}
	}
	slices.Sort(out)
	return out
}

// roleSite has racks A12 and B13, people, and one of everything the rows name.
func roleSite(t *testing.T) (*site, map[string]string) {
	t.Helper()
	c := settings(t)
	c.Firmware.Keys = []string{baselineKey(t)}
	s := serve(t, server.Options{Config: c, Simulated: true})
	later := time.Now().Add(time.Hour).UTC()
	for letter, who := range staff {
		g := inventory.Grant{Role: who.role}
		if letter == 'w' || letter == 'a' {
			g.Racks, g.Until = []inventory.RackID{"A12"}, later
		}
		s.hire(t, who.id, g)
	}
	s.hire(t, "boss", inventory.Grant{Role: inventory.RoleTechnician})
	s.hire(t, "foreignvendor", inventory.Grant{Role: inventory.RoleVendor, Racks: []inventory.RackID{"B13"}, Until: later})
	s.hire(t, "foreignacceptor", inventory.Grant{Role: inventory.RoleAcceptor, Racks: []inventory.RackID{"B13"}})
	s.hire(t, "gone", inventory.Grant{Role: inventory.RoleAdmin})
	if err := s.Store().SavePerson(t.Context(), inventory.Person{ID: "gone", Name: "Gone", Disabled: true}); err != nil {
		t.Fatal(err)
	}
	s.rack(t, "A12")
	s.rack(t, "B13")
	tess := s.as(t, "tess")
	for who := range s.tokens { // a finding is disposed once: one for each who may
		scanned, err := tess.Scan(t.Context(), api.ScanRequest{Rack: "A12", Code: "SURPLUS" + strings.ToUpper(who)})
		if err != nil || len(scanned.Findings) == 0 {
			t.Fatalf("a surplus unit left no finding: %+v %v", scanned, err)
		}
		s.findings[who] = string(scanned.Findings[0].ID)
	}
	run, err := tess.Start(t.Context(), "k", false, api.StartRequest{Op: inventory.OpBringUp, Racks: []string{"A12"}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := tess.AskWaiver(t.Context(), api.WaiverRequest{On: "A12/C01", Gate: "bom", Reason: "asked for the table", Until: later})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tess.Hold(t.Context(), api.HoldRequest{On: "A12/C03", Name: inventory.HoldSafetyLatch, Reason: "leak sensor"}); err != nil {
		t.Fatal(err)
	}
	s.run = string(run.Run)
	time.Sleep(300 * time.Millisecond) // the conductor answers what was asked; then the chains rest
	return s, map[string]string{"run": string(run.Run), "plan": s.storedPlan(t), "waiver": string(w.ID),
		"soon": later.Format(time.RFC3339), "manifest": string(manifest(t, "A12"))}
}
