package virtualrack

import (
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// What a virtual machine has. Its SMBIOS tables, its devices and the tree of its
// BMC are all made from the unit's Spec, so that both say the same.
const (
	vmMemory     = 1024      // MiB; the burn-in image unpacks to about 150
	vmDriveBytes = 128 << 20 // the smoke plan reads 64 MiB of each drive
	vmBIOS       = "OVMF 4M"
)

// VM is a rack of plain nodes whose machines are QEMU processes: one CPU, one
// memory module, one drive and one network port each. What QEMU does not have,
// such as power supplies, the Spec does not name.
func VM(rack string, nodes int) Layout {
	l := X86(rack, nodes)
	for i := range l.Units {
		virtual(&l.Units[i].Spec)
	}
	return l
}

// virtual narrows the usual x86 node to what its virtual machine has.
func virtual(s *bmcsim.Spec) {
	s.Vendor, s.Model = "Rackwright", "QEMU q35 virtual machine"
	first := func(kind string) bmcsim.Part {
		i := slices.IndexFunc(s.Parts, func(p bmcsim.Part) bool { return p.Kind == kind })
		return s.Parts[i]
	}
	cpu, dimm, nic, drive := first("cpu"), first("dimm"), first("nic"), first("drive")
	cpu.Vendor, cpu.Model, cpu.Size = "QEMU", "TCG virtual CPU", 1
	dimm.Vendor, dimm.Model, dimm.Number, dimm.Size = "QEMU", "RAM", "RAM", vmMemory
	nic.Vendor, nic.Model, nic.Firmware = "Red Hat", "Virtio network device", ""
	drive.Vendor, drive.Model, drive.Firmware, drive.Size = "QEMU", "QEMU NVMe Ctrl", "", vmDriveBytes
	s.Parts = []bmcsim.Part{cpu, dimm, nic, drive}
	s.Firmware = slices.DeleteFunc(s.Firmware, func(f bmcsim.Firmware) bool { return f.ID == "NIC_0" })
	s.SetVersion("BIOS", vmBIOS)
}

// OnlyPXE leaves UEFI HTTP boot out of what the BMC of a slot offers.
func (l Layout) OnlyPXE(slot string) error {
	u, err := l.unit(slot)
	if err != nil {
		return err
	}
	u.Spec.BootTargets = []string{"None", "Pxe", "Hdd", "BiosSetup"}
	return nil
}

// drives are the drives of a unit, in order.
func (u Unit) drives() []bmcsim.Part {
	return slices.DeleteFunc(slices.Clone(u.Spec.Parts), func(p bmcsim.Part) bool { return p.Kind != "drive" })
}

// part is the first part of a kind; every virtual machine has one of each.
func (u Unit) part(kind string) (bmcsim.Part, error) {
	for _, p := range u.Spec.Parts {
		if p.Kind == kind {
			return p, nil
		}
	}
	return bmcsim.Part{}, fmt.Errorf("virtual machine of %s has no %s", u.Slot, kind)
}
