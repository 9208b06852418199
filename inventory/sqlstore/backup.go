package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// tables in an order that can be written again; one schema serves both
// databases, so a backup of either is a SQLite file.
var tables = []string{"document", "doc_ref", "rack", "slot", "node", "node_mac", "part", "part_identifier", "install", "expected_doc",
	"expected_line", "quarantine", "collection", "collection_error", "fact", "finding", "evidence", "waiver", "blocker", "shard", "tick",
	"scope_lock", "intent", "run", "batch", "request", "request_line", "binding", "sighting", "boot_line", "boot_token", "bmc_state",
	"person", "api_token", "vault", "event", "chain_head"}

// Backup writes the whole record, as it is at one moment, into a new SQLite
// file. Work goes on meanwhile. The keys that seal secrets are not in it.
func (s *Store) Backup(ctx context.Context, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup %s exists already; name a new file: %w", path, inventory.ErrConflict)
	}
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	to, err := Open(ctx, Options{DSN: part, Site: s.site})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	err = copyAll(ctx, s, to)
	if err == nil {
		var faults []string
		if faults, err = to.Check(ctx); err == nil && len(faults) > 0 {
			err = fmt.Errorf("the copy is not sound: %s: %w", strings.Join(faults, "; "), inventory.ErrInvalid)
		}
	}
	if err = errors.Join(err, to.read.Close()); err == nil { // one file, without a log beside it
		_, err = to.write.ExecContext(ctx, "PRAGMA journal_mode=DELETE")
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := os.Remove(part + ".lock"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// Restore copies a backup into an empty record (a new SQLite file or an empty
// PostgreSQL database). A record that holds anything is refused.
func Restore(ctx context.Context, path string, into Options) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	from, err := Open(ctx, Options{DSN: path, Site: into.Site})
	if err != nil {
		return fmt.Errorf("backup %s: %w", path, err)
	}
	to, err := Open(ctx, into)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	n, _, err := number(ctx, to.read, "SELECT (SELECT COUNT(*) FROM rack) + (SELECT COUNT(*) FROM event)")
	if err == nil && n > 0 {
		err = fmt.Errorf("the record to restore into is not empty; name a new one: %w", inventory.ErrConflict)
	}
	if err == nil {
		err = copyAll(ctx, from, to)
	}
	if err == nil {
		var faults []string
		if faults, err = to.Check(ctx); err == nil && len(faults) > 0 {
			err = fmt.Errorf("the restored record is not sound: %s: %w", strings.Join(faults, "; "), inventory.ErrInvalid)
		}
	}
	return errors.Join(err, to.Close(), from.Close())
}

// copyAll copies every row inside one snapshot and one write transaction.
func copyAll(ctx context.Context, from, to *Store) error {
	options := &sql.TxOptions{}
	if from.d == onPostgres {
		options = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	snap, err := from.read.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	err = to.tx(ctx, func(t *tx) error {
		if err := t.exec(ctx, "DELETE FROM chain_head"); err != nil {
			return err
		}
		for _, name := range tables {
			if err := copyTable(ctx, snap, t, name); err != nil {
				return fmt.Errorf("table %s: %w", name, err)
			}
		}
		// What was leased then is nobody's now.
		if err := t.exec(ctx, "UPDATE tick SET holder = '', lease_ms = 0"); err != nil {
			return err
		}
		return t.exec(ctx, "UPDATE shard SET holder = '', lease_ms = 0")
	})
	if rerr := snap.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
		err = errors.Join(err, rerr)
	}
	return err
}

func copyTable(ctx context.Context, from querier, t *tx, name string) error {
	rows, err := from.QueryContext(ctx, "SELECT * FROM "+name)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	marks := make([]string, len(columns))
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range columns {
		marks[i] = fmt.Sprintf("$%d", i+1)
		into[i] = &values[i]
	}
	insert := "INSERT INTO " + name + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			if raw, ok := v.([]byte); ok {
				values[i] = string(raw)
			}
		}
		if err := t.exec(ctx, insert, values...); err != nil {
			return err
		}
	}
	return rows.Err()
}
