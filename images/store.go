package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Digest addresses a blob.
type Digest = inventory.Digest

// Remote is a shared object store (S3-compatible). Get returns
// inventory.ErrNotFound for a blob it does not hold; the size is -1 when unknown.
type Remote interface {
	Get(context.Context, Digest) (io.ReadCloser, int64, error)
	Put(context.Context, Digest, io.Reader, int64) error
}

// Store is a directory of blobs. Without a remote it is the store; with one it
// is a verified cache. It is safe for concurrent use by several processes: a
// blob appears under its name by an atomic rename, whole or not at all.
type Store struct {
	dir    string
	remote Remote
}

// Open makes the directory if needed (mode 0750) and removes what interrupted
// writes left behind. A nil remote makes the directory the store itself.
func Open(dir string, remote Remote) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, "blobs"), filepath.Join(dir, "incoming")} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			return nil, fmt.Errorf("open image store: %w", err)
		}
	}
	s := &Store{dir: dir, remote: remote}
	return s, s.sweep(time.Now().Add(-staleIncoming))
}

// staleIncoming is far longer than any upload: another process may share the directory.
const staleIncoming = 24 * time.Hour

// sweep removes what interrupted writes left behind before the given time.
func (s *Store) sweep(before time.Time) error {
	dir := filepath.Join(s.dir, "incoming")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("open image store: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || (err == nil && info.ModTime().After(before)) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open image store: %w", err)
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("open image store: remove an interrupted write: %w", err)
		}
	}
	return nil
}

func (s *Store) path(d Digest) string {
	h := d.Hex()
	return filepath.Join(s.dir, "blobs", h[:2], h)
}

// Put stores a blob and returns its digest. The same content again is a no-op.
// With a remote the blob is there, too, when Put returns.
func (s *Store) Put(ctx context.Context, r io.Reader) (Digest, error) {
	d, size, err := s.write(ctx, r, "")
	if err != nil {
		return "", fmt.Errorf("put blob: %w", err)
	}
	if s.remote == nil {
		return d, nil
	}
	f, err := os.Open(s.path(d))
	if err != nil {
		return "", fmt.Errorf("put blob %s: %w", d, err)
	}
	defer f.Close()
	if err := s.remote.Put(ctx, d, f, size); err != nil {
		return "", fmt.Errorf("put blob %s to the shared store: %w", d, err)
	}
	return d, nil
}

// PutFile stores the named file.
func (s *Store) PutFile(ctx context.Context, name string) (Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("put blob: %w", err)
	}
	defer f.Close()
	return s.Put(ctx, f)
}

// Open returns the blob as a plain local file positioned at its start; the
// caller closes it. The digest was checked when the blob was written; Verify
// checks it again. inventory.ErrNotFound when nobody has it.
func (s *Store) Open(ctx context.Context, d Digest) (*os.File, error) {
	if _, err := inventory.ParseDigest(string(d)); err != nil {
		return nil, fmt.Errorf("open blob: %w: %w", inventory.ErrInvalid, err)
	}
	f, err := os.Open(s.path(d))
	if err == nil {
		return f, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", d, err)
	}
	if s.remote == nil {
		return nil, fmt.Errorf("open blob %s: %w", d, inventory.ErrNotFound)
	}
	if err := s.fetch(ctx, d); err != nil {
		return nil, fmt.Errorf("open blob %s: %w", d, err)
	}
	return os.Open(s.path(d))
}

func (s *Store) fetch(ctx context.Context, d Digest) error {
	body, size, err := s.remote.Get(ctx, d)
	if err != nil {
		return fmt.Errorf("get from the shared store: %w", err)
	}
	defer body.Close()
	_, n, err := s.write(ctx, body, d)
	if err != nil {
		return err
	}
	if size >= 0 && n != size {
		return fmt.Errorf("shared store announced %d bytes and sent %d", size, n)
	}
	return nil
}

// Verify reads a blob to its end and compares it with its name.
func (s *Store) Verify(ctx context.Context, d Digest) error {
	f, err := s.Open(ctx, d)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, reader{ctx, f}); err != nil {
		return fmt.Errorf("verify blob %s: %w", d, err)
	}
	if got := digestOf(h.Sum(nil)); got != d {
		return fmt.Errorf("blob %s reads as %s: the disk changed it; import it again: %w", d, got, ErrDamaged)
	}
	return nil
}

// ErrDamaged: a blob does not have the digest of its name.
var ErrDamaged = errors.New("blob is damaged")

func digestOf(sum []byte) Digest { return Digest("sha256:" + hex.EncodeToString(sum)) }

// write streams into incoming, syncs, checks the wanted digest when there is
// one, and renames. The directory is synced too, so that a blob a document
// names is still there after a power cut.
func (s *Store) write(ctx context.Context, r io.Reader, want Digest) (Digest, int64, error) {
	tmp, err := os.CreateTemp(filepath.Join(s.dir, "incoming"), "blob-*")
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, h), reader{ctx, r})
	if err != nil {
		return "", n, err
	}
	got := digestOf(h.Sum(nil))
	if want != "" && got != want {
		return "", n, fmt.Errorf("got %s: %w", got, ErrDamaged)
	}
	if err := tmp.Chmod(0o440); err != nil {
		return "", n, err
	}
	if err := tmp.Sync(); err != nil {
		return "", n, err
	}
	return got, n, s.place(tmp.Name(), got)
}

func (s *Store) place(tmp string, d Digest) error {
	final := s.path(d)
	dir := filepath.Dir(final)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// reader stops a long copy when the context ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
