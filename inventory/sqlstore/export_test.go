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

// Pages is how long the file is now.
func (s *Store) Pages(ctx context.Context) int {
	n, _, err := number(ctx, s.write, "PRAGMA page_count")
	if err != nil {
		panic(err)
	}
	return int(n)
}
