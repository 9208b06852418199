package handover_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

var update = flag.Bool("update", false, "write the golden package again")

var (
	now     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	siteKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
)

const (
	ann inventory.PersonID = "01PERSONANN"
	bob inventory.PersonID = "01PERSONBOB"
	eve inventory.PersonID = "01PERSONEVE"
)

func canonical(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// goodCase is a rack of two GPU nodes, one switch and one shelf, with evidence
// for every gate the law asks machines, people or signatures for.
func goodCase(t testing.TB, simulated bool) handover.Case {
	t.Helper()
	rackType := inventory.RackType{Name: "small", Version: 1, Accelerator: inventory.KindGPU, Tolerance: map[inventory.NodeKind]int{inventory.KindCompute: 1},
		Slots: []inventory.Slot{{Path: "C01", Kind: inventory.KindCompute, U: 1, Height: 1, Required: true}, {Path: "C02", Kind: inventory.KindCompute, U: 2, Height: 1, Required: true},
			{Path: "P01", Kind: inventory.KindPowerShelf, U: 3, Height: 1, Required: true}},
		Gates: []inventory.GateRule{{Gate: "ntp.set", By: inventory.ByDeclaration, Reason: "no time service in this room"},
			{Gate: lifecycle.GateLeak, By: inventory.ByDeclaration, Reason: "air cooled, no leak sensors"}}}
	c := handover.Case{Type: rackType, Now: now, TypeDocument: canonical(t, rackType), Documents: map[inventory.Digest][]byte{},
		Persons:  []inventory.Person{{ID: ann, Name: "Ann <Deliverer>"}, {ID: bob, Name: "Bob Acceptor"}, {ID: eve, Name: "Eve"}},
		Observed: map[inventory.NodeID][]inventory.Component{}, Expected: map[inventory.NodeID][]inventory.Component{}}
	c.Rack = inventory.Rack{ID: "01RACK", Site: "ams1", Name: "A12", Serial: "RK1", Milestone: inventory.RackTested, Simulated: simulated,
		Type: inventory.Ref{Kind: inventory.DocRackType, Name: "small", Digest: inventory.DigestOf(c.TypeDocument), Version: 1}}
	for i, s := range rackType.Slots {
		n := inventory.Node{ID: inventory.NodeID("01NODE" + s.Path), Rack: c.Rack.ID, Kind: s.Kind, Address: "A12/" + s.Path, Slot: s.Path,
			Serial: fmt.Sprintf("SN%d", i), Milestone: inventory.NodeRackTested, Simulated: simulated,
			BMC: inventory.Endpoint{URL: "https://192.0.2.1", Credential: "bmc/A12", MAC: "02:00:00:00:00:01", Simulated: simulated}}
		c.Nodes = append(c.Nodes, n)
		c.Observed[n.ID] = []inventory.Component{{Key: inventory.Key{Kind: inventory.KindGPU, Slot: "GPU0"}, Serial: "G" + s.Path, Model: "=cmd()", State: inventory.StatePresent}}
	}
	fileAll(t, &c)
	c.Findings = []inventory.Finding{{ID: "01F1", Kind: inventory.FindMissing, Rack: c.Rack.ID, Node: c.Nodes[0].ID, Owner: inventory.OwnerVendor, Closed: true}}
	c.Entries = chain(c.Rack.ID, 4)
	c.Head = handover.Head{Seq: 3, Hash: c.Entries[2].Hash}
	return c
}

// fileAll adds passing evidence for each gate that asks for any.
func fileAll(t testing.TB, c *handover.Case) {
	t.Helper()
	for _, s := range lifecycle.Specs() {
		if s.Rack != "" {
			file(t, c, s, "", inventory.RackSubject(c.Rack.ID), c.Rack.Simulated)
			continue
		}
		for _, n := range c.Nodes {
			file(t, c, s, n.Kind, inventory.NodeSubject(n.ID), n.Simulated)
		}
	}
}

func file(t testing.TB, c *handover.Case, s lifecycle.Spec, kind inventory.NodeKind, on inventory.Subject, simulated bool) {
	t.Helper()
	producer, _ := lifecycle.ProducerOf(s, c.Type, kind)
	if producer == inventory.ByDerivation || producer == inventory.ByDeclaration {
		return
	}
	doc := canonical(t, map[string]string{"gate": string(s.Gate), "of": on.String()})
	digest := inventory.DigestOf(doc)
	c.Documents[digest] = doc
	c.Evidence = append(c.Evidence, inventory.Evidence{ID: inventory.EvidenceID(fmt.Sprintf("01EV%04d", len(c.Evidence))), Subject: on, Gate: s.Gate,
		Result: inventory.ResultPass, Producer: producer, Document: digest, At: now.Add(-time.Hour), By: string(ann), Simulated: simulated,
		Cites: map[string]inventory.Digest{"image": inventory.DigestOf([]byte("image"))}})
}

func chain(rack inventory.RackID, n int) []inventory.Entry {
	var out []inventory.Entry
	var prev inventory.Digest
	for i := range n {
		e := inventory.Entry{Chain: inventory.RackSubject(rack).String(), Seq: uint64(i + 1), At: now.Add(time.Duration(i) * time.Minute), By: string(ann),
			Via: "api", Kind: "evidence", Body: json.RawMessage(`{"note":"<&> ` + fmt.Sprint(i) + `"}`), Prev: prev}
		e.Hash = inventory.ChainHash(e)
		prev = e.Hash
		out = append(out, e)
	}
	return out
}

func approvals(t testing.TB, draft handover.Certificate) []handover.Approval {
	t.Helper()
	digest, err := draft.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return []handover.Approval{
		{Person: bob, Name: "Bob Acceptor", Part: handover.Acceptor, Role: inventory.RoleAcceptor, Draft: digest, At: now},
		{Person: ann, Name: "Ann <Deliverer>", Part: handover.Deliverer, Role: inventory.RoleTechnician, Draft: digest, At: now}}
}

func issue(t testing.TB, c handover.Case) handover.Certificate {
	t.Helper()
	draft, err := handover.Draft(c)
	if err != nil {
		t.Fatalf("Draft: %v", err)
	}
	cert, err := handover.Issue(draft, approvals(t, draft), siteKey, now.Add(time.Hour))
	if err != nil {
		t.Fatalf("Issue: %v", err)
	}
	return cert
}

func pack(t testing.TB, c handover.Case) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := handover.WritePackage(&out, issue(t, c), c, siteKey); err != nil {
		t.Fatalf("WritePackage: %v", err)
	}
	return out.Bytes()
}

func trust() handover.Trust {
	return handover.Trust{Keys: []ed25519.PublicKey{siteKey.Public().(ed25519.PublicKey)}}
}

func verify(pkg []byte, trusted handover.Trust) handover.Report {
	return handover.VerifyPackage(bytes.NewReader(pkg), int64(len(pkg)), trusted)
}

func TestPackageVerifies(t *testing.T) {
	pkg := pack(t, goodCase(t, false))
	if again := pack(t, goodCase(t, false)); !bytes.Equal(pkg, again) {
		t.Error("the same case gives other bytes")
	}
	r := verify(pkg, trust())
	if !r.Verified() || r.Simulated || r.AcceleratorsUntested || r.Rack != "A12" {
		t.Errorf("%s %+v", r.Verdict(), r.Checks)
	}
	if byPaper := verify(pkg, handover.Trust{Fingerprints: []inventory.Digest{r.Key}}); !byPaper.Verified() {
		t.Error("a fingerprint from paper is not trusted")
	}
	if stranger := verify(pkg, handover.Trust{}); stranger.Verified() || !stranger.Intact() || !strings.HasPrefix(stranger.Verdict(), "intact, signer unknown") {
		t.Errorf("without trust: %s", stranger.Verdict())
	}
	for _, secret := range []string{"192.0.2.1", "bmc/A12", ",=cmd()"} {
		if bytes.Contains(pkg, []byte(secret)) {
			t.Errorf("package holds %q", secret)
		}
	}
	if !bytes.Contains(pkg, []byte("Ann &lt;Deliverer&gt;")) {
		t.Error("the page does not escape names")
	}
}

func TestSimulatedIsSaid(t *testing.T) {
	r := verify(pack(t, goodCase(t, true)), trust())
	if !r.Verified() || !r.Simulated || !strings.Contains(r.Verdict(), "SIMULATED") {
		t.Errorf("%s", r.Verdict())
	}
	if pkg := pack(t, goodCase(t, true)); !bytes.Contains(pkg, []byte("SIMULATED. This certificate")) {
		t.Error("the page has no banner")
	}
}

// TestAttacks: every forgery fails and names the entry it touched.
func TestAttacks(t *testing.T) {
	pkg := pack(t, goodCase(t, true))
	attacks, err := handover.Attacks(pkg, siteKey)
	if err != nil || len(attacks) < 4*13 {
		t.Fatalf("%d attacks, %v", len(attacks), err)
	}
	for _, a := range attacks {
		forged, err := a.Apply(pkg)
		if err != nil {
			t.Fatalf("%s: %v", a.Name, err)
		}
		r := verify(forged, trust())
		switch {
		case a.Unknown:
			if r.Verified() || !r.Intact() || r.Signer != handover.SignerUnknown {
				t.Errorf("%s: %s", a.Name, r.Verdict())
			}
		case r.Intact() || r.Broken.Entry != a.Entry:
			t.Errorf("%s: %s; want entry %q", a.Name, r.Verdict(), a.Entry)
		}
	}
}

func TestDraftRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*handover.Case)
		want  string
	}{
		"gate without evidence":               {func(c *handover.Case) { c.Evidence = c.Evidence[1:] }, "no evidence yet"},
		"void evidence":                       {func(c *handover.Case) { c.Evidence[0].Void = true }, "no evidence yet"},
		"failed evidence":                     {func(c *handover.Case) { c.Evidence[0].Result = inventory.ResultFail }, "is shut"},
		"simulated evidence on real hardware": {func(c *handover.Case) { c.Evidence[0].Simulated = true }, "no evidence yet"},
		"missing document":                    {func(c *handover.Case) { delete(c.Documents, c.Evidence[0].Document) }, "not at hand"},
		"other document":                      {func(c *handover.Case) { c.Documents[c.Evidence[0].Document] = []byte("x") }, "not at hand"},
		"hold": {func(c *handover.Case) {
			c.Nodes[0].Holds = []inventory.Hold{{Name: inventory.HoldMaintenance, Reason: "r"}}
		}, "hold maintenance"},
		"rack hold":         {func(c *handover.Case) { c.Rack.Holds = []inventory.Hold{{Name: inventory.HoldQuarantine, Reason: "r"}} }, "hold quarantine"},
		"below tolerance":   {func(c *handover.Case) { c.Rack.Excluded = []inventory.NodeID{c.Nodes[0].ID, c.Nodes[1].ID} }, "needs 1"},
		"shelf left out":    {func(c *handover.Case) { c.Rack.Excluded = []inventory.NodeID{c.Nodes[2].ID} }, "needs 1"},
		"stranger excluded": {func(c *handover.Case) { c.Rack.Excluded = []inventory.NodeID{"01X"} }, "not in the rack"},
		"open finding":      {func(c *handover.Case) { c.Findings[0].Closed = false }, "findings are open"},
		"other rack type":   {func(c *handover.Case) { c.TypeDocument = []byte("{}") }, "rack type document"},
		"head not reached":  {func(c *handover.Case) { c.Entries = c.Entries[:2] }, "does not reach its head"},
		"chain gap":         {func(c *handover.Case) { c.Entries = append(c.Entries[:1:1], c.Entries[2:]...) }, "missing or out of order"},
		"other chain":       {func(c *handover.Case) { c.Rack.ID = "01OTHER" }, "belongs to chain"},
		"evidence id twice": {func(c *handover.Case) { c.Evidence[1].ID = c.Evidence[0].ID }, "two rows"},
	} {
		c := goodCase(t, false)
		tc.spoil(&c)
		if _, err := handover.Draft(c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	draft, err := handover.Draft(goodCase(t, false))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]handover.Approval) []handover.Approval{
		"one approval":    func(a []handover.Approval) []handover.Approval { return a[:1] },
		"none":            func([]handover.Approval) []handover.Approval { return nil },
		"same person":     func(a []handover.Approval) []handover.Approval { a[0].Person = a[1].Person; return a },
		"other draft":     func(a []handover.Approval) []handover.Approval { a[0].Draft = inventory.DigestOf(nil); return a },
		"two deliverers":  func(a []handover.Approval) []handover.Approval { a[0].Part = handover.Deliverer; return a },
		"third approval":  func(a []handover.Approval) []handover.Approval { b := a[0]; b.Person = eve; return append(a, b) },
		"no name":         func(a []handover.Approval) []handover.Approval { a[0].Name = ""; return a },
		"role":            func(a []handover.Approval) []handover.Approval { a[0].Role = inventory.RoleAdmin; return a },
		"part not a side": func(a []handover.Approval) []handover.Approval { a[0].Part = "witness"; return a },
	} {
		if _, err := handover.Issue(draft, change(approvals(t, draft)), siteKey, now); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if _, err := handover.Issue(draft, approvals(t, draft), siteKey[:10], now); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("short key: %v", err)
	}
	cert := issue(t, goodCase(t, false))
	if err := cert.Verify(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)).Public().(ed25519.PublicKey)); err == nil {
		t.Error("verified with another key")
	}
	cert.Rack.Serial = "RK2"
	if err := cert.Verify(siteKey.Public().(ed25519.PublicKey)); err == nil {
		t.Error("a changed certificate verifies")
	}
}

// TestWaivers: a waived accelerator test is said everywhere; an expired waiver or
// one of a single person opens nothing.
func TestWaivers(t *testing.T) {
	c := goodCase(t, false)
	var subjects []inventory.Subject
	kept := c.Evidence[:0:0]
	for _, e := range c.Evidence {
		if e.Gate == lifecycle.GateAccelerator {
			subjects = append(subjects, e.Subject)
			continue
		}
		kept = append(kept, e)
	}
	c.Evidence = kept
	for i, s := range subjects {
		c.Waivers = append(c.Waivers, inventory.Waiver{ID: inventory.WaiverID(fmt.Sprint("01W", i)), Gate: lifecycle.GateAccelerator, Subject: s, Reason: "plan x86 only",
			Requester: ann, Approver: eve, Until: now.Add(time.Hour)})
	}
	pkg := pack(t, c)
	r := verify(pkg, trust())
	if !r.Verified() || !r.AcceleratorsUntested || !strings.Contains(r.Verdict(), handover.AcceleratorsUntested) {
		t.Errorf("%s", r.Verdict())
	}
	old := c // an expired waiver beside a valid one stands in the record for ever and harms nothing
	old.Waivers = append([]inventory.Waiver{{ID: "01WOLD", Gate: lifecycle.GateSuite, Subject: subjects[0], Reason: "old", Requester: ann, Approver: eve,
		Until: now.Add(-time.Hour)}}, c.Waivers...)
	if r := verify(pack(t, old), trust()); !r.Verified() || len(r.Certificate.Waivers) != len(c.Waivers) {
		t.Errorf("with an expired waiver: %s", r.Verdict())
	}
	for name, spoil := range map[string]func(*inventory.Waiver){
		"expired": func(w *inventory.Waiver) { w.Until = now }, "one person": func(w *inventory.Waiver) { w.Approver = w.Requester },
		"asked only": func(w *inventory.Waiver) { w.Approver = "" }, "no reason": func(w *inventory.Waiver) { w.Reason = "" },
	} {
		bad := c
		bad.Waivers = append([]inventory.Waiver(nil), c.Waivers...)
		spoil(&bad.Waivers[0])
		if _, err := handover.Draft(bad); err == nil {
			t.Errorf("%s: drafted", name)
		}
	}
}

func TestExcludedWithinTolerance(t *testing.T) {
	c := goodCase(t, false)
	c.Rack.Excluded = []inventory.NodeID{c.Nodes[1].ID}
	c.Nodes[1].Milestone = inventory.NodeTriage
	c.Nodes[1].Holds = []inventory.Hold{{Name: inventory.HoldQuarantine, Reason: "memory", Since: now}}
	r := verify(pack(t, c), trust())
	if !r.Verified() || len(r.Certificate.Members) != 2 || len(r.Certificate.Excluded) != 1 || r.Certificate.Excluded[0].Slot != "C02" || len(r.Certificate.Holds) != 1 {
		t.Errorf("%s %+v", r.Verdict(), r.Certificate)
	}
}

// TestGolden: a package written by any release must verify in every later one.
func TestGolden(t *testing.T) {
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", "golden-"+handover.LawVersion+".zip"), pack(t, leakedCase(t)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for law := 1; fmt.Sprint(law-1) != handover.LawVersion; law++ {
		pkg, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("golden-%d.zip", law)))
		if err != nil {
			t.Fatal(err)
		}
		if r := verify(pkg, trust()); !r.Verified() || !r.Simulated || r.Certificate.Law != fmt.Sprint(law) {
			t.Errorf("law %d: %s", law, r.Verdict())
		}
	}
}

// leakedCase is a rack in which C01 leaked, and was dry and tested again.
func leakedCase(t testing.TB) handover.Case {
	t.Helper()
	c := goodCase(t, true)
	c.Type.Gates = c.Type.Gates[:1]
	c.TypeDocument = canonical(t, c.Type)
	c.Rack.Type.Digest = inventory.DigestOf(c.TypeDocument)
	c.Evidence = nil
	fileAll(t, &c)
	c.Evidence = append(c.Evidence, inventory.Evidence{ID: "01EVLEAK", Subject: inventory.NodeSubject(c.Nodes[0].ID), Gate: lifecycle.GateLeak, Result: inventory.ResultFail,
		Producer: inventory.ByMachine, At: now.Add(-2 * time.Hour), By: "rackwright/watch", Detail: "leak /L0 Critical", Void: true, VoidWhy: "safety_trip", Simulated: true})
	return c
}

// TestLeaksArePrinted: the gate of a member that leaked is open again, and the
// certificate says that it leaked; one that leaks now is not certified.
func TestLeaksArePrinted(t *testing.T) {
	c := leakedCase(t)
	draft, err := handover.Draft(c)
	if err != nil {
		t.Fatal(err)
	}
	const said = "a leak was read in the slot of A12/C01 (readings: 1, the first at 2026-"
	if i := slices.IndexFunc(draft.Notices, func(n string) bool { return strings.HasPrefix(n, said) }); i < 0 {
		t.Fatalf("notices %q", draft.Notices)
	}
	if r := verify(pack(t, c), trust()); !r.Verified() {
		t.Error(r.Verdict())
	}
	c.Evidence[len(c.Evidence)-1].At = now // the leak is the last word
	c.Evidence[len(c.Evidence)-1].Void = false
	if _, err := handover.Draft(c); !errors.Is(err, inventory.ErrDenied) {
		t.Errorf("a member that leaks now is certified: %v", err)
	}
}

func FuzzVerifyPackage(f *testing.F) {
	pkg := pack(f, goodCase(f, true))
	f.Add(pkg)
	f.Add(pkg[:len(pkg)/2])
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := verify(raw, trust())
		if r.Verdict() == "" || len(r.Checks) == 0 {
			t.Fatal("no verdict")
		}
	})
}
