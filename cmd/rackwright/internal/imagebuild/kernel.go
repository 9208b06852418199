package imagebuild

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

func modeDir(perm uint32) fs.FileMode  { return fs.ModeDir | fs.FileMode(perm) }
func modeChar(perm uint32) fs.FileMode { return fs.ModeDevice | fs.ModeCharDevice | fs.FileMode(perm) }

func link(at, target string) images.Entry {
	return images.Entry{Path: at, Mode: fs.ModeSymlink, Link: target}
}

// kernel is what the image takes of the kernel package.
type kernel struct {
	pkg     Package
	release string // "6.1.0-56-amd64", also the name of the module folder
	image   []byte
	files   map[string][]byte // modules and their indexes, by path
}

// unwanted are module folders that no server node needs; leaving them unread
// saves most of the build's memory.
var unwanted = []string{"/drivers/gpu/", "/drivers/media/", "/drivers/staging/", "/drivers/net/wireless/", "/sound/", "/drivers/infiniband/",
	"/drivers/iio/", "/drivers/input/", "/drivers/usb/serial/", "/net/bluetooth/", "/net/mac80211/", "/drivers/isdn/"}

// readKernel takes the kernel image and the picked modules out of the package.
func readKernel(p pool) (kernel, error) {
	var k kernel
	var err error
	if k.pkg, err = p.kernel(); err != nil {
		return k, err
	}
	list, err := k.pkg.files(func(name string) bool {
		for _, u := range unwanted {
			if strings.Contains(name, u) {
				return false
			}
		}
		return strings.HasPrefix(name, "boot/vmlinuz-") || strings.HasPrefix(name, "usr/lib/modules/")
	})
	if err != nil {
		return k, err
	}
	all, builtin := kernelModules{}, map[string]bool{}
	for _, f := range list {
		switch {
		case strings.HasPrefix(f.path, "boot/vmlinuz-"):
			k.image, k.release = f.content, strings.TrimPrefix(f.path, "boot/vmlinuz-")
		case path.Base(f.path) == "modules.builtin":
			for line := range strings.Lines(string(f.content)) {
				builtin[moduleName(strings.TrimSpace(line))] = true
			}
		case strings.Contains(path.Base(f.path), ".ko"):
			m, err := readModule(f)
			if err != nil {
				return k, fmt.Errorf("%s: %w", k.pkg, err)
			}
			all[moduleName(f.path)] = m
		}
	}
	if len(k.image) == 0 || len(all) == 0 {
		return k, fmt.Errorf("%s brings no kernel image or no modules: %w", k.pkg, inventory.ErrInvalid)
	}
	picked, err := all.pick(drivers(), builtin)
	if err != nil {
		return k, err
	}
	return k, k.lay(picked)
}

// lay puts the modules, their indexes and the list of what is always loaded.
func (k *kernel) lay(picked map[string]module) error {
	base := "usr/lib/modules/" + k.release
	dep, alias, err := indexes(picked, base)
	if err != nil {
		return err
	}
	k.files = map[string][]byte{base + "/modules.dep": dep, base + "/modules.alias": alias,
		base + "/modules.always": []byte(strings.Join(always(), "\n") + "\n")}
	for _, m := range picked {
		if !strings.HasPrefix(m.path, base+"/") {
			return fmt.Errorf("kernel module /%s does not belong to kernel %s: %w", m.path, k.release, inventory.ErrInvalid)
		}
		k.files[m.path] = m.content
	}
	return nil
}
