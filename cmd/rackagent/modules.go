package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// drivers loads the kernel modules that the machine's devices ask for. The
// image has modules.dep and modules.alias as depmod writes them, and
// modules.always with what no device asks for.
type drivers struct {
	root  fs.FS
	dir   string // of the running kernel's modules, below root
	load  func(file string) error
	log   *slog.Logger
	deps  map[string][]string // file → files that must be there before it
	files map[string]string   // module name → file
	alias []alias
	done  map[string]bool // files that were tried
}

type alias struct{ pattern, module string }

// newDrivers reads the indexes of a kernel release.
func newDrivers(root fs.FS, release string, log *slog.Logger) (*drivers, error) {
	d := &drivers{root: root, dir: "usr/lib/modules/" + release, log: log, load: loadModule,
		deps: map[string][]string{}, files: map[string]string{}, done: map[string]bool{}}
	dep, err1 := fs.ReadFile(root, d.dir+"/modules.dep")
	aliases, err2 := fs.ReadFile(root, d.dir+"/modules.alias")
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("kernel modules of %s: %w", release, err)
	}
	for line := range strings.Lines(string(dep)) {
		file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		d.files[strings.ReplaceAll(strings.TrimSuffix(path.Base(file), ".ko"), "-", "_")] = file
		d.deps[file] = strings.Fields(needs)
		slices.Reverse(d.deps[file]) // modules.dep(5): the last is to be loaded first
	}
	for line := range strings.Lines(string(aliases)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "alias" {
			d.alias = append(d.alias, alias{f[1], f[2]})
		}
	}
	return d, nil
}

// maxRounds bounds how deep devices hide behind devices: PCI, virtio, SCSI, disk.
const maxRounds = 6

// settle loads drivers until no device asks for another one. pause runs
// between rounds: buses are scanned in the background.
func (d *drivers) settle(pause func()) {
	always, err := fs.ReadFile(d.root, d.dir+"/modules.always")
	if err != nil {
		d.log.Warn("list of modules that are always loaded", "error", err)
	}
	for name := range strings.FieldsSeq(string(always)) {
		d.module(name)
	}
	for range maxRounds {
		before := len(d.done)
		for _, m := range d.wanted() {
			d.module(m)
		}
		if len(d.done) == before {
			return
		}
		pause()
	}
}

// wanted are the modules whose alias fits a device that is there now.
func (d *drivers) wanted() []string {
	seen, out := map[string]bool{}, []string{}
	err := fs.WalkDir(d.root, "sys/devices", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() != "modalias" {
			return nil // a device that went away while it was looked at asks for nothing
		}
		b, err := fs.ReadFile(d.root, name)
		text := strings.TrimSpace(string(b))
		if err != nil || text == "" || seen[text] {
			return nil
		}
		seen[text] = true
		for _, a := range d.alias {
			if ok, err := path.Match(a.pattern, text); err == nil && ok && !slices.Contains(out, a.module) {
				out = append(out, a.module)
			}
		}
		return nil
	})
	if err != nil {
		d.log.Warn("devices could not be read", "error", err)
	}
	return out
}

// module loads one module after what it depends on. A module that refuses to
// load (no such device) is no fault of the image.
func (d *drivers) module(name string) {
	file, ok := d.files[strings.ReplaceAll(name, "-", "_")]
	if !ok {
		d.log.Warn("the image lacks a kernel module", "module", name)
		return
	}
	for _, f := range append(slices.Clone(d.deps[file]), file) {
		if d.done[f] {
			continue
		}
		d.done[f] = true
		err := d.load("/" + path.Join(d.dir, f))
		if err != nil && !errors.Is(err, unix.EEXIST) {
			d.log.Info("kernel module did not load", "module", f, "error", err)
		}
	}
}

func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}

// release is the running kernel's, as uname(2) says it.
func release() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}
