package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/rackwright/rackwright/inventory"
)

// never is the time of what nothing but a wake makes due, and the open end of
// an interval.
const never = int64(9223372036854775807)

// tries bounds repeated transactions on a conflict with another server.
const tries = 8

type querier interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// tx is one write transaction with its moment.
type tx struct {
	querier
	s   *Store
	now int64
}

// tx runs one write transaction; a lost race with another server is repeated.
// A commit whose answer was lost is not: the caller looks again.
func (s *Store) tx(ctx context.Context, do func(*tx) error) error {
	for n := 0; ; n++ {
		err := s.once(ctx, do)
		if err == nil || !retryable(err) || n == tries || ctx.Err() != nil {
			return classify(err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("transaction: %w", ctx.Err())
		case <-time.After(rand.N(time.Duration(n+1) * 10 * time.Millisecond)):
		}
	}
}

func (s *Store) once(ctx context.Context, do func(*tx) error) error {
	raw, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	t := &tx{querier: raw, s: s}
	if t.now, err = s.clock.now(ctx, raw); err == nil {
		err = do(t)
	}
	if err != nil {
		if rerr := raw.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			return errors.Join(err, fmt.Errorf("rollback: %w", rerr))
		}
		return err
	}
	if err := raw.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	if _, err := t.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", head(query), err)
	}
	return nil
}

// changed runs a statement and returns how many rows it changed.
func (t *tx) changed(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", head(query), err)
	}
	return r.RowsAffected()
}

// head names a statement in an error without its whole text.
func head(query string) string {
	if len(query) > 40 {
		return query[:40] + "…"
	}
	return query
}

func newID() string { return ulid.Make().String() }

func encode(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sqlstore: a record type does not marshal: %v", err)) // a fault of the build, not of data
	}
	return string(raw)
}

// one reads a single JSON body; what names it in the error.
func one[T any](ctx context.Context, q querier, what, query string, args ...any) (T, error) {
	var out T
	var raw string
	err := q.QueryRowContext(ctx, query, args...).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return out, fmt.Errorf("%s: %w", what, inventory.ErrNotFound)
	}
	if err != nil {
		return out, fmt.Errorf("read %s: %w", what, err)
	}
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		return out, fmt.Errorf("read %s: the row is damaged: %w", what, err)
	}
	return out, nil
}

// list reads JSON bodies.
func list[T any](ctx context.Context, q querier, what, query string, args ...any) ([]T, error) {
	raws, err := texts(ctx, q, what, query, args...)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(raws))
	for i, raw := range raws {
		if err := json.Unmarshal([]byte(raw), &out[i]); err != nil {
			return nil, fmt.Errorf("read %s: a row is damaged: %w", what, err)
		}
	}
	return out, nil
}

// texts reads one text column.
func texts(ctx context.Context, q querier, what, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return out, nil
}

// number reads one integer; no row is 0 and false.
func number(ctx context.Context, q querier, query string, args ...any) (int64, bool, error) {
	var n sql.NullInt64
	err := q.QueryRowContext(ctx, query, args...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("%s: %w", head(query), err)
	}
	return n.Int64, n.Valid, nil
}
