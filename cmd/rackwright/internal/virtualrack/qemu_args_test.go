package virtualrack

import (
	"strings"
	"testing"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestMachineIsWhatItsSpecSays: the command line carries every identity of the
// Spec, the override decides what may boot, and only the bad drive is bad.
func TestMachineIsWhatItsSpecSays(t *testing.T) {
	u := VM("A12", 3).Units[2]
	for target, c := range map[string]struct{ has, lacks []string }{
		"Pxe":      {[]string{"IPv6PXESupport", u.bootMACText() + ",bootindex=1"}, []string{"IPv4PXESupport"}},
		"UefiHttp": {[]string{"IPv4PXESupport", u.bootMACText() + ",bootindex=1"}, nil},
		"None":     {[]string{"IPv4PXESupport", ",bootindex=1"}, []string{u.bootMACText() + ",bootindex"}},
	} {
		m := &vm{unit: u, tap: TapOf(u.Slot), bad: 4096}
		args, err := m.arguments(bmcsim.Boot{Target: target})
		if err != nil {
			t.Fatal(err)
		}
		line := strings.Join(args, " ")
		has := append(c.has, "serial="+u.Spec.Serial, "-uuid "+u.Spec.UUID, "product="+u.Spec.Model, "ifname=rwtapc03", "-m 1024", `"driver":"blkdebug"`, `"sector":4096`)
		for _, p := range u.Spec.Parts {
			if p.Kind != "nic" {
				has = append(has, "serial="+p.Serial)
			}
		}
		for _, want := range has {
			if !strings.Contains(line, want) {
				t.Errorf("%s: %q is not in %s", target, want, line)
			}
		}
		for _, bad := range c.lacks {
			if strings.Contains(line, bad) {
				t.Errorf("%s: %q is in %s", target, bad, line)
			}
		}
		m.bad = 0
		if args, err = m.arguments(bmcsim.Boot{Target: target}); err != nil || strings.Contains(strings.Join(args, " "), "blkdebug") {
			t.Errorf("%s: a healthy drive has blkdebug (%v)", target, err)
		}
	}
}

func (u Unit) bootMACText() string { return "mac=" + string(u.bootMAC()) }

// TestOnlyPXE: what the BMC of one slot offers does not change its neighbours.
func TestOnlyPXE(t *testing.T) {
	l := VM("A12", 2)
	if err := l.OnlyPXE("C01"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.Join(l.Units[0].Spec.BootTargets, " "), "UefiHttp") || l.Units[1].Spec.BootTargets != nil {
		t.Errorf("offers %v and %v", l.Units[0].Spec.BootTargets, l.Units[1].Spec.BootTargets)
	}
	if err := l.OnlyPXE("C99"); err == nil {
		t.Error("a slot that is not there was changed")
	}
}
