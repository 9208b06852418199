package imagebuild

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"

	"github.com/rackwright/rackwright/inventory"
)

func program64(needed ...string) []byte { return testELF(elf.EM_X86_64, needed, "", "") }

func staticAgent() []byte { return testELF(elf.EM_X86_64, nil, "", "agent") }

// debs is a whole made-up distribution: fio finds its library only by RUNPATH.
func debs(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	lib := "lib/x86_64-linux-gnu/"
	for i, p := range programs() {
		switch p.tool {
		case "fio":
			writeDeb(t, dir, "fio", "3.33-3", "xz", "libc6 (>= 2.34), librados2", testFile{path: "usr/bin/fio", content: testELF(elf.EM_X86_64, []string{"libc.so.6", "librados.so.2"}, "", "")})
		default:
			writeDeb(t, dir, p.pkg, "1."+string(rune('0'+i%10)), []string{"xz", "zst", "gz", ""}[i%4], "libc6", append(smartExtra(p.pkg), testFile{path: p.path, content: program64("libc.so.6")})...)
		}
	}
	writeDeb(t, dir, "librados2", "16.2", "zst", "libc6",
		testFile{path: "usr/lib/x86_64-linux-gnu/librados.so.2", link: "librados.so.2.0.0"},
		testFile{path: "usr/lib/x86_64-linux-gnu/librados.so.2.0.0", content: testELF(elf.EM_X86_64, []string{"libceph-common.so.2"}, "/usr/lib/x86_64-linux-gnu/ceph", "")},
		testFile{path: "usr/lib/x86_64-linux-gnu/ceph/libceph-common.so.2", content: program64("libc.so.6")},
		testFile{path: "usr/lib/x86_64-linux-gnu/libunused.so.1", content: program64("libnowhere.so.9")})
	writeDeb(t, dir, "libc6", "2.36", "xz", "libgcc-s1", testFile{path: lib + "libc.so.6", content: program64()})
	writeDeb(t, dir, "libgcc-s1", "12.2", "xz", "", testFile{path: lib + "libgcc_s.so.1", content: program64()})
	writeDeb(t, dir, "pci.ids", "0.0", "xz", "", testFile{path: "usr/share/misc/pci.ids", content: []byte("8086 Intel\n")})
	writeDeb(t, dir, "unrelated", "9", "xz", "", testFile{path: "usr/bin/unrelated", content: program64("libnowhere.so.9")})
	writeDeb(t, dir, "linux-image-6.1.0-1-amd64", "6.1.1-1", "xz", "kmod, linux-base", kernelFiles(t)...)
	return dir
}

func smartExtra(pkg string) []testFile {
	if pkg != "smartmontools" {
		return nil
	}
	return []testFile{{path: "usr/share/smartmontools/drivedb.h", content: []byte("/* drives */")}}
}

// kernelFiles has every driver of the list; nvme depends on nvme-core, e1000e
// is built in, one module is packed, one has a soft dependency.
func kernelFiles(t testing.TB) []testFile {
	base := "lib/modules/6.1.0-1-amd64/"
	out := []testFile{{path: "boot/vmlinuz-6.1.0-1-amd64", content: []byte("kernel")}, {path: base + "modules.builtin", content: []byte("kernel/drivers/net/e1000e.ko\n")}}
	mod := func(name, info string) {
		out = append(out, testFile{path: base + "kernel/drivers/" + name + ".ko", content: testELF(elf.EM_X86_64, nil, "", info)})
	}
	for _, d := range drivers() {
		switch d {
		case "e1000e":
		case "nvme":
			mod("nvme", "alias=pci:v*d*sv*sd*bc01sc08i02*\x00depends=nvme-core\x00softdep=pre: crc32c absent post: other\x00")
		case "igb":
			body := pressed(t, "xz", testELF(elf.EM_X86_64, nil, "", "alias=pci:v00008086d00001521sv*sd*bc*sc*i*\x00depends=\x00"))
			out = append(out, testFile{path: base + "kernel/drivers/net/igb.ko.xz", content: body})
		default:
			mod(d, "depends=\x00")
		}
	}
	mod("nvme-core", "depends=t10-pi\x00")
	mod("t10-pi", "depends=\x00")
	mod("crc32c", "depends=\x00")
	mod("unwanted_module", "depends=\x00")
	return out
}

func unpack(t *testing.T, initrd []byte) map[string]string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(initrd))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string]string{}
	for r := cpio.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(body) + h.Linkname
	}
}

func TestBuild(t *testing.T) {
	dir := debs(t)
	r, err := Build(t.Context(), Options{Debs: dir, Agent: staticAgent()})
	if err != nil {
		t.Fatal(err)
	}
	got := unpack(t, r.Initrd)
	base := "usr/lib/modules/6.1.0-1-amd64/"
	for name, want := range map[string]string{
		"init": "usr/bin/rackagent", "lib": "usr/lib", "usr/bin/sh": "busybox", "usr/bin/rackagent": string(staticAgent()),
		"usr/lib/x86_64-linux-gnu/librados.so.2": "librados.so.2.0.0", "usr/share/misc/pci.ids": "8086 Intel\n",
		base + "modules.always": "ipmi_devintf\n",
	} {
		if got[name] != want {
			t.Errorf("%s holds %.40q, want %.40q", name, got[name], want)
		}
	}
	for _, name := range []string{"usr/lib/x86_64-linux-gnu/ceph/libceph-common.so.2", "usr/lib/x86_64-linux-gnu/libgcc_s.so.1", base + "kernel/drivers/nvme-core.ko",
		base + "kernel/drivers/t10-pi.ko", base + "kernel/drivers/net/igb.ko", "usr/share/rackwright/udhcpc", "dev/console"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not in the image", name)
		}
	}
	for _, name := range []string{"usr/bin/unrelated", "usr/lib/x86_64-linux-gnu/libunused.so.1", base + "kernel/drivers/unwanted_module.ko"} {
		if _, ok := got[name]; ok {
			t.Errorf("%s is in the image", name)
		}
	}
	dep := got[base+"modules.dep"]
	if want := "kernel/drivers/nvme.ko: kernel/drivers/crc32c.ko kernel/drivers/nvme-core.ko kernel/drivers/t10-pi.ko\n"; !strings.Contains(dep, want) {
		t.Errorf("modules.dep lacks %q:\n%s", want, dep)
	}
	if want := "alias pci:v00008086d00001521sv*sd*bc*sc*i* igb\n"; !strings.Contains(got[base+"modules.alias"], want) {
		t.Errorf("modules.alias:\n%s", got[base+"modules.alias"])
	}
	if string(r.Kernel) != "kernel" || r.KernelRelease != "6.1.0-1-amd64" || r.Tools["fio"] != "3.33-3" || !strings.HasPrefix(r.Version, "6.1.1-1.") {
		t.Errorf("kernel %q %s, tools %v, version %s", r.Kernel, r.KernelRelease, r.Tools, r.Version)
	}
	names := []string{}
	for _, p := range r.Lock.Packages {
		names = append(names, p.Name)
	}
	if slices.Contains(names, "unrelated") || !slices.Contains(names, "librados2") || !slices.Contains(names, "linux-image-6.1.0-1-amd64") {
		t.Errorf("locked are %v", names)
	}
}

// TestSameLockSameBytes builds in another year (a synctest bubble begins in
// 2000), then in another process with other TMPDIR, umask, time zone, locale
// and folder, and, as root, as another user.
func TestSameLockSameBytes(t *testing.T) {
	const inner = "RACKWRIGHT_INNER_BUILD"
	if dir := os.Getenv(inner); dir != "" {
		r, err := Build(t.Context(), Options{Debs: dir, Agent: staticAgent()})
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("INNER " + string(inventory.DigestOf(r.Initrd)) + " " + r.Version + "\n")
		return
	}
	dir := debs(t)
	first, err := Build(t.Context(), Options{Debs: dir, Agent: staticAgent()})
	if err != nil {
		t.Fatal(err)
	}
	want := string(inventory.DigestOf(first.Initrd)) + " " + first.Version
	synctest.Test(t, func(t *testing.T) {
		r, err := Build(t.Context(), Options{Debs: dir, Lock: &first.Lock, Agent: staticAgent()})
		if err != nil || string(inventory.DigestOf(r.Initrd))+" "+r.Version != want {
			t.Errorf("in another year: %s, %v", inventory.DigestOf(r.Initrd), err)
		}
	})
	other := t.TempDir()
	opened(t, dir, other)
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	cmd := exec.CommandContext(t.Context(), copied(t, other), "-test.run", "^TestSameLockSameBytes$")
	cmd.Env = []string{inner + "=" + dir, "TMPDIR=" + other, "TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8", "HOME=/nowhere", "USER=nobody"}
	cmd.Dir = other
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "INNER "+want+"\n") {
		t.Errorf("in another process: %v, want %s:\n%s", err, want, out)
	}
}

// opened lets another user read the test's folders.
func opened(t *testing.T, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		for ; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(dirs[len(dirs)-1], 0o777); err != nil {
		t.Fatal(err)
	}
}

// copied is this test program where another user may start it.
func copied(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "imagebuild.test")
	if err := os.WriteFile(out, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(out, 0o755); err != nil {
		t.Fatal(err)
	}
	return out
}
