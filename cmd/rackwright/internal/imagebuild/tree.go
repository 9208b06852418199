package imagebuild

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// merged is the path of a package member inside the image, without a leading
// slash. /bin, /sbin and /lib are links to /usr in the image, as on an
// installed system; packages of the transition carry either name.
func merged(name string) string {
	p := strings.TrimPrefix(path.Clean("/"+name), "/")
	top, _, _ := strings.Cut(p, "/")
	if slices.Contains(mergedDirs, top) {
		return "usr/" + p
	}
	return p
}

var mergedDirs = []string{"bin", "sbin", "lib", "lib64"}

// tree is everything the packages offer, by path.
type tree struct {
	files map[string]file
}

// add takes the files of a package; two packages must not bring one path with
// different content.
func (t *tree) add(list []file) error {
	if t.files == nil {
		t.files = map[string]file{}
	}
	for _, f := range list {
		old, ok := t.files[f.path]
		if ok && (old.link != f.link || !slices.Equal(old.content, f.content)) {
			return fmt.Errorf("%s is in %s and in %s with different content", f.path, old.pkg, f.pkg)
		}
		t.files[f.path] = f
	}
	return nil
}

const maxLinks = 16

// resolve follows symbolic links from a path to a regular file; the chain
// holds every path that must be in the image.
func (t *tree) resolve(name string) (chain []file, ok bool) {
	for range maxLinks {
		f, ok := t.files[name]
		if !ok {
			return nil, false
		}
		chain = append(chain, f)
		if f.link == "" {
			return chain, true
		}
		if path.IsAbs(f.link) {
			name = merged(f.link)
		} else {
			name = merged(path.Join(path.Dir(name), f.link))
		}
	}
	return nil, false
}
