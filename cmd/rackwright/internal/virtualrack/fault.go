package virtualrack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/images/burnin/simagent"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// Fault is one thing that is wrong with the rack as delivered.
type Fault struct {
	Kind  FaultKind
	Slot  string
	Other string // the second slot of an exchange
}

// FaultKind names a fault of the demo.
type FaultKind string

// Faults. Each lives in a simulator; no product code knows it.
const (
	FaultMissingDIMM FaultKind = "missing-dimm"  // one module is not there
	FaultSwapped     FaultKind = "swapped-trays" // two trays sit in each other's slots
	FaultOldGPU      FaultKind = "old-gpu-firmware"
	FaultTaskLost    FaultKind = "task-lost" // the BMC resets itself in the update and forgets the task; the bank was written
	FaultMemory      FaultKind = "memory"    // the memory test finds a miscompare
	FaultLeak        FaultKind = "leak"      // a cold plate leaks once the machine has booted its image
	FaultWet         FaultKind = "wet-tray"  // it was delivered wet and stands under power
)

// FaultKinds lists them, for flags and help.
func FaultKinds() []FaultKind {
	return []FaultKind{FaultMissingDIMM, FaultSwapped, FaultOldGPU, FaultTaskLost, FaultMemory, FaultLeak, FaultWet}
}

// Versions of the simulated GPU firmware.
const (
	GPUVersion    = "96.00.99.00.01" // what the baseline wants, and a faultless unit has
	OldGPUVersion = "96.00.68.00.01"
	gpuFirmware   = "HGX_FW_GPU_SXM_"
)

// leakDetector is the detector that FaultLeak and FaultWet wet.
const leakDetector = "Chassis_0_LeakDetector_0_ColdPlate"

// lostAt is the percentage at which a task is lost with the BMC's reset.
const lostAt = 60

// deliver changes what was ordered into what stands in the hall.
func (l Layout) deliver(faults []Fault) (delivered []Unit, machine map[string][]simagent.Fault, err error) {
	out := Layout{Rack: l.Rack, Units: slices.Clone(l.Units)}
	machine = map[string][]simagent.Fault{}
	for i := range out.Units {
		out.Units[i].Spec.Parts = slices.Clone(out.Units[i].Spec.Parts)
		out.Units[i].Spec.Firmware = slices.Clone(out.Units[i].Spec.Firmware)
	}
	for _, f := range faults {
		u, err := out.unit(f.Slot)
		if err != nil {
			return nil, nil, err
		}
		if err := u.hurt(f, out, machine); err != nil {
			return nil, nil, err
		}
	}
	return out.Units, machine, nil
}

func (u *Unit) hurt(f Fault, l Layout, machine map[string][]simagent.Fault) error {
	switch f.Kind {
	case FaultMissingDIMM:
		i := slices.IndexFunc(u.Spec.Parts, func(p bmcsim.Part) bool { return p.Kind == "dimm" })
		if i < 0 {
			return fmt.Errorf("fault %s: %s has no memory modules: %w", f.Kind, u.Slot, inventory.ErrInvalid)
		}
		u.Spec.Remove("dimm", u.Spec.Parts[i].Slot)
	case FaultSwapped: // the manifest's addresses belong to slots: see Rack.url
		_, err := l.unit(f.Other)
		return err
	case FaultOldGPU, FaultTaskLost:
		found := false
		for i, fw := range u.Spec.Firmware {
			if strings.HasPrefix(fw.ID, gpuFirmware) {
				found = true
				u.Spec.Firmware[i].Version = OldGPUVersion
				if p := u.Spec.Part("gpu", strings.TrimPrefix(fw.ID, "HGX_FW_")); p != nil {
					p.Firmware = OldGPUVersion
				}
			}
		}
		if !found {
			return fmt.Errorf("fault %s: %s has no GPU firmware: %w", f.Kind, u.Slot, inventory.ErrInvalid)
		}
		if f.Kind == FaultTaskLost {
			u.Spec.Update.Faults = bmcsim.UpdateFaults{Count: 1, TaskLostAt: lostAt}
		}
	case FaultMemory:
		machine[u.Slot] = append(machine[u.Slot], simagent.FaultMemory)
	case FaultLeak:
		u.Spec.Leaks = []string{leakDetector}
		u.leaks = true
	case FaultWet:
		u.Spec.Leaks, u.Spec.PowerOn = []string{leakDetector}, true
		u.wet = true
	default:
		return fmt.Errorf("unknown fault %q: use one of %v: %w", f.Kind, FaultKinds(), inventory.ErrInvalid)
	}
	return nil
}
