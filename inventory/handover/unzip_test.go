package handover_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory/handover"
)

// TestHostileZips: what no package may be, each refused before its content counts.
func TestHostileZips(t *testing.T) {
	for name, tc := range map[string]struct {
		header zip.FileHeader
		mode   fs.FileMode
		body   []byte
		want   string
	}{
		"absolute":       {zip.FileHeader{Name: "/certificate.json"}, 0, nil, "leaves the folder"},
		"backslash":      {zip.FileHeader{Name: `..\certificate.json`}, 0, nil, "leaves the folder"},
		"drive":          {zip.FileHeader{Name: "C:certificate.json"}, 0, nil, "leaves the folder"},
		"nested dots":    {zip.FileHeader{Name: "evidence/../../x"}, 0, nil, "leaves the folder"},
		"symlink":        {zip.FileHeader{Name: "certificate.json"}, fs.ModeSymlink | 0o777, []byte("/etc/passwd"), "no regular file"},
		"folder":         {zip.FileHeader{Name: "evidence/"}, fs.ModeDir | 0o755, nil, "no regular file"},
		"other case":     {zip.FileHeader{Name: "Certificate.json"}, 0, nil, "no package has such an entry"},
		"unknown entry":  {zip.FileHeader{Name: "run.sh"}, 0, nil, "no package has such an entry"},
		"bomb":           {zip.FileHeader{Name: "findings.json", Method: zip.Deflate}, 0, make([]byte, 8<<20), "times its size"},
		"large":          {zip.FileHeader{Name: "findings.json", Method: zip.Deflate}, 0, make([]byte, 65<<20), "the limit is"},
		"empty signed":   {zip.FileHeader{Name: "manifest.json"}, 0, nil, "entry is missing"},
		"other evidence": {zip.FileHeader{Name: "evidence/" + strings.Repeat("g", 64) + ".json"}, 0, nil, "no package has such an entry"},
	} {
		var out bytes.Buffer
		z := zip.NewWriter(&out)
		z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 9) })
		h := tc.header
		if tc.mode != 0 {
			h.SetMode(tc.mode)
		}
		w, err := z.CreateHeader(&h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(tc.body); err != nil && len(tc.body) > 0 {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		r := verify(out.Bytes(), trust())
		if r.Intact() || !strings.Contains(r.Broken.Detail, tc.want) {
			t.Errorf("%s: %s, want %q", name, r.Verdict(), tc.want)
		}
	}
}

// TestRawFlips: a flipped bit anywhere in the file never changes what a verified
// package says. Bits of the zip's own times and versions carry no statement.
func TestRawFlips(t *testing.T) {
	pkg := pack(t, goodCase(t, false))
	want, err := handover.VerifyPackage(bytes.NewReader(pkg), int64(len(pkg)), trust()).Certificate.Digest()
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for at := 0; at < len(pkg); at += 1777 { // prime: it meets headers and bodies alike
		pkg[at] ^= 4
		if r := verify(pkg, trust()); r.Verified() {
			verified++
			if got, err := r.Certificate.Digest(); err != nil || got != want {
				t.Errorf("byte %d: verified with another certificate (%v)", at, err)
			}
		}
		pkg[at] ^= 4
	}
	if verified*4 > len(pkg)/1777 {
		t.Errorf("%d flips went unnoticed", verified)
	}
}
