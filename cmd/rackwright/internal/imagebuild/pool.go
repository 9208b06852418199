package imagebuild

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// pool is the packages at hand, by name.
type pool map[string]Package

// openPool opens every .deb of a folder for amd64 or all machines.
func openPool(dir string) (pool, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return nil, fmt.Errorf("package folder %s: %w", dir, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("package folder %s holds no .deb file: put the packages there, or use --fetch: %w", dir, inventory.ErrNotFound)
	}
	slices.Sort(names)
	p := pool{}
	for _, n := range names {
		if err := p.open(n); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p pool) open(name string) error {
	d, err := OpenPackage(name)
	if err != nil {
		return err
	}
	if d.Arch != "amd64" && d.Arch != "all" {
		return fmt.Errorf("package %s is for %s, the image for amd64: remove %s: %w", d, d.Arch, filepath.Base(name), inventory.ErrInvalid)
	}
	if old, twice := p[d.Name]; twice && old.Path != d.Path {
		return fmt.Errorf("package %s is there twice, %s and %s: remove one of %s and %s: %w", d.Name, old.Version, d.Version,
			filepath.Base(old.Path), filepath.Base(name), inventory.ErrInvalid)
	}
	p[d.Name] = d
	return nil
}

// keep drops everything that a lock does not name.
func (p pool) keep(l Lock) {
	for name := range p {
		if !slices.ContainsFunc(l.Packages, func(k Locked) bool { return k.Name == name }) {
			delete(p, name)
		}
	}
}

var kernelName = regexp.MustCompile(`^linux-image-[0-9].*-amd64$`)

// kernel finds the one kernel package.
func (p pool) kernel() (Package, error) {
	var found []Package
	for _, d := range p {
		if kernelName.MatchString(d.Name) {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		var names []string
		for _, d := range found {
			names = append(names, d.Name)
		}
		slices.Sort(names)
		return Package{}, fmt.Errorf("want one kernel package linux-image-VERSION-amd64, found %d (%s): %w", len(found), strings.Join(names, " "), inventory.ErrInvalid)
	}
	return found[0], nil
}

// offers reads what the packages but the kernel could give to the image.
func (p pool) offers(t *tree, read map[string]bool) error {
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	slices.Sort(names)
	extra := extras()
	want := func(path string) bool {
		for _, d := range []string{"usr/bin/", "usr/sbin/", "usr/lib/", "usr/lib64/"} {
			if strings.HasPrefix(path, d) {
				return true
			}
		}
		return slices.ContainsFunc(extra, func(e program) bool { return e.path == path })
	}
	for _, name := range names {
		if strings.HasPrefix(name, "linux-image-") || read[name] {
			continue
		}
		list, err := p[name].files(want)
		if err != nil {
			return err
		}
		if err := t.add(list); err != nil {
			return err
		}
		read[name] = true
	}
	return nil
}
