package firmware

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

const artifact = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

const sample = `
baseline: hgx-8@2026.09.1
components:
  - name: bmc
    ids: ["^FW_BMC_0$"]
    count: 1
    versions: [{v: "1.0", rank: 10}, {v: "2.0", rank: 20, target: true}, {v: "3.0", rank: 30}]
    artifact: ` + artifact + `
    activate: bmc-reset
    install: 30m
  - name: gpu
    ids: ["^HGX_FW_GPU_"]
    count: 8
    after: [bmc]
    normalise: [casefold]
    versions: [{v: "97.00.6C.00.03", rank: 1}, {v: "97.00.72.00.00", rank: 2, target: true}]
    artifact: ` + artifact + `
    activate: ac-cycle
    group: tray
  - name: cpld
    ids: ["^CPLD_"]
    count: 2
    each: true
    normalise: [cpld_bytes]
    stepUp: [{below: 5, via: "0.11.03.04", artifact: ` + artifact + `}]
    versions: [{v: "00.0b.03.04", rank: 5}, {v: "00.0c.00.00", rank: 6, target: true}, {v: "00.01.00.00", rank: 1}]
    artifact: ` + artifact + `
    activate: ac-cycle
    group: tray
ignore: ["^Golden_"]
`

func baseline(t *testing.T) Baseline {
	t.Helper()
	b, err := ParseBaseline(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func item(slot, version string) inventory.Component {
	return inventory.Component{Key: inventory.Key{Kind: inventory.KindFirmware, Slot: slot}, Firmware: version, State: inventory.StatePresent}
}

// node is a node's firmware inventory with everything at the target.
func node(change ...inventory.Component) []inventory.Component {
	seen := map[string]inventory.Component{"FW_BMC_0": item("FW_BMC_0", "2.0"), "Golden_X": item("Golden_X", "9")}
	for i := range 8 {
		slot := fmt.Sprintf("HGX_FW_GPU_%d", i)
		seen[slot] = item(slot, "97.00.72.00.00  ")
	}
	seen["CPLD_0"], seen["CPLD_1"] = item("CPLD_0", "0x00 0x0C 0x00 0x00"), item("CPLD_1", "00.0c.00.00")
	for _, c := range change {
		seen[c.Slot] = c
	}
	out := []inventory.Component{{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}, Serial: "S1", State: inventory.StatePresent}}
	for _, c := range seen {
		out = append(out, c)
	}
	return out
}

func TestPlanNothingToDo(t *testing.T) {
	p, err := NewPlan(baseline(t), "n1", node())
	if err != nil {
		t.Fatal(err)
	}
	if !p.Empty() || len(p.Skips) != 12 {
		t.Fatalf("steps %v, %d skips, want none and 12", p.Steps, len(p.Skips))
	}
	for _, s := range p.Skips {
		if s.Reason == "" || s.Code == "" {
			t.Errorf("%s is skipped without a reason", s.Key)
		}
	}
}

func TestPlanSteps(t *testing.T) {
	p, err := NewPlan(baseline(t), "n1", node(item("FW_BMC_0", "1.0"), item("HGX_FW_GPU_3", "97.00.6c.00.03"), item("CPLD_1", "00.0b.03.04")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Steps {
		got = append(got, fmt.Sprintf("%d %s %s %v needs %v %s", s.ID, s.Verb, s.Want, s.Instances, s.Needs, s.Abort))
	}
	want := []string{
		"1 flash bmc [FW_BMC_0] needs [] never",
		"2 flash gpu [HGX_FW_GPU_3] needs [1] never",
		"3 flash cpld [CPLD_1] needs [] never",
		"4 activate bmc-reset [FW_BMC_0] needs [1] at_boundary",
		"5 activate ac-cycle tray [HGX_FW_GPU_3 CPLD_1] needs [2 3] at_boundary",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Fatalf("\n got %s\nwant %s", g, w)
	}
	again, err := NewPlan(baseline(t), "n1", node(item("FW_BMC_0", "1.0"), item("HGX_FW_GPU_3", "97.00.6c.00.03"), item("CPLD_1", "00.0b.03.04")))
	if err != nil || again.Digest != p.Digest {
		t.Fatalf("same input, other digest: %s %s %v", again.Digest, p.Digest, err)
	}
	loaded, err := LoadPlan(p.JSON())
	if err != nil || loaded.Digest != p.Digest || loaded.digest() != p.Digest {
		t.Fatalf("loaded plan differs: %s %v", loaded.Digest, err)
	}
}

func TestPlanStagedNeedsOnlyActivation(t *testing.T) {
	c := item("FW_BMC_0", "1.0")
	c.Facts = map[string]string{inventory.FactStaged: "2.0"}
	p, err := NewPlan(baseline(t), "n1", node(c))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Steps) != 1 || p.Steps[0].Verb != VerbActivate || p.Steps[0].Activation != ActivateBMCReset {
		t.Fatalf("steps %+v, want one activation", p.Steps)
	}
}

// TestPlanRefusesStagedForEver: what is staged and never activated would stay so.
func TestPlanRefusesStagedForEver(t *testing.T) {
	c := item("FW_BMC_0", "1.0")
	c.Facts = map[string]string{inventory.FactStaged: "2.0"}
	b := baseline(t)
	b.Wants[slices.IndexFunc(b.Wants, func(w Want) bool { return matchesAny(w.IDs, "FW_BMC_0") })].Activate = ActivateNone
	if _, err := NewPlan(b, "n1", node(c)); !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), "name the activation") {
		t.Fatalf("planned with %v", err)
	}
}

func TestPlanRefusesAmbiguity(t *testing.T) {
	absent := item("HGX_FW_GPU_1", "97.00.6C.00.03")
	absent.State = inventory.StateAbsent
	unread := item("HGX_FW_GPU_1", "")
	unread.State = inventory.StateReadFailed
	cases := map[string]struct {
		change inventory.Component
		says   string
	}{
		"unknown version":    {item("FW_BMC_0", "1.5-custom"), "does not know"},
		"downgrade":          {item("FW_BMC_0", "3.0"), "second approver"},
		"step-up":            {item("CPLD_0", "00.01.00.00"), "needs 0.11.03.04 first"},
		"absent is no count": {absent, "7 instances report, 8 are expected"},
		"not read":           {unread, "read it again"},
	}
	for name, c := range cases {
		_, err := NewPlan(baseline(t), "n1", node(c.change))
		if !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
	}
}

func TestVerifyEveryInstance(t *testing.T) {
	p, err := NewPlan(baseline(t), "n1", node())
	if err != nil {
		t.Fatal(err)
	}
	if m := Verify(p, node()); len(m) != 0 {
		t.Fatalf("mismatches on a good node: %v", m)
	}
	staged := item("HGX_FW_GPU_7", "97.00.6C.00.03")
	staged.Facts = map[string]string{inventory.FactStaged: "97.00.72.00.00"}
	cases := map[string]inventory.Component{"old": item("FW_BMC_0", "1.0"), "other": item("FW_BMC_0", "7"), "staged": staged}
	for state, c := range cases {
		if m := Verify(p, node(c)); len(m) != 1 || m[0].State != state {
			t.Errorf("%s: %v", state, m)
		}
	}
	if m := Verify(p, nil); len(m) != 3 {
		t.Errorf("nothing read gives %v, want three counts", m)
	}
}

func TestParseBaselineFaultsTogether(t *testing.T) {
	_, err := ParseBaseline(strings.NewReader(`
baseline: x
components:
  - {name: a, ids: ["["], count: 0, versions: [{v: "1"}], artifact: sha256:1, activate: reboot, normalise: [guess]}
order: [a, b]
`))
	for _, want := range []string{"missing closing ]", "count", "0 target versions", "artifact", "activate", "unknown rule", `no component is named "b"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
	if _, err := ParseBaseline(strings.NewReader("baseline: x\nflavour: y\n")); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("unknown key accepted: %v", err)
	}
}

func FuzzParseBaseline(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("baseline: [x"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ParseBaseline(strings.NewReader(string(raw)))
		if err != nil {
			return
		}
		if _, err := NewPlan(b, "n", node()); err == nil && len(b.Wants) == 0 {
			t.Fatal("an empty baseline made a plan")
		}
	})
}

func TestNormalise(t *testing.T) {
	for _, c := range []struct{ rule, in, want string }{
		{"trim", " 1.0  ", "1.0"}, {"casefold", "GB200Nvl", "gb200nvl"}, {"hexascii", "312e3041", "1.0A"}, {"hexascii", "1.0", "1.0"},
		{"strip_prefix:0ACTV_", "0ACTV_00.01.012", "00.01.012"}, {"cpld_bytes", "0x00 0x0b 0x03 0x04", "00.0b.03.04"},
		{"cpld_bytes", "v7", "v7"}, {"regex:^v(.*)$", "v7.1", "7.1"},
	} {
		if got := normalise([]string{c.rule}, c.in); got != c.want {
			t.Errorf("%s(%q) = %q, want %q", c.rule, c.in, got, c.want)
		}
	}
}
