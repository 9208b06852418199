package intake_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/intake"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

func TestEmbeddedRackTypes(t *testing.T) {
	types, err := intake.RackTypes()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]map[inventory.NodeKind]int{}
	for _, rt := range types {
		count[rt.Name] = map[inventory.NodeKind]int{}
		for _, s := range rt.Slots {
			count[rt.Name][s.Kind]++
		}
		doc, err := intake.TypeDocument(rt)
		if err != nil {
			t.Fatal(err)
		}
		again, err := intake.ParseRackType(bytes.NewReader(doc))
		if err != nil {
			t.Errorf("%s: its own document cannot be read: %v", rt.Name, err)
		}
		a, errA := intake.TypeDigest(rt)
		b, errB := intake.TypeDigest(again)
		if errA != nil || errB != nil || a != b {
			t.Errorf("%s: digest changes by reading its document: %s %s", rt.Name, a, b)
		}
	}
	for name, want := range map[string]map[inventory.NodeKind]int{
		"nvl72":            {inventory.KindCompute: 18, inventory.KindSwitch: 11, inventory.KindPowerShelf: 8},
		"hgx-8":            {inventory.KindCompute: 8, inventory.KindSwitch: 1, inventory.KindPowerShelf: 2},
		"trn2-ultraserver": {inventory.KindCompute: 2, inventory.KindSwitch: 1, inventory.KindPowerShelf: 2},
		"x86-qemu":         {inventory.KindCompute: 4},
		"paper-4":          {inventory.KindCompute: 4},
	} {
		for kind, n := range want {
			if count[name][kind] != n {
				t.Errorf("%s has %d %s, want %d", name, count[name][kind], kind, n)
			}
		}
	}
	if len(types) != 5 {
		t.Errorf("%d embedded rack types, want 5", len(types))
	}
}

const smallType = `name: t
version: 1
tolerance: {compute: 1}
gates:
  - {gate: ntp.set, by: not_applicable, reason: "no time service here"}
slots:
  - {path: C01, kind: compute, u: 1, height: 2}
  - {path: C02, kind: compute, u: 3, height: 1}
`

func TestParseRackTypeRefuses(t *testing.T) {
	if _, err := intake.ParseRackType(strings.NewReader(smallType)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"overlap":        {"u: 3,", "u: 2,", "overlaps slot C01 at U2"},
		"unknown kind":   {"kind: compute, u: 1", "kind: computer, u: 1", "write compute instead"},
		"tolerance":      {"compute: 1}", "compute: 3}", "3 members cannot suffice"},
		"tolerance kind": {"{compute: 1}", "{switch: 1}", "no slot of this kind"},
		"no reason":      {`"no time service here"`, `""`, "give a reason"},
		"producer":       {"not_applicable", "machin", "write machine"},
		"slot twice":     {"C02", "C01", "stands twice"},
		"unknown key":    {"version: 1", "version: 1\nslot: x", "line 3: unknown key slot: write slots"},
		"height":         {"height: 1", "height: 0", "does not fit"},
		"huge height":    {"height: 1", "height: 9000000000000000000", "does not fit"},
		"version":        {"version: 1", "version: 0", "write 1 or more"},
		"unknown gate":   {"gate: ntp.set", "gate: ntp.sat", "write ntp.set"},
		"derived gate":   {"gate: ntp.set, by: not_applicable", "gate: as_found, by: checklist", "the law does not leave that"},
		"unknown retest": {"version: 1", "version: 1\nretest: [rack.soaks]", "write rack.soak"},
		"wrong type":     {"version: 1", "version: one", "line"},
	} {
		_, err := intake.ParseRackType(strings.NewReader(strings.Replace(smallType, tc.old, tc.new, 1)))
		if !errors.Is(err, inventory.ErrInvalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func FuzzParseRackType(f *testing.F) {
	f.Add([]byte(smallType))
	f.Add([]byte(`{"name":"t","version":1,"slots":[{"path":"A","kind":"cdu","face":"left"}]}`))
	f.Add([]byte("slots: [[[[[["))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rt, err := intake.ParseRackType(bytes.NewReader(raw))
		if err != nil {
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Fatalf("error without a class: %v", err)
			}
			return
		}
		if _, err := intake.TypeDigest(rt); err != nil || len(rt.Slots) == 0 {
			t.Fatalf("accepted type has no digest or slots: %v", err)
		}
	})
}

// TestEveryGateHasAProducer: for each embedded type, kind and gate of the law
// there is a producer, and in the hall without BMC access none of them is a machine.
func TestEveryGateHasAProducer(t *testing.T) {
	types, err := intake.RackTypes()
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range types {
		declared := map[inventory.Gate]bool{}
		for _, g := range rt.Gates {
			declared[g.Gate] = true
		}
		for _, g := range []inventory.Gate{"ntp.set", "log.forwarding", "lockdown", "bios.settings", "bmc.settings", "attestation"} {
			if !declared[g] {
				t.Errorf("%s does not say what becomes of gate %s", rt.Name, g)
			}
		}
		for _, s := range lifecycle.Specs() {
			for _, slot := range rt.Slots {
				by, why := lifecycle.ProducerOf(s, rt, slot.Kind)
				if by == inventory.ByDeclaration && why == "" {
					t.Errorf("%s: gate %s does not apply to %s without a reason", rt.Name, s.Gate, slot.Kind)
				}
				if rt.Name == "paper-4" && s.Milestone != "" && by == inventory.ByMachine {
					t.Errorf("paper-4: gate %s waits for a machine", s.Gate)
				}
			}
		}
	}
}
