package sqlstore

import (
	"context"
	"fmt"
)

// LimitPages lets the file grow to n pages only: SQLite then fails as on a full
// disk, with the same error code.
func (s *Store) LimitPages(ctx context.Context, n int) error {
	_, err := s.write.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", n))
	return err
}
