package imagebuild

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Package is one Debian binary package (deb(5)), opened by its control file.
type Package struct {
	Name, Version, Arch string
	Depends             []string // names, every alternative, without versions
	SHA256              string   // of the .deb file, hex
	Size                int64
	Path                string // of the .deb file
}

// String is "fio 3.33-3".
func (p Package) String() string { return p.Name + " " + p.Version }

const (
	maxControl = 1 << 20 // the largest control archives have some 100 KB
	maxMember  = 1 << 30 // one packed file
)

// OpenPackage reads name, version, dependencies and digest of one .deb file.
func OpenPackage(file string) (Package, error) {
	f, err := os.Open(file)
	if err != nil {
		return Package{}, fmt.Errorf("package: %w", err)
	}
	defer f.Close()
	p := Package{Path: file}
	sum := sha256.New()
	if p.Size, err = io.Copy(sum, f); err != nil {
		return p, fmt.Errorf("package %s: %w", filepath.Base(file), err)
	}
	p.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		err = member(f, "control.tar", func(r io.Reader) error { return p.control(io.LimitReader(r, maxControl)) })
	}
	if err == nil && (p.Name == "" || p.Version == "" || p.Arch == "") {
		err = errors.New("its control file names no package, version or architecture")
	}
	if err != nil {
		return p, fmt.Errorf("package %s: %w", filepath.Base(file), err)
	}
	return p, nil
}

// control reads the control file out of the control archive.
func (p *Package) control(r io.Reader) error {
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("no control file")
		}
		if err != nil {
			return err
		}
		if strings.TrimPrefix(h.Name, "./") != "control" {
			continue
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return err
		}
		p.fields(string(text))
		return nil
	}
}

// fields reads the paragraph (Debian policy §5.1); continuation lines begin with a blank.
func (p *Package) fields(text string) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\n ", " "), "\n\t", " ")
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "Package":
			p.Name = value
		case "Version":
			p.Version = value
		case "Architecture":
			p.Arch = value
		case "Depends", "Pre-Depends":
			for clause := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == '|' }) {
				name, _, _ := strings.Cut(strings.TrimSpace(clause), " ")
				if name, _, _ = strings.Cut(name, ":"); name != "" {
					p.Depends = append(p.Depends, name)
				}
			}
		}
	}
}

// file is one member of a package, with its path inside the image. Content is
// nil for links.
type file struct {
	path    string
	link    string // target of a symbolic link
	content []byte
	exec    bool
	pkg     string // name of the package
}

// files reads the members that want accepts, at their merged paths. A hard
// link becomes a copy.
func (p Package) files(want func(path string) bool) ([]file, error) {
	f, err := os.Open(p.Path)
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", p, err)
	}
	defer f.Close()
	var out []file
	err = member(f, "data.tar", func(r io.Reader) (err error) { out, err = p.data(r, want); return err })
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", p, err)
	}
	return out, nil
}

func (p Package) data(r io.Reader, want func(string) bool) ([]file, error) {
	var out []file
	at := map[string]int{}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		name := merged(h.Name)
		if !want(name) {
			continue
		}
		m := file{path: name, pkg: p.Name, exec: h.Mode&0o111 != 0}
		switch h.Typeflag {
		case tar.TypeReg:
			if h.Size > maxMember {
				return nil, fmt.Errorf("%s has %d bytes", name, h.Size)
			}
			var body bytes.Buffer // grows with what is there, not with what the header says
			body.Grow(int(min(h.Size, 1<<20)))
			if _, err := io.Copy(&body, t); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			m.content = body.Bytes()
		case tar.TypeSymlink:
			m.link = h.Linkname
		case tar.TypeLink:
			i, ok := at[merged(h.Linkname)]
			if !ok {
				return nil, fmt.Errorf("%s is a hard link to %s, which was not read", name, h.Linkname)
			}
			m.content = out[i].content
		default:
			continue // directories are made from the paths
		}
		at[name] = len(out)
		out = append(out, m)
	}
}

// member finds the ar member with a name such as data.tar.xz and hands its
// plain bytes over.
func member(r io.Reader, prefix string, use func(io.Reader) error) error {
	for a := (&arReader{r: r}); ; {
		name, err := a.next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("no %s: this is no .deb file", prefix)
		}
		if err != nil {
			return fmt.Errorf("this is no .deb file: %w", err)
		}
		kind, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		plain, err := decompress(kind, bufio.NewReaderSize(a, 1<<20)) // xz reads byte by byte
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer plain.Close()
		if err := use(plain); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
}

func decompress(kind string, r io.Reader) (io.ReadCloser, error) {
	switch kind {
	case "":
		return io.NopCloser(r), nil
	case ".gz":
		return gzip.NewReader(r)
	case ".xz":
		x, err := xz.NewReader(r)
		return io.NopCloser(x), err
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("compression %q: known are gz, xz and zst", kind)
}

// unpacked returns the plain bytes of a kernel module, which newer Debian
// kernels ship compressed, and its name without the suffix.
func unpacked(name string, content []byte) (string, []byte, error) {
	for _, kind := range []string{".xz", ".zst", ".gz"} {
		plain, ok := strings.CutSuffix(name, kind)
		if !ok {
			continue
		}
		r, err := decompress(kind, bytes.NewReader(content))
		if err != nil {
			return plain, nil, fmt.Errorf("%s: %w", name, err)
		}
		defer r.Close()
		b, err := io.ReadAll(io.LimitReader(r, maxMember))
		if err != nil {
			return plain, nil, fmt.Errorf("%s: %w", name, err)
		}
		return plain, b, nil
	}
	return name, content, nil
}
