package imagebuild

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(t *testing.T, dir string, o *Options)
		says  string
		class error
	}{
		{"library missing", func(t *testing.T, dir string, _ *Options) { remove(t, dir, "librados2_*") }, "librados.so.2 (needed by /usr/bin/fio of fio)", inventory.ErrNotFound},
		{"library of a library missing", func(t *testing.T, dir string, _ *Options) {
			remove(t, dir, "librados2_*")
			writeDeb(t, dir, "librados2", "16.3", "xz", "", testFile{path: "usr/lib/x86_64-linux-gnu/librados.so.2", content: testELF(elf.EM_X86_64, []string{"libceph-common.so.2"}, "", "")})
		}, "libceph-common.so.2 (needed by /usr/lib/x86_64-linux-gnu/librados.so.2 of librados2)", inventory.ErrNotFound},
		{"tool missing", func(t *testing.T, dir string, _ *Options) { remove(t, dir, "memtester_*") }, "/usr/sbin/memtester (asked for by the recipe)", inventory.ErrNotFound},
		{"dangling link", func(t *testing.T, dir string, _ *Options) {
			remove(t, dir, "memtester_*")
			writeDeb(t, dir, "memtester", "5", "xz", "", testFile{path: "usr/sbin/memtester", link: "nowhere"})
		}, "/usr/sbin/memtester", inventory.ErrNotFound},
		{"foreign machine", func(t *testing.T, dir string, _ *Options) {
			remove(t, dir, "memtester_*")
			writeDeb(t, dir, "memtester", "5", "xz", "", testFile{path: "usr/sbin/memtester", content: testELF(elf.EM_AARCH64, nil, "", "")})
		}, "it is for EM_AARCH64", nil},
		{"no packages", func(t *testing.T, dir string, _ *Options) { remove(t, dir, "*") }, "holds no .deb file", inventory.ErrNotFound},
		{"no kernel", func(t *testing.T, dir string, _ *Options) { remove(t, dir, "linux-image*") }, "want one kernel package", inventory.ErrInvalid},
		{"two kernels", func(t *testing.T, dir string, _ *Options) {
			writeDeb(t, dir, "linux-image-6.1.0-2-amd64", "6.1.2-1", "xz", "", testFile{path: "boot/vmlinuz-2", content: []byte("k")})
		}, "found 2 (linux-image-6.1.0-1-amd64 linux-image-6.1.0-2-amd64)", inventory.ErrInvalid},
		{"two versions", func(t *testing.T, dir string, _ *Options) {
			writeDeb(t, dir, "fio", "3.34", "xz", "", testFile{path: "usr/bin/fio", content: program64()})
		}, "package fio is there twice, 3.33-3 and 3.34", inventory.ErrInvalid},
		{"two owners of a file", func(t *testing.T, dir string, _ *Options) {
			writeDeb(t, dir, "zz", "1", "xz", "", testFile{path: "usr/bin/fio", content: []byte("else")})
		}, "usr/bin/fio is in fio and in zz", nil},
		{"driver missing", func(t *testing.T, dir string, _ *Options) {
			remove(t, dir, "linux-image*")
			writeDeb(t, dir, "linux-image-6.1.0-1-amd64", "6.1.1-1", "xz", "", testFile{path: "boot/vmlinuz-6.1.0-1-amd64", content: []byte("k")},
				testFile{path: "lib/modules/6.1.0-1-amd64/kernel/x.ko", content: testELF(elf.EM_X86_64, nil, "", "depends=")})
		}, "no module virtio_pci", nil},
		{"no package file", func(t *testing.T, dir string, _ *Options) {
			if err := os.WriteFile(filepath.Join(dir, "a.deb"), []byte("<html>404</html>"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "package a.deb: ", nil},
		{"no agent", func(_ *testing.T, _ string, o *Options) { o.Agent = nil }, "use make build", inventory.ErrInvalid},
		{"text as agent", func(_ *testing.T, _ string, o *Options) { o.Agent = []byte("#!/bin/sh\n") }, "no static program", inventory.ErrInvalid},
		{"agent with libraries", func(_ *testing.T, _ string, o *Options) { o.Agent = program64("libc.so.6") }, "it needs [libc.so.6]", inventory.ErrInvalid},
		{"lock differs", func(t *testing.T, dir string, o *Options) {
			r, err := Build(t.Context(), *o)
			if err != nil {
				t.Fatal(err)
			}
			o.Lock = &r.Lock
			r.Lock.Packages[3].Version, r.Lock.Packages[2].SHA256 = "0", strings.Repeat("0", 64)
		}, "locked is 0\n", inventory.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := debs(t)
			o := Options{Debs: dir, Agent: staticAgent()}
			c.do(t, dir, &o)
			_, err := Build(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.says) || c.class != nil && !errors.Is(err, c.class) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func remove(t *testing.T, dir, pattern string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v", pattern, err)
	}
	for _, n := range names {
		if err := os.Remove(n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLockFile(t *testing.T) {
	dir := t.TempDir()
	l := lockOf([]Package{{Name: "b", Version: "2", Arch: "all", SHA256: "bb", Size: 2}, {Name: "a", Version: "1", Arch: "amd64", SHA256: "aa", Size: 1}})
	raw, err := l.JSON()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "lock")
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(raw)
	back, err := ReadLock(name)
	if err != nil || len(l.Differs(back)) > 0 || back.Packages[0].Name != "a" {
		t.Errorf("%+v, %v, %v", back, l.Differs(back), err)
	}
	if d := l.Differs(lockOf([]Package{{Name: "a", Version: "1", Arch: "amd64", SHA256: "xx", Size: 1}, {Name: "c", Version: "3"}})); len(d) != 3 {
		t.Errorf("differences %q", d)
	}
	if _, err := ReadLock(filepath.Join(dir, "none")); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("absent lock: %v", err)
	}
	for what, bad := range map[string][]byte{"cut": raw[:len(raw)/2], "empty": []byte(`{"format":1,"packages":[]}`), "newer": bytes.Replace(raw, []byte(`"format": 1`), []byte(`"format": 2`), 1),
		"unknown key": bytes.Replace(raw, []byte(`"format"`), []byte(`"colour": 1, "format"`), 1)} {
		write(bad)
		if _, err := ReadLock(name); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestJudgeCheck(t *testing.T) {
	var all []ToolStart
	for _, p := range programs() {
		all = append(all, ToolStart{Tool: p.tool, OK: true, Version: "1"})
	}
	answer := func(list []ToolStart) string {
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return "[    1.0] booting\r\n" + checkMark + string(b) + "\r\n[    2.0] reboot: Power down\r\n"
	}
	if list, err := judgeCheck(answer(all)); err != nil || len(list) != len(all) {
		t.Errorf("%v, %v", list, err)
	}
	broken := append([]ToolStart{}, all...)
	broken[3] = ToolStart{Tool: "fio", Exit: 127, Error: "error while loading shared libraries"}
	for what, c := range map[string]struct{ console, says string }{
		"broken tool":   {answer(broken), "fio cannot start (exit 127): error while loading"},
		"tool left out": {answer(all[1:]), "stress-ng was not started"},
		"no answer":     {"Kernel panic - not syncing: No working init found.", "No working init"},
		"cut answer":    {answer(all)[:200], "did not answer"},
		"silence":       {"", "did not answer"},
	} {
		if _, err := judgeCheck(c.console); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzPackage: no file makes the reader panic or hang, and what it accepts has
// a name.
func FuzzPackage(f *testing.F) {
	dir := f.TempDir()
	for _, compression := range []string{"", "gz"} { // xz and zstd have fuzzers of their own, and are slow
		b, err := os.ReadFile(writeDeb(f, dir, "seed", "1", compression, "a | b (>= 2), c:any", testFile{path: "bin/x", content: []byte("x")}, testFile{path: "bin/y", hard: "./bin/x"}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name := filepath.Join(t.TempDir(), "p.deb")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := OpenPackage(name)
		if err == nil && (p.Name == "" || p.Version == "" || p.Arch == "") {
			t.Errorf("accepted %+v", p)
		}
		if err == nil {
			_, _ = p.files(func(string) bool { return true }) // must only not panic
		}
	})
}

// FuzzModule: any bytes as a module or a program are read or refused.
func FuzzModule(f *testing.F) {
	f.Add(testELF(elf.EM_X86_64, []string{"libc.so.6"}, "$ORIGIN/../lib:/usr/lib", "depends=a,b\x00softdep=pre: c\x00alias=x\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := readModule(file{path: "usr/lib/modules/1/x.ko", content: b}); err == nil && !bytes.HasPrefix(b, []byte("\x7fELF")) {
			t.Error("a module that is no ELF file")
		}
		_, _ = dynamicOf(b)
	})
}
