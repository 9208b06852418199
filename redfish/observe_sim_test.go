package redfish

import (
	"errors"
	"slices"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestObserveSim reads every profile of the simulator over HTTPS. What must be
// seen is counted from the simulator's own parts list.
func TestObserveSim(t *testing.T) {
	for _, profile := range []string{bmcsim.ProfileX86, bmcsim.ProfileHGX, bmcsim.ProfileGB200, bmcsim.ProfileSwitch, bmcsim.ProfileShelf} {
		t.Run(profile, func(t *testing.T) {
			r := newRig(t, profile, nil)
			o, err := r.dial(t).Observe(soon(t))
			if err != nil {
				t.Fatalf("%v, faults %v", err, o.Faults)
			}
			if !o.Simulated || o.Source != inventory.SourceRedfish || o.At.IsZero() || o.Raw == "" {
				t.Errorf("simulated %t, source %s, at %s, raw %q", o.Simulated, o.Source, o.At, o.Raw)
			}
			for _, f := range o.Faults {
				t.Errorf("fault %+v", f)
			}
			seen := map[inventory.Key]inventory.Component{}
			for _, c := range o.Components {
				if _, twice := seen[c.Key]; twice {
					t.Errorf("%s twice", c.Key)
				}
				seen[c.Key] = c
			}
			for _, p := range r.spec.Parts {
				key := inventory.Key{Kind: inventory.Kind(p.Kind), Slot: p.Slot}
				if got := seen[key]; got.State != inventory.StatePresent || got.Model != p.Model || got.Serial != p.Serial {
					t.Errorf("%s: %+v, want %s %s", key, got, p.Model, p.Serial)
				}
			}
			for _, f := range r.spec.Firmware {
				key := inventory.Key{Kind: inventory.KindFirmware, Slot: f.ID}
				if got := seen[key]; got.Firmware != f.Version {
					t.Errorf("%s runs %q, want %q", key, got.Firmware, f.Version)
				}
			}
			self := seen[inventory.Key{Kind: inventory.KindChassis, Slot: "self"}]
			if want := firstText(r.spec.Serial, r.spec.ChassisSerial); self.Serial != want {
				t.Errorf("unit %q, want %q", self.Serial, want)
			}
			r.manners(t, 1)
		})
	}
}

// TestObserveSimMACs: the boot ports the simulator has are the ones we see, by
// whatever source its profile offers, and the BMC's own stays apart.
func TestObserveSimMACs(t *testing.T) {
	for _, profile := range []string{bmcsim.ProfileX86, bmcsim.ProfileHGX, bmcsim.ProfileGB200} {
		r := newRig(t, profile, nil)
		o, err := r.dial(t).Observe(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		var want, got, own []string
		for _, p := range r.spec.Parts {
			for _, m := range p.MACs {
				want = append(want, inventory.Normalise(m))
			}
		}
		for _, c := range o.Components {
			for _, id := range c.IDs {
				switch id.Kind {
				case inventory.IDMAC:
					got = append(got, id.Norm)
				case inventory.IDMACBMC:
					own = append(own, id.Norm)
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || !slices.Equal(own, []string{inventory.Normalise(r.spec.BMCMAC)}) {
			t.Errorf("%s: boot ports %v, want %v; BMC %v", profile, got, want, own)
		}
	}
}

// TestObserveSimFaults: a missing DIMM is seen missing, a class that answers
// 500 is unproven and not missing, a BMC that is gone is no observation.
func TestObserveSimFaults(t *testing.T) {
	t.Run("missing DIMM", func(t *testing.T) {
		r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Remove("dimm", "DIMM_3") })
		o, err := r.dial(t).Observe(soon(t))
		if err != nil || len(o.Faults) != 0 {
			t.Fatal(err, o.Faults)
		}
		if slices.Contains(partKeys(o), "dimm/DIMM_3") || !slices.Contains(partKeys(o), "dimm/DIMM_4") {
			t.Errorf("%v", partKeys(o))
		}
		want := []inventory.Component{{Key: inventory.Key{Kind: inventory.KindDIMM, Slot: "DIMM_3"}}}
		if f := inventory.Diff(want, o.Components); !slices.ContainsFunc(f, func(f inventory.Finding) bool { return f.Kind == inventory.FindMissing && f.Key.Slot == "DIMM_3" }) {
			t.Errorf("findings %+v", f)
		}
	})
	t.Run("truncated memory list", func(t *testing.T) {
		r := newRig(t, bmcsim.ProfileX86, nil)
		if err := r.fleet.AddFaults(bmcsim.Fault{Path: "*/Memory", Method: "GET", Truncate: true, Count: -1}); err != nil {
			t.Fatal(err)
		}
		o, err := r.dial(t).Observe(soon(t))
		if err != nil || !hasFault(o, inventory.KindDIMM, "/Memory", "") {
			t.Errorf("%v, faults %v", err, o.Faults)
		}
	})
	t.Run("error body for one part", func(t *testing.T) {
		r := newRig(t, bmcsim.ProfileX86, nil)
		if err := r.fleet.AddFaults(bmcsim.Fault{Path: "*/Memory/DIMM_5", Method: "GET", ErrorBody: true, Count: -1}); err != nil {
			t.Fatal(err)
		}
		o, err := r.dial(t).Observe(soon(t))
		if err != nil || !hasFault(o, inventory.KindDIMM, "DIMM_5", "") || !slices.Contains(partKeys(o), "dimm/DIMM_6") {
			t.Errorf("%v, faults %v", err, o.Faults)
		}
	})
	t.Run("closed handle", func(t *testing.T) {
		r := newRig(t, bmcsim.ProfileX86, nil)
		b := r.dial(t)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if o, err := b.Observe(soon(t)); err == nil || errors.Is(err, ErrEmpty) {
			t.Errorf("%d components, %v", len(o.Components), err)
		}
	})
}

// TestSystemsSim lists the two Systems of a tray with their roles.
func TestSystemsSim(t *testing.T) {
	r := newRig(t, bmcsim.ProfileGB200, nil)
	list, err := r.dial(t).Systems(soon(t))
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if list[0].ID != "HGX_Baseboard_0" || list[0].Role != RoleBaseboard || list[0].Reset || list[1].ID != "System_0" || list[1].Role != RoleHost || !list[1].Reset || list[1].Power == "" {
		t.Errorf("%+v", list)
	}
}
