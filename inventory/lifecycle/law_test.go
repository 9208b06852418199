package lifecycle

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/name; the tables there are the law in print.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at the change, then run with -update\n%s", name, got)
	}
}

func TestNodeMatrix(t *testing.T) {
	var b strings.Builder
	for _, from := range NodeMilestones() {
		for _, e := range NodeEvents() {
			to, err := Next(inventory.Node{Milestone: from}, e)
			cell := string(to)
			if err != nil {
				cell = "refused"
			}
			fmt.Fprintf(&b, "%-12s %-17s %s\n", from, e, cell)
		}
	}
	golden(t, "node.golden", b.String())
}

func TestRackMatrix(t *testing.T) {
	var b strings.Builder
	for _, from := range RackMilestones() {
		for _, e := range RackEvents() {
			to, err := NextRack(inventory.Rack{Milestone: from}, e)
			cell := string(to)
			if err != nil {
				cell = "refused"
			}
			fmt.Fprintf(&b, "%-16s %-21s %s\n", from, e, cell)
		}
	}
	golden(t, "rack.golden", b.String())
}

func TestInvalidationTable(t *testing.T) {
	kinds := []inventory.FindingKind{inventory.FindMissing, inventory.FindExtra, inventory.FindCountShort, inventory.FindWrongType, inventory.FindWrongSlot,
		inventory.FindReplaced, inventory.FindSwapped, inventory.FindDuplicateID, inventory.FindIDConflict, inventory.FindPlaceholderID,
		inventory.FindWrongFirmware, inventory.FindNoLink, inventory.FindDegradedLink, inventory.FindMiscabled, inventory.FindUnreadable, inventory.FindStale, inventory.FindDamaged}
	var b strings.Builder
	for _, f := range kinds {
		for _, k := range []inventory.Kind{inventory.KindGPU, inventory.KindBMC} {
			to := inventory.NodeBurnedIn
			if e := EventOf(f, k); e != "" {
				var err error
				if to, err = Next(inventory.Node{Milestone: to}, e); err != nil {
					t.Errorf("%s of %s is %s, which the law refuses: %v", f, k, e, err)
				}
			}
			fmt.Fprintf(&b, "burned_in %-15s %-4s %s\n", f, k, to)
		}
	}
	golden(t, "invalidate.golden", b.String())
}

func TestHoldTable(t *testing.T) {
	var b strings.Builder
	for _, h := range Holds() {
		for _, u := range Uses() {
			word := "allowed"
			if May(inventory.NodeSubject("n"), []inventory.Hold{{Name: h}}, u) != nil {
				word = "blocked"
			}
			fmt.Fprintf(&b, "%-18s %-10s %s\n", h, u, word)
		}
		roles, setter := LiftRoles(h)
		fmt.Fprintf(&b, "%-18s lifted by  %v, its setter %v\n", h, roles, setter)
	}
	golden(t, "holds.golden", b.String())
}

func TestLockTable(t *testing.T) {
	var b strings.Builder
	for _, op := range []inventory.OpKind{inventory.OpSweep, inventory.OpSecure, inventory.OpFirmware, inventory.OpBurnIn, inventory.OpRackTest,
		inventory.OpBringUp, inventory.OpPower, inventory.OpWipe, inventory.OpLocate} {
		fmt.Fprintf(&b, "%-10s %v\n", op, Locks(op))
	}
	golden(t, "locks.golden", b.String())
}

// TestEveryGateHasAProducer is the table the issue asks for: every gate, and
// who produces it in this release.
func TestEveryGateHasAProducer(t *testing.T) {
	var b strings.Builder
	seen := map[string]bool{}
	for _, s := range Specs() {
		where, key := string(s.Milestone), string(s.Gate)+" node"
		if s.Rack != "" {
			where, key = "rack "+string(s.Rack), string(s.Gate)+" rack"
		}
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
		if s.Meaning == "" || s.Owner == "" || s.By == "" || (s.Milestone == "") == (s.Rack == "") {
			t.Errorf("%s: incomplete row", s.Gate)
		}
		if text := inventory.Sentence("gate."+string(s.Gate), []string{"A12", ""}); strings.HasPrefix(text, "gate.") {
			t.Errorf("%s has no sentence in the catalogue", s.Gate)
		}
		kinds := "every kind"
		if len(s.Kinds) > 0 {
			kinds = join(s.Kinds)
		}
		waive := "waivable"
		if s.Unwaivable {
			waive = "never waived"
		}
		fmt.Fprintf(&b, "%-18s %-30s %-15s %-12s %-11s %s — %s\n", where, s.Gate, s.By, waive, s.Owner, kinds, s.Meaning)
		if s.By == derived {
			if r, why := derive(s, facts()); r == inventory.ResultUnjudged && why == "the law has no rule for this gate" {
				t.Errorf("%s is derived and has no rule", s.Gate)
			}
		}
	}
	golden(t, "gates.golden", b.String())
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// facts are a rack of two compute nodes and a switch; one compute node may miss.
func facts() Facts {
	f := Facts{Now: noon, Type: inventory.RackType{Name: "t", Tolerance: map[inventory.NodeKind]int{inventory.KindCompute: 1},
		Slots: []inventory.Slot{{Path: "C1", Kind: inventory.KindCompute, Domain: "d"}, {Path: "C2", Kind: inventory.KindCompute, Domain: "d"}, {Path: "S1", Kind: inventory.KindSwitch}},
		Gates: []inventory.GateRule{{Gate: "ntp.set", By: inventory.ByDeclaration, Reason: "not set by this release"}}},
		Rack: inventory.Rack{ID: "r", Name: "A12", Milestone: inventory.RackPowerReady}}
	for i, slot := range f.Type.Slots {
		f.Nodes = append(f.Nodes, inventory.Node{ID: inventory.NodeID(fmt.Sprint("n", i)), Rack: "r", Kind: slot.Kind, Slot: slot.Path, Address: "A12/" + slot.Path, Milestone: inventory.NodeInstalled})
	}
	f.Node = f.Nodes[0]
	return f
}

func proof(g inventory.Gate, r inventory.Result) inventory.Evidence {
	return inventory.Evidence{ID: "e", Subject: inventory.NodeSubject("n0"), Gate: g, Result: r, Producer: inventory.ByMachine, At: noon.Add(-time.Hour), By: "rackwright"}
}

func TestEvidenceThatCounts(t *testing.T) {
	waived := inventory.Waiver{ID: "w", Gate: GatePort, Subject: inventory.NodeSubject("n0"), Reason: "known", Requester: "a", Approver: "b", Until: noon.Add(time.Hour)}
	cases := map[string]struct {
		gate   inventory.Gate
		change func(*Facts)
		want   inventory.Result
	}{
		"nothing":       {GatePort, func(*Facts) {}, inventory.ResultUnjudged},
		"pass":          {GatePort, func(f *Facts) { f.Evidence = []inventory.Evidence{proof(GatePort, "pass")} }, inventory.ResultPass},
		"fail":          {GatePort, func(f *Facts) { f.Evidence = []inventory.Evidence{proof(GatePort, "fail")} }, inventory.ResultFail},
		"unjudged":      {GatePort, func(f *Facts) { f.Evidence = []inventory.Evidence{proof(GatePort, "unjudged")} }, inventory.ResultUnjudged},
		"self-declared": {GatePort, func(f *Facts) { f.Evidence = []inventory.Evidence{proof(GatePort, "not_applicable")} }, inventory.ResultUnjudged},
		"void":          {GatePort, func(f *Facts) { e := proof(GatePort, "pass"); e.Void = true; f.Evidence = []inventory.Evidence{e} }, inventory.ResultUnjudged},
		"other node": {GatePort, func(f *Facts) {
			e := proof(GatePort, "pass")
			e.Subject.ID = "n1"
			f.Evidence = []inventory.Evidence{e}
		}, inventory.ResultUnjudged},
		"wrong producer": {GatePort, func(f *Facts) {
			e := proof(GatePort, "pass")
			e.Producer = checked
			f.Evidence = []inventory.Evidence{e}
		}, inventory.ResultUnjudged},
		"checklist where the type says so": {GatePort, func(f *Facts) {
			e := proof(GatePort, "pass")
			e.Producer = checked
			f.Evidence = []inventory.Evidence{e}
			f.Type.Gates = append(f.Type.Gates, inventory.GateRule{Gate: GatePort, By: checked, Reason: "no BMC"})
		}, inventory.ResultPass},
		"simulated on a real node": {GatePort, func(f *Facts) { e := proof(GatePort, "pass"); e.Simulated = true; f.Evidence = []inventory.Evidence{e} }, inventory.ResultUnjudged},
		"simulated on a simulated node": {GatePort, func(f *Facts) {
			e := proof(GatePort, "pass")
			e.Simulated = true
			f.Evidence, f.Node.Simulated = []inventory.Evidence{e}, true
		}, inventory.ResultPass},
		"the newest decides": {GatePort, func(f *Facts) {
			old, young := proof(GatePort, "pass"), proof(GatePort, "fail")
			young.At = noon
			f.Evidence = []inventory.Evidence{young, old}
		}, inventory.ResultFail},
		"waived by two":         {GatePort, func(f *Facts) { f.Waivers = []inventory.Waiver{waived} }, inventory.ResultWaived},
		"waived by one":         {GatePort, func(f *Facts) { w := waived; w.Approver = "a"; f.Waivers = []inventory.Waiver{w} }, inventory.ResultUnjudged},
		"only asked for":        {GatePort, func(f *Facts) { w := waived; w.Approver = ""; f.Waivers = []inventory.Waiver{w} }, inventory.ResultUnjudged},
		"expired":               {GatePort, func(f *Facts) { w := waived; w.Until = noon; f.Waivers = []inventory.Waiver{w} }, inventory.ResultUnjudged},
		"waiver of the rack":    {GatePort, func(f *Facts) { w := waived; w.Subject = inventory.RackSubject("r"); f.Waivers = []inventory.Waiver{w} }, inventory.ResultUnjudged},
		"leak is not waived":    {GateLeak, func(f *Facts) { w := waived; w.Gate = GateLeak; f.Waivers = []inventory.Waiver{w} }, inventory.ResultUnjudged},
		"identity likewise":     {GateIdentity, func(f *Facts) { w := waived; w.Gate = GateIdentity; f.Waivers = []inventory.Waiver{w} }, inventory.ResultUnjudged},
		"declared by type":      {"ntp.set", func(*Facts) {}, inventory.ResultNotApplicable},
		"declared in silence":   {"ntp.set", func(f *Facts) { f.Type.Gates[0].Reason = "" }, inventory.ResultUnjudged},
		"not declared":          {"lockdown", func(*Facts) {}, inventory.ResultUnjudged},
		"other kind":            {GateSuite, func(f *Facts) { f.Node = f.Nodes[2] }, inventory.ResultNotApplicable},
		"no accelerators":       {GateAccelerator, func(*Facts) {}, inventory.ResultNotApplicable},
		"accelerators untested": {GateAccelerator, func(f *Facts) { f.Type.Accelerator = inventory.KindGPU }, inventory.ResultUnjudged},
		"a type cannot turn a derived gate into a checklist": {GateAsFound, func(f *Facts) {
			f.Type.Gates = append(f.Type.Gates, inventory.GateRule{Gate: GateAsFound, By: checked, Reason: "x"})
			f.Findings = []inventory.Finding{{ID: "f", Node: "n0", Kind: inventory.FindMissing, Fix: "finding.missing"}}
		}, inventory.ResultFail},
	}
	for name, c := range cases {
		f := facts()
		c.change(&f)
		s, ok := Find(c.gate, false)
		if !ok {
			t.Fatalf("no gate %s", c.gate)
		}
		if got := judge(s, inventory.NodeSubject(f.Node.ID), f); got.Result != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Result, got.Reason, c.want)
		}
	}
}

func TestFindingsShutVerified(t *testing.T) {
	f := facts()
	f.Findings = []inventory.Finding{{ID: "f1", Node: "n1", Others: []inventory.NodeID{"n0"}, Kind: inventory.FindSwapped, Fix: "finding.swapped"}}
	s, _ := Find(GateAsFound, false)
	if got := judge(s, inventory.NodeSubject("n0"), f); got.Result != inventory.ResultFail {
		t.Errorf("a swap does not shut its other half: %s", got.Result)
	}
	f.Waivers = []inventory.Waiver{{Finding: "f1", Reason: "accepted as found", Requester: "a", Approver: "b", Until: noon.Add(time.Hour)}}
	if got := judge(s, inventory.NodeSubject("n0"), f); got.Result != inventory.ResultPass {
		t.Errorf("accepted by two people and still shut: %s", got.Reason)
	}
	f.Waivers[0].Approver = "a"
	if got := judge(s, inventory.NodeSubject("n0"), f); got.Result != inventory.ResultFail {
		t.Error("one person accepted a finding")
	}
}

func TestToleranceCountsPerKind(t *testing.T) {
	f := facts()
	set := func(m ...inventory.Milestone) {
		for i := range m {
			f.Nodes[i].Milestone = m[i]
		}
	}
	set(inventory.NodeBurnedIn, inventory.NodeInstalled, inventory.NodeBaselined)
	if got := Rack(f.Type, f.Nodes); got != inventory.RackAligned {
		t.Errorf("one of two compute suffices, the switch is only baselined: %s", got)
	}
	set(inventory.NodeTriage, inventory.NodeInstalled, inventory.NodeBurnedIn)
	if got := Rack(f.Type, f.Nodes); got != inventory.RackPowerReady {
		t.Errorf("no compute node counts: %s", got)
	}
	set(inventory.NodeRackTested, inventory.NodeTriage, inventory.NodeInstalled)
	if got := Rack(f.Type, f.Nodes); got != inventory.RackPowerReady {
		t.Errorf("a kind without tolerance needs all of its slots: %s", got)
	}
	if ex := Excluded(f.Type, f.Nodes, inventory.RackTested); len(ex) != 2 || ex[0] != "n1" {
		t.Errorf("excluded %v", ex)
	}
}

func TestOneFirmwareLevelPerDomain(t *testing.T) {
	f := facts()
	for i := range f.Nodes[:2] {
		f.Nodes[i].Milestone = inventory.NodeBaselined
		e := proof(GateFirmware, "pass")
		e.Subject, e.Cites = inventory.NodeSubject(f.Nodes[i].ID), map[string]inventory.Digest{"baseline": inventory.Digest(fmt.Sprint("b", i))}
		f.Evidence = append(f.Evidence, e)
	}
	if r, _ := oneLevel(f); r != inventory.ResultFail {
		t.Errorf("two baselines in one domain: %s", r)
	}
	f.Evidence[1].Cites["baseline"] = "b0"
	if r, why := oneLevel(f); r != inventory.ResultPass {
		t.Errorf("one baseline: %s %s", r, why)
	}
}

func TestSignaturesAreTwoPeopleOnOneDraft(t *testing.T) {
	on := inventory.RackSubject("r")
	base := []inventory.Evidence{
		{Gate: GateDraft, Subject: on, Producer: machine, Result: "pass", Document: "d1", By: "rackwright"},
		{Gate: GateDeliverer, Subject: on, Producer: signed, Result: "pass", Document: "d1", By: "ann"},
		{Gate: GateAcceptor, Subject: on, Producer: signed, Result: "pass", Document: "d1", By: "bob"},
	}
	for name, c := range map[string]struct {
		change func([]inventory.Evidence)
		want   inventory.Result
	}{
		"two people":    {func([]inventory.Evidence) {}, inventory.ResultPass},
		"one person":    {func(e []inventory.Evidence) { e[2].By = "ann" }, inventory.ResultFail},
		"another draft": {func(e []inventory.Evidence) { e[2].Document = "d2" }, inventory.ResultFail},
		"draft renewed": {func(e []inventory.Evidence) { e[0].Document = "d2" }, inventory.ResultFail},
		"void":          {func(e []inventory.Evidence) { e[1].Void = true }, inventory.ResultUnjudged},
	} {
		f := facts()
		f.Evidence = append([]inventory.Evidence{}, base...)
		f.Evidence[0].Cites = DraftCites(f.Rack, f.Nodes)
		c.change(f.Evidence)
		if r, why := twoSigners(f); r != c.want {
			t.Errorf("%s: %s (%s), want %s", name, r, why, c.want)
		}
	}
}

func TestHandedOverIsNeverTouched(t *testing.T) {
	n := inventory.Node{Milestone: inventory.NodeHandedOver}
	for _, e := range NodeEvents() {
		if _, err := Next(n, e); err == nil {
			t.Errorf("%s moves a handed-over node", e)
		}
	}
	for _, op := range []inventory.OpKind{inventory.OpFirmware, inventory.OpBurnIn, inventory.OpPower, inventory.OpLocate, inventory.OpWipe} {
		if Allowed(n, op) == nil {
			t.Errorf("%s is allowed on a handed-over node", op)
		}
	}
}

// TestDraftLeavesOutWhomTheRackLeavesOut: a member that passed after the draft was
// frozen is not accepted on it, and nobody's signature carries it.
func TestDraftLeavesOutWhomTheRackLeavesOut(t *testing.T) {
	f := facts()
	f.Rack.Milestone = RackMilestones()[RackRank(inventory.RackAccepted)]
	on := inventory.RackSubject("r")
	row := func(g inventory.Gate, by inventory.Producer, who string) inventory.Evidence {
		return inventory.Evidence{Subject: on, Gate: g, Producer: by, Result: inventory.ResultPass, By: who, Document: "sha256:d", At: noon}
	}
	draft := row(GateDraft, machine, "rackwright/freeze")
	f.Evidence = []inventory.Evidence{draft, row(GateDeliverer, signed, "ann"), row(GateAcceptor, signed, "bob")}
	for name, c := range map[string]struct {
		frozen, now []inventory.NodeID
		cited       bool
		want        inventory.Result
	}{
		"nobody left out":      {nil, nil, true, inventory.ResultPass},
		"the same, turned":     {[]inventory.NodeID{"n1", "n2"}, []inventory.NodeID{"n2", "n1"}, true, inventory.ResultPass},
		"one has passed since": {[]inventory.NodeID{"n0"}, nil, true, inventory.ResultUnjudged},
		"an old draft":         {[]inventory.NodeID{"n0"}, nil, false, inventory.ResultUnjudged},
	} {
		f.Rack.Excluded, f.Evidence[0].Cites = c.now, nil
		if c.cited {
			f.Evidence[0].Cites = DraftCites(inventory.Rack{Excluded: c.frozen}, f.Nodes)
		}
		got, why := covered(f)
		both, _ := twoSigners(f)
		if got != c.want || (both == inventory.ResultPass) != (c.want == inventory.ResultPass) {
			t.Errorf("%s: covered is %s (%s), signers %s", name, got, why, both)
		}
	}
	f.Rack.Excluded, f.Evidence[0].Cites = nil, DraftCites(f.Rack, f.Nodes[1:])
	if got, _ := covered(f); got != inventory.ResultUnjudged {
		t.Errorf("a row that was imported after the draft: covered is %s", got)
	}
	f.Rack.Milestone, f.Evidence[0].Cites = inventory.RackHandedOver, nil
	if got, why := covered(f); got != inventory.ResultPass {
		t.Errorf("handed over by an earlier release: covered is %s (%s)", got, why)
	}
}
