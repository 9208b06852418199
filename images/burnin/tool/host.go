package tool

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
)

// Host is what the kernel says about the machine: /proc and /sys. Root is the
// root directory; a simulated machine gives its own.
type Host struct{ Root fs.FS }

// Drive is one block device with an identity.
type Drive struct {
	Name     string // kernel name, "nvme0n1": it moves between boots
	Serial   string // normalised; empty when the device tells none
	Model    string
	Firmware string
	Bytes    int64
	User     string // why nobody may write to it: mounted, partitioned, held
}

// Path is the device file.
func (d Drive) Path() string { return "/dev/" + d.Name }

// text reads one small file; absent and unreadable are both empty, because
// every caller treats empty as not said.
func (h Host) text(name string) string {
	b, err := fs.ReadFile(h.Root, name)
	if err != nil || len(b) > 1<<16 {
		return ""
	}
	return strings.TrimSpace(strings.Trim(string(b), "\x00"))
}

func (h Host) names(dir string) []string {
	list, err := fs.ReadDir(h.Root, dir)
	if err != nil {
		return nil
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// virtual block devices have no hardware behind them.
var virtual = []string{"loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "pmem"}

// Drives lists the fixed disks.
func (h Host) Drives() []Drive {
	var out []Drive
	for _, name := range h.names("sys/block") {
		dir := path.Join("sys/block", name)
		if slices.ContainsFunc(virtual, func(p string) bool { return strings.HasPrefix(name, p) }) || h.text(dir+"/removable") == "1" || h.text(dir+"/hidden") == "1" {
			continue
		}
		sectors, err := strconv.ParseInt(h.text(dir+"/size"), 10, 64)
		if err != nil || sectors <= 0 {
			continue // an empty slot of a controller
		}
		d := Drive{Name: name, Bytes: sectors * 512, Model: h.text(dir + "/device/model"), Firmware: h.text(dir + "/device/firmware_rev"), User: h.user(name)}
		d.Serial = inventory.Usable(h.serial(dir))
		if d.Firmware == "" {
			d.Firmware = h.text(dir + "/device/rev")
		}
		out = append(out, d)
	}
	return out
}

// serial: NVMe has a file, virtio has one beside the queue, SCSI and ATA have
// VPD page 80h (SPC-5 §7.7.12): four header bytes, then text.
func (h Host) serial(dir string) string {
	for _, f := range []string{"/device/serial", "/serial"} {
		if s := h.text(dir + f); s != "" {
			return s
		}
	}
	if b, err := fs.ReadFile(h.Root, dir+"/device/vpd_pg80"); err == nil && len(b) > 4 {
		return strings.TrimSpace(strings.Trim(string(b[4:]), "\x00"))
	}
	return ""
}

// user says why a disk must not be written to. What cannot be read counts as a
// user: nobody may write on a guess.
func (h Host) user(name string) string {
	mounts, err := fs.ReadFile(h.Root, "proc/mounts")
	if err != nil {
		return "/proc/mounts could not be read"
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.HasPrefix(line, "/dev/"+name) {
			return "mounted: " + strings.TrimSpace(line)
		}
	}
	for line := range strings.Lines(h.text("proc/swaps")) {
		if strings.HasPrefix(line, "/dev/"+name) {
			return "used for swap"
		}
	}
	dir := path.Join("sys/block", name)
	if held := h.names(dir + "/holders"); len(held) > 0 {
		return "held by " + strings.Join(held, " ")
	}
	for _, child := range h.names(dir) {
		if strings.HasPrefix(child, name) && h.text(dir+"/"+child+"/partition") != "" {
			return "has partition " + child
		}
	}
	return ""
}

// drive finds the one disk with a serial.
func (h Host) drive(target burnin.Entity) (Drive, error) {
	var found []Drive
	for _, d := range h.Drives() {
		if d.Serial == target.ID && target.Kind == burnin.EntityDrive && target.ID != "" {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		return Drive{}, fmt.Errorf("%d block devices have serial %s, want one", len(found), target.ID)
	}
	return found[0], nil
}

// mayWrite is the guard of destructive steps.
func (h Host) mayWrite(t burnin.Test, target burnin.Entity) error {
	if !slices.Contains(t.Targets, target) {
		return fmt.Errorf("%s is no target of destructive step %s", target, t.ID)
	}
	d, err := h.drive(target)
	if err != nil {
		return err
	}
	if d.User != "" {
		return fmt.Errorf("%s (%s) is in use: %s; nothing was written", target, d.Name, d.User)
	}
	return nil
}

// still checks after the run that the device under the path is the same one.
func (h Host) still(target burnin.Entity, c Command) error {
	if target.Kind != burnin.EntityDrive {
		return nil
	}
	d, err := h.drive(target)
	if err != nil {
		return fmt.Errorf("after %s: %w", c.Name, err)
	}
	if !slices.ContainsFunc(c.Args, func(a string) bool { return a == d.Path() || a == "--filename="+d.Path() }) {
		return fmt.Errorf("after %s: %s is now %s, another device was tested", c.Name, target, d.Path())
	}
	return nil
}

// available is MemAvailable in MiB (proc(5)).
func (h Host) available() (float64, error) {
	for line := range strings.Lines(h.text("proc/meminfo")) {
		rest, ok := strings.CutPrefix(line, "MemAvailable:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
		if err != nil {
			return 0, fmt.Errorf("MemAvailable %q: %w", rest, err)
		}
		return kib / 1024, nil
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemAvailable")
}

// memory turns "85%" of the available memory or "512M" into MiB, rounded down.
func (h Host) memory(text string) (int, error) {
	if pct, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(pct, 64)
		if err != nil || !(p > 0 && p <= 98) {
			return 0, fmt.Errorf("memory %q: want 1%% to 98%%", text)
		}
		have, err := h.available()
		if err != nil {
			return 0, err
		}
		if n := int(have * p / 100); n > 0 {
			return n, nil
		}
		return 0, fmt.Errorf("memory %q of %g MiB is nothing", text, have)
	}
	n, err := size(text)
	if err != nil || n < 1<<20 {
		return 0, fmt.Errorf("memory %q: want a part as 85%% or an amount as 512M", text)
	}
	return int(n >> 20), nil
}

// size reads "64M", "1G", "4096".
func size(text string) (int64, error) {
	digits := strings.TrimRight(text, "KMGT")
	shift := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
	s, ok := shift[text[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || n <= 0 || n > 1<<50>>s {
		return 0, fmt.Errorf("size %q: want a number with K, M, G or T", text)
	}
	return n << s, nil
}
