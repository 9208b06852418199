package imagebuild

// program is a tool of the image.
type program struct {
	tool, pkg, path string
}

// programs are the tools that burn-in plans start, and busybox for the DHCP
// client and for a technician's shell on the console.
func programs() []program {
	return []program{
		{"stress-ng", "stress-ng", "usr/bin/stress-ng"},
		{"stressapptest", "stressapptest", "usr/bin/stressapptest"},
		{"memtester", "memtester", "usr/sbin/memtester"},
		{"fio", "fio", "usr/bin/fio"},
		{"iperf3", "iperf3", "usr/bin/iperf3"},
		{"nvme", "nvme-cli", "usr/sbin/nvme"},
		{"smartctl", "smartmontools", "usr/sbin/smartctl"},
		{"dmidecode", "dmidecode", "usr/sbin/dmidecode"},
		{"ethtool", "ethtool", "usr/sbin/ethtool"},
		{"lspci", "pciutils", "usr/bin/lspci"},
		{"busybox", "busybox", "usr/bin/busybox"},
	}
}

// extras are files that no program names but that some load by name while they
// run: glibc opens libgcc_s when a thread is cancelled, lspci its table of
// names, smartctl its table of drives.
func extras() []program {
	return []program{
		{"", "libgcc-s1", "usr/lib/x86_64-linux-gnu/libgcc_s.so.1"},
		{"", "pci.ids", "usr/share/misc/pci.ids"},
		{"", "smartmontools", "usr/share/smartmontools/drivedb.h"},
	}
}

// kernelMeta names the newest kernel of a Debian release by its dependency.
const kernelMeta = "linux-image-amd64"

// drivers are the kernel modules of the image; what they depend on comes with
// them. One that this kernel has built in needs no module.
func drivers() []string {
	return []string{
		// machines in QEMU
		"virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi", "virtio_rng", "e1000",
		// drives
		"nvme", "vmd", "ahci", "sd_mod", "mpt3sas", "megaraid_sas", "usb_storage",
		// network ports
		"e1000e", "igb", "igc", "ixgbe", "i40e", "ice", "iavf", "mlx4_en", "mlx5_core", "bnxt_en", "tg3", "bnx2x", "r8169", "ena",
		// memory errors, temperatures, the BMC
		"skx_edac", "i10nm_edac", "sb_edac", "ie31200_edac", "igen6_edac", "pnd2_edac", "amd64_edac",
		"coretemp", "k10temp", "ipmi_si", "ipmi_ssif", "ipmi_devintf",
	}
}

// always are loaded at every boot although no device asks for them.
func always() []string { return []string{"ipmi_devintf"} }

// kernelArgs do not depend on the node: a machine that stands still must come
// back and say so, and a burst of errors must not push its first line out of
// the log (burnin.md §11).
func kernelArgs() []string {
	return []string{"panic=10", "oops=panic", "softlockup_panic=1", "log_buf_len=16M"}
}

// dhcpScript is what udhcpc runs for a lease (udhcpc(8)); it needs no name
// server: the server is addressed by number.
const dhcpScript = `#!/bin/sh
case "$1" in
deconfig)
	ip addr flush dev "$interface"
	ip link set "$interface" up
	;;
bound | renew)
	ip addr replace "$ip/${mask:-24}" dev "$interface"
	for gw in $router; do
		ip route replace default via "$gw" dev "$interface"
		break
	done
	;;
esac
`
