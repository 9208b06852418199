package imagebuild

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blakesmith/ar"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// testFile is a member of a made-up package.
type testFile struct {
	path, link, hard string
	content          []byte
}

// writeDeb makes a .deb file; compression is "", gz, xz or zst.
func writeDeb(t testing.TB, dir, name, version, compression string, depends string, files ...testFile) string {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nDepends: %s\nDescription: made up\n more text\n", name, version, depends)
	out := filepath.Join(dir, fmt.Sprintf("%s_%s_amd64.deb", name, strings.ReplaceAll(version, ":", "%3a")))
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := ar.NewWriter(f)
	suffix := ""
	if compression != "" {
		suffix = "." + compression
	}
	put := func(name string, body []byte) {
		if err := w.WriteHeader(&ar.Header{Name: name, Size: int64(len(body)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteGlobalHeader(); err != nil {
		t.Fatal(err)
	}
	put("debian-binary", []byte("2.0\n"))
	put("control.tar"+suffix, pressed(t, compression, archive(t, testFile{path: "./control", content: []byte(control)})))
	put("data.tar"+suffix, pressed(t, compression, archive(t, files...)))
	return out
}

func archive(t testing.TB, files ...testFile) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: "./" + strings.TrimPrefix(f.path, "./"), Mode: 0o755, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if f.hard != "" {
			h.Typeflag, h.Linkname = tar.TypeLink, f.hard
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func pressed(t testing.TB, compression string, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch compression {
	case "":
		return plain
	case "gz":
		w = gzip.NewWriter(&buf)
	case "xz":
		w, err = xz.NewWriter(&buf)
	case "zst":
		w, err = zstd.NewWriter(&buf)
	}
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// testELF is a small shared object for a machine: its dynamic section has the
// needed libraries and the search path, its .modinfo what modinfo says.
func testELF(machine elf.Machine, needed []string, runpath, modinfo string) []byte {
	strs := "\x00"
	at := func(s string) uint64 { n := len(strs); strs += s + "\x00"; return uint64(n) }
	var dyn bytes.Buffer
	entry := func(tag elf.DynTag, v uint64) { _ = binary.Write(&dyn, binary.LittleEndian, []uint64{uint64(tag), v}) }
	for _, n := range needed {
		entry(elf.DT_NEEDED, at(n))
	}
	if runpath != "" {
		entry(elf.DT_RUNPATH, at(runpath))
	}
	entry(elf.DT_NULL, 0)
	names := "\x00.dynstr\x00.dynamic\x00.modinfo\x00.shstrtab\x00"
	type section struct {
		name  string
		kind  elf.SectionType
		link  uint32
		body  []byte
		entry uint64
	}
	list := []section{{}, {name: ".dynstr", kind: elf.SHT_STRTAB, body: []byte(strs)}, {name: ".dynamic", kind: elf.SHT_DYNAMIC, link: 1, body: dyn.Bytes(), entry: 16},
		{name: ".modinfo", kind: elf.SHT_PROGBITS, body: []byte(modinfo)}, {name: ".shstrtab", kind: elf.SHT_STRTAB, body: []byte(names)}}
	var body, table bytes.Buffer
	for _, s := range list {
		h := elf.Section64{Type: uint32(s.kind), Off: uint64(64 + body.Len()), Size: uint64(len(s.body)), Link: s.link, Entsize: s.entry}
		if s.name != "" {
			h.Name = uint32(strings.Index(names, s.name))
		}
		_ = binary.Write(&table, binary.LittleEndian, h)
		body.Write(s.body)
	}
	h := elf.Header64{Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: 1,
		Shoff: uint64(64 + body.Len()), Ehsize: 64, Shentsize: 64, Shnum: uint16(len(list)), Shstrndx: 4}
	var out bytes.Buffer
	_ = binary.Write(&out, binary.LittleEndian, h) // a buffer does not fail
	out.Write(body.Bytes())
	out.Write(table.Bytes())
	return out.Bytes()
}
