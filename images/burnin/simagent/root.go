package simagent

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
)

// root is the machine's /proc and /sys, as an archive in memory: archive/zip
// gives a file system with directories for nothing.
func root(m Machine) fs.FS {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	put := func(name, format string, args ...any) {
		w, err := z.Create(name)
		if err == nil {
			_, err = fmt.Fprintf(w, format+"\n", args...)
		}
		if err != nil {
			panic(fmt.Sprintf("simulated root: %s: %v", name, err)) // a buffer in memory does not fail
		}
	}
	put("proc/meminfo", "MemTotal: %d kB\nMemAvailable: %d kB", m.AvailableMiB*1200, m.AvailableMiB*1024)
	put("proc/mounts", "rootfs / rootfs rw 0 0")
	put("proc/swaps", "Filename Type Size Used Priority")
	for i, d := range m.Drives {
		dir := fmt.Sprintf("sys/block/nvme%dn1", i)
		put(dir+"/size", "%d", d.Bytes/512)
		put(dir+"/removable", "0")
		put(dir+"/device/serial", "%s", d.Serial)
		put(dir+"/device/model", "%s", d.Model)
		put(dir+"/device/firmware_rev", "%s", d.Firmware)
		put(dir+"/device/device/uevent", "DRIVER=nvme\nPCI_SLOT_NAME=0000:%02x:00.0", 0x40+i)
	}
	for i, n := range m.NICs {
		dir := fmt.Sprintf("sys/class/net/eth%d", i)
		put(dir+"/address", "%s", n.MAC)
		put(dir+"/operstate", "up")
		put(dir+"/speed", "%d", n.Mbps)
		put(dir+"/device/uevent", "DRIVER=%s\nPCI_SLOT_NAME=0000:%02x:00.0", n.Driver, 0x20+i)
	}
	for i, c := range m.CPUs {
		temp := c.Celsius
		if temp == 0 {
			temp = 55
		}
		dir := fmt.Sprintf("sys/class/hwmon/hwmon%d", i)
		put(dir+"/name", "coretemp")
		put(dir+"/temp1_label", "Package id %d", i)
		put(dir+"/temp1_input", "%d", temp*1000)
		put(dir+"/temp1_crit", "100000")
		put(fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/physical_package_id", i), "%d", i)
		put(fmt.Sprintf("sys/devices/system/cpu/cpu%d/thermal_throttle/package_throttle_count", i), "0")
	}
	for i := range m.Controllers {
		put(fmt.Sprintf("sys/devices/system/edac/mc/mc%d/ue_count", i), "0")
		put(fmt.Sprintf("sys/devices/system/edac/mc/mc%d/ce_count", i), "0")
	}
	if err := z.Close(); err != nil {
		panic(fmt.Sprintf("simulated root: %v", err))
	}
	r, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		panic(fmt.Sprintf("simulated root: %v", err))
	}
	return r
}
