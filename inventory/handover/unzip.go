package handover

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Limits of a package; more is refused before it is read.
const (
	maxPackage = 2 << 30  // bytes of the zip
	maxEntry   = 64 << 20 // bytes of one entry
	maxTotal   = 1 << 30  // bytes of all entries
	maxEntries = 20_000
	maxRatio   = 100 // unpacked to packed, against zip bombs
)

// entryError names the entry that is wrong.
type entryError struct {
	entry string
	err   error
}

func (e *entryError) Error() string { return e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }

func badEntry(entry, format string, args ...any) error {
	return &entryError{entry: entry, err: fmt.Errorf(format+": %w", append(args, inventory.ErrInvalid)...)}
}

// entryOf returns the entry an error names, or the given one.
func entryOf(err error, otherwise string) string {
	if e, ok := errors.AsType[*entryError](err); ok {
		return e.entry
	}
	return otherwise
}

var evidenceEntry = regexp.MustCompile(`^evidence/[0-9a-f]{64}\.json$`)

// knownEntry: only these names may stand in a package; a path that leaves the
// folder is none of them.
func knownEntry(name string) bool {
	switch name {
	case entryManifest, entrySignature, entryKey, entrySums, entryReadme, entryCertificate, entryHTML, entryInventory,
		entryFindings, entryWaivers, entryEvents, entryPeople, entryType, entryComponents:
		return true
	}
	return evidenceEntry.MatchString(name)
}

// unzip reads a whole package into memory, entry by entry, within the limits.
func unzip(r io.ReaderAt, size int64) (map[string][]byte, error) {
	if size > maxPackage {
		return nil, fmt.Errorf("package has %d bytes, the limit is %d: %w", size, int64(maxPackage), inventory.ErrInvalid)
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("no readable zip: %w", err)
	}
	if len(z.File) > maxEntries {
		return nil, fmt.Errorf("package has %d entries, the limit is %d: %w", len(z.File), maxEntries, inventory.ErrInvalid)
	}
	out := make(map[string][]byte, len(z.File))
	var total int64
	for _, f := range z.File {
		if err := checkHeader(f); err != nil {
			return nil, err
		}
		if _, twice := out[f.Name]; twice {
			return nil, badEntry(f.Name, "entry stands twice")
		}
		if total += int64(f.UncompressedSize64); total > maxTotal {
			return nil, badEntry(f.Name, "entries are larger than %d bytes together", int64(maxTotal))
		}
		raw, err := readEntry(f)
		if err != nil {
			return nil, err
		}
		out[f.Name] = raw
	}
	return out, nil
}

func checkHeader(f *zip.File) error {
	switch {
	case strings.Contains(f.Name, "..") || strings.HasPrefix(f.Name, "/") || strings.ContainsAny(f.Name, "\\:\x00"):
		return badEntry(f.Name, "name leaves the folder")
	case !f.Mode().IsRegular():
		return badEntry(f.Name, "is no regular file (%s)", f.Mode())
	case !knownEntry(f.Name):
		return badEntry(f.Name, "no package has such an entry")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return badEntry(f.Name, "compression method %d is not allowed", f.Method)
	case f.UncompressedSize64 > maxEntry:
		return badEntry(f.Name, "has %d bytes, the limit is %d", f.UncompressedSize64, maxEntry)
	case f.UncompressedSize64 > 1<<20 && f.UncompressedSize64/maxRatio > f.CompressedSize64:
		return badEntry(f.Name, "unpacks to more than %d times its size", maxRatio)
	}
	return nil
}

func readEntry(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, &entryError{entry: f.Name, err: fmt.Errorf("open entry: %w", err)}
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxEntry+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, &entryError{entry: f.Name, err: fmt.Errorf("read entry: %w", err)}
	}
	if uint64(len(raw)) != f.UncompressedSize64 {
		return nil, badEntry(f.Name, "has %d bytes, its header says %d", len(raw), f.UncompressedSize64)
	}
	return raw, nil
}
