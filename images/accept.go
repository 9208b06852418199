package images

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/rackwright/rackwright/inventory"
)

// Accept stores a blob that its sender named before: content with another
// digest is ErrDamaged and nothing of it is kept. It returns the size in bytes.
// The bytes go through a file, never through memory.
func (s *Store) Accept(ctx context.Context, r io.Reader, want Digest) (int64, error) {
	if _, err := inventory.ParseDigest(string(want)); err != nil {
		return 0, fmt.Errorf("accept blob: %w: %w", inventory.ErrInvalid, err)
	}
	_, n, err := s.write(ctx, r, want)
	if err != nil {
		return 0, fmt.Errorf("accept blob %s: %w", want, err)
	}
	if s.remote == nil {
		return n, nil
	}
	f, err := os.Open(s.path(want))
	if err != nil {
		return 0, fmt.Errorf("accept blob %s: %w", want, err)
	}
	defer f.Close()
	if err := s.remote.Put(ctx, want, f, n); err != nil {
		return 0, fmt.Errorf("put blob %s to the shared store: %w", want, err)
	}
	return n, nil
}
