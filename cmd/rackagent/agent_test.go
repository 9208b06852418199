package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/tool"
	"github.com/rackwright/rackwright/inventory"
	"golang.org/x/sys/unix"
)

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestCommandLine(t *testing.T) {
	digest := string(inventory.DigestOf([]byte("image")))
	o, err := commandLine("initrd=initrd console=ttyS0 BOOTIF=01-02-00-00-00-10-00 rackwright.server=http://192.0.2.1:8080 rackwright.token=abc rackwright.image=" + digest + " rackwright.pin=" + digest)
	if err != nil || o.server != "http://192.0.2.1:8080" || o.token.Reveal() != "abc" || string(o.image) != digest || string(o.pin) != digest {
		t.Errorf("%+v, %v", o, err)
	}
	for line, want := range map[string][]string{
		"":                                  {"rackwright.server", "rackwright.token is missing"},
		"rackwright.server=192.0.2.1":       {"want http://host:port"},
		"rackwright.server=ftp://192.0.2.1": {"want http://host:port"},
		"rackwright.image=md5:1 rackwright.pin=x": {"rackwright.image", "rackwright.pin"},
	} {
		_, err := commandLine(line)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %v, want %q", line, err, w)
			}
		}
	}
	if err == nil && strings.Contains(o.token.String(), "abc") {
		t.Error("the token prints itself")
	}
}

// TestIntroduce: the machine's MACs, and that a hypervisor is said.
func TestIntroduce(t *testing.T) {
	root := fstest.MapFS{"proc/sys/kernel/random/boot_id": text("boot-1\n"), "sys/class/dmi/id/product_uuid": text("1111\n"),
		"sys/class/net/lo/address": text("00:00:00:00:00:00"), "sys/class/net/eth0/address": text("02:00:00:00:10:00\n"), "sys/class/net/eth0/device/uevent": text("DRIVER=x"),
		"proc/cpuinfo": text("processor : 0\nflags\t\t: fpu vme hypervisor lahf_lm\n")}
	h, err := introduce(tool.Host{Root: root})
	if err != nil || h.BootID != "boot-1" || h.UUID != "1111" || !slices.Equal(h.MACs, []inventory.MAC{"02:00:00:00:10:00"}) || !h.Simulated {
		t.Errorf("%+v, %v", h, err)
	}
	root["proc/cpuinfo"] = text("flags\t\t: fpu vme lahf_lm\n")
	if h, err := introduce(tool.Host{Root: root}); err != nil || h.Simulated {
		t.Errorf("a real machine says simulated: %v", err)
	}
	delete(root, "proc/sys/kernel/random/boot_id")
	if _, err := introduce(tool.Host{Root: root}); err == nil {
		t.Error("no boot id, no error")
	}
}

func TestBootPorts(t *testing.T) {
	root := fstest.MapFS{"sys/class/net/lo/address": text("00:00:00:00:00:00")}
	for name, mac := range map[string]string{"eth0": "02:00:00:00:10:00", "eth1": "02:00:00:00:10:01"} {
		root["sys/class/net/"+name+"/address"], root["sys/class/net/"+name+"/device/uevent"] = text(mac+"\n"), text("x")
	}
	for line, want := range map[string]string{"BOOTIF=01-02-00-00-00-10-01 x": "eth1", "": "eth0 eth1", "BOOTIF=01-02-00-00-00-10-77": "eth0 eth1", "BOOTIF=01-rubbish": "eth0 eth1"} {
		if got := strings.Join(bootPorts(tool.Host{Root: root}, line), " "); got != want {
			t.Errorf("%q: ports %q, want %q", line, got, want)
		}
	}
}

// TestDrivers: devices appear behind devices, dependencies come first, each
// module once, and one that does not load stops nothing.
func TestDrivers(t *testing.T) {
	base := "usr/lib/modules/6.1.0-1-amd64/"
	root := fstest.MapFS{
		base + "modules.dep": text("kernel/virtio_net.ko: kernel/failover.ko kernel/virtio.ko\nkernel/failover.ko:\nkernel/virtio.ko:\n" +
			"kernel/virtio_pci.ko: kernel/virtio.ko\nkernel/ipmi_devintf.ko: kernel/ipmi_msghandler.ko\nkernel/ipmi_msghandler.ko:\nkernel/mlx5_core.ko:\n"),
		base + "modules.alias":                         text("alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio_pci\nalias virtio:d00000001v* virtio_net\nalias pci:v000015B3d00001021sv*sd*bc*sc*i* mlx5_core\n"),
		base + "modules.always":                        text("ipmi_devintf\n"),
		"sys/devices/pci0000:00/0000:00:02.0/modalias": text("pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00\n"),
		"sys/devices/platform/serial/modalias":         text("acpi:PNP0501:\n"),
	}
	d, err := newDrivers(root, "6.1.0-1-amd64", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var loaded []string
	d.load = func(file string) error {
		name := strings.TrimPrefix(file, "/"+base+"kernel/")
		loaded = append(loaded, name)
		switch name {
		case "virtio_pci.ko": // its bus appears
			root["sys/devices/pci0000:00/0000:00:02.0/virtio0/modalias"] = text("virtio:d00000001v00001AF4\n")
		case "ipmi_msghandler.ko":
			return unix.ENODEV
		}
		return nil
	}
	rounds := 0
	d.settle(func() { rounds++ })
	want := []string{"ipmi_msghandler.ko", "ipmi_devintf.ko", "virtio.ko", "virtio_pci.ko", "failover.ko", "virtio_net.ko"}
	if !slices.Equal(loaded, want) || rounds != 2 {
		t.Errorf("loaded %v in %d rounds, want %v", loaded, rounds, want)
	}
	if _, err := newDrivers(root, "6.9", slog.New(slog.DiscardHandler)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an image of another kernel: %v", err)
	}
}

// records is a kernel log: each read gives one record or one error.
type records []any

// Read implements io.Reader.
func (r *records) Read(b []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	x := (*r)[0]
	*r = (*r)[1:]
	if err, ok := x.(error); ok {
		return 0, err
	}
	return copy(b, x.(string)), nil
}

// TestKernelLog: lines with a class are handed over with the drive's serial; a
// skipped number and EPIPE are gaps; a log that breaks is an error.
func TestKernelLog(t *testing.T) {
	root := fstest.MapFS{"sys/block/nvme0n1/size": text("1000"), "sys/block/nvme0n1/device/serial": text("S1"), "proc/mounts": text("")}
	k := kmsg{host: tool.Host{Root: root}}
	in := records{"6,10,1,-;usual line\n", "3,11,2,-;critical medium error, dev nvme0n1, sector 4096\n SUBSYSTEM=block\n", syscall.EAGAIN, "6,14,3,-;later\n", syscall.EPIPE, "0,90,4,-;mce: [Hardware Error]: CPU 0\n"}
	var got []burnin.KernelLine
	err := k.read(context.Background(), &in, func(l burnin.KernelLine) { got = append(got, l) })
	if err == nil {
		t.Error("a broken log is no error")
	}
	var classes []string
	for _, l := range got {
		classes = append(classes, string(l.Class)+" "+l.Entity.ID)
	}
	if want := []string{"io_error S1", "gap ", "gap ", "hw_error "}; !slices.Equal(classes, want) {
		t.Errorf("lines %q, want %q", classes, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := k.read(ctx, &records{"x"}, func(burnin.KernelLine) { t.Error("a line after the end") }); err != nil {
		t.Errorf("the end of the run is an error: %v", err)
	}
	if err := k.read(context.Background(), &records{"no header"}, func(burnin.KernelLine) {}); err == nil {
		t.Error("a record without header is no error")
	}
}

// stub answers every start alike.
type stub struct{ tool.Captured }

// Start implements tool.Starter.
func (s stub) Start(context.Context, tool.Command) tool.Captured { return s.Captured }

func TestVerbs(t *testing.T) {
	var out, fault bytes.Buffer
	if code := verb(context.Background(), []string{"dance"}, fstest.MapFS{}, &out, &fault); code != exitUsage || !strings.Contains(fault.String(), "unknown verb \"dance\"") {
		t.Errorf("%d %s", code, &fault)
	}
	if code := verb(context.Background(), []string{"version"}, fstest.MapFS{}, &out, &fault); code != exitOK || !strings.Contains(out.String(), "rackagent devel") {
		t.Errorf("%d %s", code, &out)
	}
	if code := verb(context.Background(), []string{"run"}, fstest.MapFS{}, &out, &fault); code != exitFailed || !strings.Contains(fault.String(), "kernel command line") {
		t.Errorf("%d %s", code, &fault)
	}
	out.Reset()
	if err := tools(context.Background(), stub{tool.Captured{Missing: true, Exit: 127}}, &out); err == nil || !strings.Contains(err.Error(), "fio cannot start: it is not in the image") {
		t.Errorf("an empty image: %v", err)
	}
	if err := tools(context.Background(), stub{tool.Captured{Exit: 127, Stderr: []byte("error while loading shared libraries: libceph-common.so.2")}}, &out); err == nil || !strings.Contains(err.Error(), "libceph-common") {
		t.Errorf("a tool without its library: %v", err)
	}
}

// TestLLDPNeighbours: the last word of a neighbour counts, and one that leaves
// is forgotten.
func TestLLDPNeighbours(t *testing.T) {
	e := &ears{}
	e.hear("eth1", tool.Neighbour{Chassis: "02:aa", Port: "Ethernet2", TTL: 120})
	e.hear("eth0", tool.Neighbour{Chassis: "02:aa", System: "leaf1", Port: "Ethernet1", TTL: 120})
	e.hear("eth0", tool.Neighbour{Chassis: "02:aa", System: "leaf2", Port: "Ethernet9", TTL: 120})
	want := []inventory.Link{{Port: "eth0", PeerChassis: "leaf2", PeerPort: "Ethernet9", Source: inventory.SourceLLDP}, {Port: "eth1", PeerChassis: "02:aa", PeerPort: "Ethernet2", Source: inventory.SourceLLDP}}
	if got := e.links(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	e.hear("eth0", tool.Neighbour{TTL: 0})
	if got := e.links(); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}
