package burnin

import (
	"cmp"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// kernel judges the kernel log of the whole run. Lines of one class about one
// entity in one step are one reason; the first line is quoted.
func (j *judge) kernel() {
	type key struct {
		class  KernelClass
		entity Entity
		test   string
	}
	seen, watched := map[key]bool{}, false
	for i, s := range j.samples {
		if s.Start != nil && i == 0 {
			watched = s.Start.KernelLog
		}
		if s.Start != nil && !s.Start.KernelLog || s.End != nil && !s.End.KernelLog {
			watched = false
		}
		if s.Kind != SampleKernel || s.Kernel == nil {
			continue
		}
		k := *s.Kernel
		at := key{k.Class, k.Entity, s.Test}
		if seen[at] {
			continue
		}
		seen[at] = true
		j.line(k, cmp.Or(s.Test, "the run"))
	}
	if !watched {
		j.unjudged(GateErrors, reason(inventory.OwnerSystem, "burnin.kernel_blind"))
	}
}

func (j *judge) line(k KernelLine, during string) {
	switch {
	case k.Class == KernelGap || k.Class == KernelUnreachable:
		j.unjudged(GateErrors, reason(inventory.OwnerSystem, "burnin.kernel_blind"))
	case !slices.Contains(KernelClasses(), k.Class):
		j.unjudged(GateErrors, reason(inventory.OwnerSystem, "burnin.kernel", string(k.Class), during, k.Text))
	case !slices.Contains(j.p.Kernel, k.Class):
		return // recorded, the plan does not fail on it
	case k.Class == KernelOOM:
		// The plan asked for more memory than there was: the test did not run whole.
		j.unjudged(GateSuite, reason(inventory.OwnerSystem, "burnin.kernel", string(k.Class), during, k.Text))
	case k.Class == KernelThermal:
		j.fail(GateThermal, k.Entity, reason(inventory.OwnerFacilities, "burnin.kernel", string(k.Class), during, k.Text))
	default:
		j.fail(GateErrors, k.Entity, reason(inventory.OwnerVendor, "burnin.kernel", string(k.Class), during, k.Text))
	}
}
