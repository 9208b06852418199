package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rackwright/rackwright/inventory"
)

// dialect is all that differs between the two databases.
type dialect struct {
	name string // goose's name
	skip string // appended to the select of due ticks
}

var (
	onSQLite   = dialect{name: "sqlite3"}
	onPostgres = dialect{name: "postgres", skip: " FOR UPDATE SKIP LOCKED"}
)

// postgresClock is the one clock of all servers (lifecycle.md L10).
const postgresClock = "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)"

// clock gives Unix milliseconds. SQLite has one process: wall time at start and
// the monotonic clock after, so that a clock set back expires nothing.
type clock struct {
	start time.Time
	wall  int64
	db    *sql.DB // set: ask the database
}

func newClock() clock { now := time.Now(); return clock{start: now, wall: now.UnixMilli()} }

func (c clock) now(ctx context.Context, q querier) (int64, error) {
	if c.db == nil {
		return c.wall + time.Since(c.start).Milliseconds(), nil
	}
	var ms int64
	if err := q.QueryRowContext(ctx, postgresClock).Scan(&ms); err != nil {
		return 0, fmt.Errorf("clock of the database: %w", err)
	}
	return ms, nil
}

// retryable: another transaction won; the same work again is right.
func retryable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlite3.SQLITE_BUSY
}

// classify turns a disk that cannot take the write into inventory.ErrReadOnly:
// nothing of the transaction was kept, and everything before it is.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "25006" || strings.HasPrefix(pg.Code, "53")) {
		return fmt.Errorf("the database takes no writes now (%s); what was committed is kept: %w: %w", pg.Message, inventory.ErrReadOnly, err)
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
			return fmt.Errorf("the disk takes no writes now; free space or remount it, what was committed is kept: %w: %w", inventory.ErrReadOnly, err)
		}
	}
	return err
}
