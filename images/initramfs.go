package images

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
)

// Entry is one member of an initramfs: a directory (Mode has ModeDir), a
// symbolic link (ModeSymlink, Link is the target), a character device
// (ModeDevice|ModeCharDevice with Major and Minor) or a regular file whose
// content is File or, when File is nil, Data.
type Entry struct {
	Path         string
	Mode         fs.FileMode
	File         *os.File
	Data         []byte
	Link         string
	Major, Minor int64
}

// WriteInitramfs writes a newc archive (the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst). The bytes depend
// on the entries only: paths are sorted, every owner is root, every time is
// zero, parents that are missing are added with mode 0755.
func WriteInitramfs(w io.Writer, entries []Entry) error {
	all, err := complete(entries)
	if err != nil {
		return err
	}
	out := &newc{w: w}
	for i, e := range all {
		if err := out.entry(e, i+1); err != nil {
			return fmt.Errorf("initramfs: %s: %w", e.Path, err)
		}
	}
	if err := out.trailer(); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	return nil
}

// complete cleans paths, refuses duplicates and escapes, adds parents, sorts.
func complete(entries []Entry) ([]Entry, error) {
	seen := map[string]Entry{}
	for _, e := range entries {
		clean := strings.TrimPrefix(path.Clean("/"+e.Path), "/")
		if clean == "" {
			return nil, fmt.Errorf("initramfs: empty path %q", e.Path)
		}
		if _, dup := seen[clean]; dup {
			return nil, fmt.Errorf("initramfs: %s is given twice", clean)
		}
		e.Path = clean
		seen[clean] = e
	}
	for p, e := range seen {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			parent, ok := seen[dir]
			if ok && !parent.Mode.IsDir() && parent.Mode&fs.ModeSymlink == 0 {
				return nil, fmt.Errorf("initramfs: %s lies under %s, which is not a directory", e.Path, dir)
			}
			if !ok {
				seen[dir] = Entry{Path: dir, Mode: fs.ModeDir | 0o755}
			}
		}
	}
	all := make([]Entry, 0, len(seen))
	for _, e := range seen {
		all = append(all, e)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all, nil
}

// newc writes the SVR4 "new ASCII" format. Our own few lines: the library at
// hand writes neither device numbers nor a symbolic link's target.
type newc struct {
	w io.Writer
	n int64 // bytes written, for padding
}

// Unix file types (stat(2)).
const (
	typeDir     = 0o040000
	typeChar    = 0o020000
	typeRegular = 0o100000
	typeSymlink = 0o120000
)

func (c *newc) entry(e Entry, inode int) error {
	mode, links := int64(e.Mode.Perm()), 1
	size, body := int64(len(e.Data)), io.Reader(strings.NewReader(string(e.Data)))
	switch {
	case e.Mode.IsDir():
		mode, links, size = mode|typeDir, 2, 0
	case e.Mode&fs.ModeSymlink != 0:
		mode, size, body = typeSymlink|0o777, int64(len(e.Link)), strings.NewReader(e.Link)
	case e.Mode&fs.ModeCharDevice != 0:
		mode, size = mode|typeChar, 0
	case e.File != nil:
		info, err := e.File.Stat()
		if err != nil {
			return err
		}
		mode, size = mode|typeRegular, info.Size()
		body = io.NewSectionReader(e.File, 0, size)
	default:
		mode |= typeRegular
	}
	if size > maxEntry {
		return fmt.Errorf("%d bytes are more than the format's 32-bit size", size)
	}
	if err := c.header(e, inode, mode, links, size); err != nil {
		return err
	}
	n, err := io.Copy(c, io.LimitReader(body, size))
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("%d of %d bytes could be read: %w", n, size, io.ErrUnexpectedEOF)
	}
	return c.pad()
}

const maxEntry = 1<<32 - 1

func (c *newc) header(e Entry, inode int, mode int64, links int, size int64) error {
	_, err := fmt.Fprintf(c, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		inode, mode, 0, 0, links, 0, size, 0, 0, e.Major, e.Minor, len(e.Path)+1, 0, e.Path)
	if err != nil {
		return err
	}
	return c.pad()
}

func (c *newc) trailer() error { return c.header(Entry{Path: "TRAILER!!!"}, 0, 0, 1, 0) }

func (c *newc) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *newc) pad() error {
	if rest := c.n % 4; rest != 0 {
		_, err := c.Write(make([]byte, 4-rest))
		return err
	}
	return nil
}
