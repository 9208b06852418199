package imagebuild

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Missing is a library that a file needs and no package at hand brings.
type Missing struct {
	Library string // soname, or the path of a program that was asked for
	By      string // path of the file that needs it
	Package string // of that file; empty for what the recipe asks for
}

// String is a sentence's worth.
func (m Missing) String() string {
	if m.Package == "" {
		return m.Library + " (asked for by the recipe)"
	}
	return fmt.Sprintf("%s (needed by /%s of %s)", m.Library, m.By, m.Package)
}

// libraryDirs is where the dynamic loader of Debian looks last (ld.so(8) and
// /etc/ld.so.conf.d; the image has no ld.so.cache).
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib64"}

// closure walks from programs to every library they need, following DT_NEEDED
// through DT_RUNPATH, as the loader does. DT_RPATH counts where there is no
// RUNPATH. It returns the files to pack and what is missing.
func (t *tree) closure(roots []string) (map[string]file, []Missing, error) {
	packed := map[string]file{}
	var missing []Missing
	queue := slices.Clone(roots)
	asked := map[string]Missing{}
	for _, r := range roots {
		asked[r] = Missing{Library: "/" + r}
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if _, done := packed[name]; done {
			continue
		}
		chain, ok := t.resolve(name)
		if !ok {
			missing = append(missing, asked[name])
			continue
		}
		for _, f := range chain {
			packed[f.path] = f
		}
		last := chain[len(chain)-1]
		d, err := dynamicOf(last.content)
		if err != nil {
			return nil, nil, fmt.Errorf("/%s of %s: %w", last.path, last.pkg, err)
		}
		for _, lib := range d.needed {
			found, ok := t.library(lib, last.path, d.runpath)
			if !ok {
				missing = append(missing, Missing{lib, last.path, last.pkg})
				continue
			}
			queue = append(queue, found)
		}
		if d.interp != "" {
			at := merged(d.interp)
			asked[at] = Missing{d.interp, last.path, last.pkg}
			queue = append(queue, at)
		}
	}
	slices.SortFunc(missing, func(a, b Missing) int { return strings.Compare(a.Library+a.By, b.Library+b.By) })
	return packed, slices.Compact(missing), nil
}

// library finds where the loader would find a soname for a file.
func (t *tree) library(name, by string, runpath []string) (string, bool) {
	var dirs []string
	for _, r := range runpath {
		for _, origin := range []string{"$ORIGIN", "${ORIGIN}"} {
			r = strings.ReplaceAll(r, origin, "/"+path.Dir(by))
		}
		if path.IsAbs(r) { // a relative one depends on the working directory: never ours
			dirs = append(dirs, merged(r))
		}
	}
	for _, d := range append(dirs, libraryDirs...) {
		if _, ok := t.resolve(path.Join(d, name)); ok {
			return path.Join(d, name), true
		}
	}
	return "", false
}

// dynamic is what the loader reads of an ELF file.
type dynamic struct {
	needed, runpath []string
	interp          string
}

// dynamicOf reads a program or library; what is no ELF file (data, scripts)
// needs nothing. A file for another machine is an error.
func dynamicOf(content []byte) (dynamic, error) {
	if !bytes.HasPrefix(content, []byte(elf.ELFMAG)) {
		return dynamic{}, nil
	}
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return dynamic{}, err
	}
	defer f.Close()
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return dynamic{}, fmt.Errorf("it is for %s, the image for x86-64", f.Machine)
	}
	var d dynamic
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return d, fmt.Errorf("interpreter: %w", err)
		}
		d.interp = strings.TrimRight(string(b), "\x00")
	}
	needed, err1 := f.DynString(elf.DT_NEEDED)
	runpath, err2 := f.DynString(elf.DT_RUNPATH)
	rpath, err3 := f.DynString(elf.DT_RPATH)
	if err := errors.Join(err1, err2, err3); err != nil {
		return d, fmt.Errorf("dynamic section: %w", err)
	}
	if len(runpath) == 0 {
		runpath = rpath
	}
	d.needed = needed
	for _, r := range runpath {
		d.runpath = append(d.runpath, strings.Split(r, ":")...)
	}
	return d, nil
}
