package virtualrack

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// Files of Debian's packages qemu-system-x86 and ovmf.
const (
	qemuProgram = "qemu-system-x86_64"
	ovmfCode    = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars    = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// Names within the folder of a machine.
const (
	fileVars    = "vars.fd"
	fileConsole = "console.log"
	fileQMP     = "qmp.sock"
)

// arguments are the machine of a unit as QEMU's command line. File names are
// relative to the machine's folder: a comma in a path would be an option.
func (m *vm) arguments(boot bmcsim.Boot) ([]string, error) {
	s := m.unit.Spec
	nic, err := m.unit.part("nic")
	dimm, err2 := m.unit.part("dimm")
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	args := []string{"-name", "rackwright-" + s.Name, "-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", strconv.FormatInt(dimm.Size, 10),
		"-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot", "-uuid", s.UUID,
		"-chardev", "file,id=console,append=on,path=" + fileConsole, "-serial", "chardev:console", "-qmp", "unix:" + fileQMP + ",server=on,wait=off",
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + ovmfCode, "-drive", "if=pflash,format=raw,unit=1,file=" + fileVars}
	args = append(args, m.smbios(dimm)...)
	network := boot.Target == "Pxe" || boot.Target == "UefiHttp"
	for i, d := range m.unit.drives() {
		node := fmt.Sprintf("drive%d", i)
		device := fmt.Sprintf("nvme,drive=%s,serial=%s", node, plain(d.Serial))
		if !network {
			device += fmt.Sprintf(",bootindex=%d", i+1)
		}
		back, err := RawDrive(driveFile(d), node, m.badSector(d))
		if err != nil {
			return nil, err
		}
		args = append(args, "-blockdev", back, "-device", device)
	}
	card := "virtio-net-pci,netdev=net0,romfile=,mac=" + nic.MACs[0]
	if network {
		card += ",bootindex=1"
	}
	args = append(args, "-netdev", "tap,id=net0,script=no,downscript=no,ifname="+m.tap, "-device", card, "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n")
	if boot.Target != "Pxe" { // what is left of the port's boot options is HTTP
		args = append(args, "-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")
	}
	return args, nil
}

// smbios are the tables that dmidecode reads in the booted machine: what the
// BMC says of the same unit.
func (m *vm) smbios(dimm bmcsim.Part) []string {
	s := m.unit.Spec
	table := func(n int, fields ...string) []string {
		text := fmt.Sprintf("type=%d", n)
		for i := 0; i < len(fields); i += 2 {
			text += "," + fields[i] + "=" + plain(fields[i+1])
		}
		return []string{"-smbios", text}
	}
	out := table(0, "vendor", "EDK II", "version", vmBIOS, "uefi", "on")
	out = append(out, table(1, "manufacturer", s.Vendor, "product", s.Model, "serial", s.Serial, "uuid", s.UUID, "sku", s.SKU)...)
	out = append(out, table(2, "manufacturer", s.Vendor, "product", s.Model, "serial", s.Serial)...)
	out = append(out, table(3, "manufacturer", s.Vendor, "serial", s.ChassisSerial)...)
	if cpu, err := m.unit.part("cpu"); err == nil {
		out = append(out, table(4, "sock_pfx", "CPU", "manufacturer", cpu.Vendor, "version", cpu.Model, "serial", cpu.Serial)...)
	}
	return append(out, table(17, "loc_pfx", "DIMM", "manufacturer", dimm.Vendor, "part", dimm.Number, "serial", dimm.Serial)...)
}

// plain doubles commas, which separate QEMU's options.
func plain(text string) string { return strings.ReplaceAll(text, ",", ",,") }

func driveFile(d bmcsim.Part) string { return filepath.Base(d.Slot) + ".img" }

// RawDrive is the -blockdev of a drive in a raw file. A bad sector, counted in
// 512 bytes, makes blkdebug answer its reads with EIO; 0 is none. blkdebug stands
// under the raw driver: above it, nothing is injected.
func RawDrive(file, node string, badSector int64) (string, error) {
	leaf := map[string]any{"driver": "file", "filename": file}
	if badSector > 0 {
		leaf = map[string]any{"driver": "blkdebug", "image": leaf, "inject-error": []map[string]any{{
			"event": "none", "iotype": "read", "errno": 5, "sector": badSector, "once": false, "immediately": false}}}
	}
	text, err := json.Marshal(map[string]any{"driver": "raw", "node-name": node, "file": leaf})
	if err != nil {
		return "", fmt.Errorf("drive %s: %w", file, err)
	}
	return string(text), nil
}
