package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/inventory"
)

const payload = "the vendor's bytes"

// baselineOf is a signed baseline of one component; target is "2.0" of rank 2.
func (d *desk) importBaseline(name, more string) {
	d.t.Helper()
	doc := fmt.Appendf(nil, `{baseline: %s, components: [{name: bmc, ids: ["^BMC_"], count: 2, artifact: %s, activate: bmc-reset, %s
  versions: [{v: "1.0", rank: 1}, {v: "2.0", rank: 2, target: true}, {v: "3.0", rank: 3}]}]}`, name, inventory.DigestOf([]byte(payload)), more)
	d.header("X-Signature", base64.StdEncoding.EncodeToString(minisign.Sign(d.sign, doc)))
	d.ask("tess", http.MethodPost, "/baselines", doc, http.StatusOK, nil)
}

// reads files a Redfish reading of the firmware of a node.
func (d *desk) reads(address string, versions ...string) {
	d.t.Helper()
	n, err := d.store.Node(d.t.Context(), inventory.NodeID(address))
	if err != nil {
		d.t.Fatal(err)
	}
	o := inventory.Observation{Node: n.ID, Rack: n.Rack, Source: inventory.SourceRedfish, At: time.Now()}
	for i, v := range versions {
		o.Components = append(o.Components, inventory.Component{Key: inventory.Key{Kind: inventory.KindFirmware, Slot: fmt.Sprintf("BMC_%d", i)}, Firmware: v, State: inventory.StatePresent})
	}
	if _, err := d.store.Observe(d.t.Context(), o); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) plan(node, baseline string) api.PlanAnswer {
	d.t.Helper()
	var p api.PlanAnswer
	d.ask("tess", http.MethodPost, "/nodes/"+node+"/plans?baseline="+baseline, nil, http.StatusOK, &p)
	return p
}

// TestFirmwarePlan: plan, read it back by digest, apply it to its node only,
// and only with its payload here.
func TestFirmwarePlan(t *testing.T) {
	d := newDesk(t)
	d.importBaseline("hgx@1", "")
	says(t, d.ask("tess", http.MethodPost, "/nodes/A12%2FC01/plans?baseline=hgx@1", nil, 422, nil), "was never read", "start sweep A12/C01")
	says(t, d.ask("tess", http.MethodPost, "/nodes/A12%2FC01/plans?baseline=none", nil, 404, nil), "rackwright get baselines")
	d.reads("A12/C01", "1.0", "2.0")
	p := d.plan("A12%2FC01", "hgx@1")
	if again := d.plan("A12%2FC01", "hgx@1"); again.Digest != p.Digest || inventory.DigestOf(p.Plan.JSON()) != p.Digest {
		t.Errorf("the same reading gives %s and %s", p.Digest, again.Digest)
	}
	if len(p.Plan.Steps) != 2 || len(p.Plan.Skips) != 1 || p.Plan.Skips[0].Reason == "" || p.Address != "A12/C01" || len(p.Downgrades) != 0 {
		t.Errorf("planned %+v", p)
	}
	var preview firmware.Plan
	d.ask("vic", http.MethodGet, "/nodes/A12%2FC01/plan?baseline=hgx@1", nil, http.StatusOK, &preview)
	if string(preview.JSON()) != string(p.Plan.JSON()) {
		t.Errorf("the preview differs: %s", preview.JSON())
	}
	var back api.PlanAnswer
	d.ask("vic", http.MethodGet, "/plans/"+string(p.Digest), nil, http.StatusOK, &back)
	if string(back.Plan.JSON()) != string(p.Plan.JSON()) {
		t.Errorf("read back %s", back.Plan.JSON())
	}
	d.ask("vic", http.MethodPost, "/nodes/A12%2FC01/plans?baseline=hgx@1", nil, http.StatusForbidden, nil)
	d.ask("fred", http.MethodPost, "/nodes/A12%2FC01/plans?baseline=hgx@1", nil, http.StatusNotFound, nil)
	d.ask("fred", http.MethodGet, "/plans/"+string(p.Digest), nil, http.StatusNotFound, nil)
	d.ask("vic", http.MethodGet, "/plans/"+string(p.Plan.Baseline), nil, http.StatusNotFound, nil) // a document, but no plan

	ask := api.StartRequest{Op: inventory.OpFirmware, Plan: p.Digest, Nodes: []string{"A12/C01"}}
	says(t, d.ask("tess", http.MethodPost, "/requests", ask, 404, nil), "is not here", "rackwright import payload")
	d.header("X-Digest", string(inventory.DigestOf([]byte(payload))))
	d.ask("auto", http.MethodPost, "/blobs", []byte(payload), http.StatusCreated, nil)
	for what, spoil := range map[string]func(*api.StartRequest){
		"other node": func(r *api.StartRequest) { r.Nodes = []string{"A12/C02"} },
		"two nodes":  func(r *api.StartRequest) { r.Nodes = []string{"A12/C01", "A12/C02"} },
		"whole rack": func(r *api.StartRequest) { r.Nodes, r.Racks = nil, []string{"A12"} },
	} {
		bad := ask
		spoil(&bad)
		if text := d.ask("tess", http.MethodPost, "/requests", bad, 422, nil); !strings.Contains(text, "is for A12/C01 and nothing else") {
			t.Errorf("%s: %s", what, text)
		}
	}
	var req inventory.Request
	d.ask("auto", http.MethodPost, "/requests", ask, http.StatusAccepted, &req)
	if req.Plan != p.Digest || len(req.Lines) != 1 {
		t.Errorf("accepted %+v", req)
	}
	d.reads("A12/C02", "2.0", "2.0")
	same := d.plan("A12%2FC02", "hgx@1")
	says(t, d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpFirmware, Plan: same.Digest, Nodes: []string{"A12/C02"}}, 422, nil), "has no steps")
	d.reads("A12/C03", "1.5-lab", "2.0")
	says(t, d.ask("tess", http.MethodPost, "/nodes/A12%2FC03/plans?baseline=hgx@1", nil, 422, nil), "1.5-lab", "does not know")
}

// TestDowngrade: an older version needs a reason and a second person who said
// yes to this plan with their own token; naming somebody is not enough.
func TestDowngrade(t *testing.T) {
	d := newDesk(t)
	d.header("X-Digest", string(inventory.DigestOf([]byte(payload))))
	d.ask("tess", http.MethodPost, "/blobs", []byte(payload), http.StatusCreated, nil)
	d.importBaseline("hgx@old", "downgrade: true,")
	d.reads("A12/C01", "3.0", "2.0")
	p := d.plan("A12%2FC01", "hgx@old")
	if len(p.Downgrades) != 1 {
		t.Fatalf("planned %+v", p)
	}
	why := []byte(`{"reason":"3.0 loses links, vendor case 7"}`)
	ask := api.StartRequest{Op: inventory.OpFirmware, Plan: p.Digest, Nodes: []string{"A12/C01"}, Args: why}
	refused := func(want int, who string, approver inventory.PersonID, sentence string) {
		t.Helper()
		r := ask
		r.Approver = approver
		says(t, d.ask(who, http.MethodPost, "/requests", r, want, nil), sentence)
		if list, err := d.store.Requests(t.Context(), inventory.RackSubject("A12")); err != nil || len(list) > 0 {
			t.Fatalf("a refused downgrade left %+v %v", list, err)
		}
	}
	refused(403, "tess", "", "needs two named people")
	refused(403, "tess", "tess", "needs a second person")
	refused(403, "tess", "tom", "tom has not approved plan")
	refused(403, "tess", "nobody", "nobody has not approved plan")
	ask.Args = nil
	refused(422, "tess", "tom", "has no reason")
	ask.Args = why
	approval := "/plans/" + string(p.Digest) + "/approval"
	for who, want := range map[string]int{"vic": 403, "auto": 403, "wes": 403, "fred": 404} {
		d.ask(who, http.MethodPost, approval, map[string]string{"reason": "because I say so"}, want, nil)
	}
	d.ask("tom", http.MethodPost, approval, map[string]string{"reason": "no"}, 422, nil)
	var got api.PlanAnswer
	for range 2 { // the first word stays
		d.ask("tom", http.MethodPost, approval, map[string]string{"reason": "read case 7, agreed"}, http.StatusOK, &got)
	}
	if len(got.Approvals) != 1 || got.Approvals[0].By != "tom" || got.Approvals[0].Reason == "" {
		t.Errorf("approvals %+v", got.Approvals)
	}
	refused(403, "tom", "tom", "needs a second person") // who approved may not be who starts
	for _, op := range []inventory.OpKind{inventory.OpFirmware, inventory.OpBringUp} {
		r := api.StartRequest{Op: op, Racks: []string{"A12"}, Args: []byte(`{"baselines":["hgx@old"]}`)}
		says(t, d.ask("tess", http.MethodPost, "/requests", r, 422, nil), "allows a downgrade of bmc", "rackwright plan firmware")
	}
	ask.Approver = "tom"
	d.ask("tess", http.MethodPost, "/requests", ask, http.StatusAccepted, nil)
	d.hire("tom", inventory.Grant{Role: inventory.RoleViewer})
	says(t, d.ask("tess", http.MethodPost, "/requests", ask, 403, nil), "needs one of the roles")
}

// TestStartNames: unknown names are refused before anything is accepted.
func TestStartNames(t *testing.T) {
	d := newDesk(t)
	says(t, d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpFirmware, Racks: []string{"A12"}}, 422, nil), "needs a stored plan or a baseline")
	says(t, d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpBringUp, Racks: []string{"A12"}, Plan: inventory.DigestOf(nil)}, 422, nil), "only firmware is started")
	for args, want := range map[string]string{`{"plan":"smokey"}`: "known are smoke, x86", `{"image":"none"}`: "rackwright get images", `{"plan":7}`: "arguments: "} {
		says(t, d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpBringUp, Racks: []string{"A12"}, Args: []byte(args)}, 422, nil), want)
	}
	says(t, d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpBringUp, Racks: []string{"A12"}, Args: []byte(`{"baselines":["none"]}`)}, 404, nil), "rackwright import baseline")
	d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpBringUp, Racks: []string{"A12"}, Args: []byte(`{"plan":"smoke"}`)}, http.StatusAccepted, nil)
}

// TestPowerGuard: no power action while a step that must not be interrupted
// runs; before and after, and on its neighbours, there is.
func TestPowerGuard(t *testing.T) {
	d := newDesk(t)
	power := func(action string, want int, on ...string) string {
		t.Helper()
		return d.ask("tess", http.MethodPost, "/requests?dryRun=true", api.StartRequest{Op: inventory.OpPower, Nodes: on, Args: fmt.Appendf(nil, `{"action":%q}`, action)}, want, nil)
	}
	says(t, power("explode", 422, "A12/C01"), "is no power action", "force-off")
	says(t, d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpPower, Racks: []string{"A12"}}, 422, nil), "is no power action")
	power("off", 200, "A12/C01")
	_, run := d.works(t.Context(), "A12/C01", inventory.OpFirmware, "", inventory.AbortNever)
	for _, action := range []string{"on", "off", "force-off", "restart"} {
		says(t, power(action, 409, "A12/C02", "A12/C01"), "do not power off: A12/C01 is in firmware", string(run), `"code":"held"`)
	}
	says(t, d.ask("tess", http.MethodPost, "/requests", api.StartRequest{Op: inventory.OpPower, Racks: []string{"A12"}, Args: []byte(`{"action":"off"}`)}, 409, nil), "A12/C01")
	power("off", 200, "A12/C02")
	for _, name := range []inventory.HoldName{inventory.HoldSafetyLatch, inventory.HoldQuarantine} {
		if err := d.store.Hold(t.Context(), inventory.NodeSubject("A12/C02"), inventory.Hold{Name: name, Reason: "water under it", By: "tess"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, action := range []string{"on", "restart"} {
		says(t, power(action, 409, "A12/C02"), "A12/C02 gets no power: quarantine on A12/C02 (water under it; lifted by [technician admin]); safety-latch on A12/C02 (water under it; lifted by [facilities])")
	}
	power("force-off", 200, "A12/C02")
	c, _ := d.claim("A12/C01")
	if err := d.store.Apply(t.Context(), c, inventory.Change{Outcome: inventory.OutcomeOK}); err != nil {
		t.Fatal(err)
	}
	power("off", 200, "A12/C01")
}
