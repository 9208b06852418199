package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
// PostgreSQL database). A record that holds anything is refused. The backup
// itself is only read. Every fencing token is raised, so that no server of the
// time before can still write; intents without an outcome stay unsettled, and
// are therefore read back before anything else is done.
func Restore(ctx context.Context, path string, into Options) (err error) {
	dir, err := os.MkdirTemp("", "rackwright-restore-")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	work := filepath.Join(dir, "record.db") // opening migrates and locks: never the only copy
	if err := copyFile(path, work); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	from, err := Open(ctx, Options{DSN: work, Site: into.Site})
	if err != nil {
		return fmt.Errorf("backup %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	switch faults, err := from.Check(ctx); {
	case err != nil:
		return fmt.Errorf("backup %s: %w", path, err)
	case len(faults) > 0:
		return fmt.Errorf("backup %s is not sound: %s: %w", path, strings.Join(faults, "; "), inventory.ErrInvalid)
	}
	to, err := Open(ctx, into)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	n, _, err := number(ctx, to.read, "SELECT (SELECT COUNT(*) FROM rack) + (SELECT COUNT(*) FROM event) + (SELECT COUNT(*) FROM person)")
	if err == nil && n > 0 {
		err = fmt.Errorf("the record to restore into is not empty; name a new one: %w", inventory.ErrConflict)
	}
	if err == nil {
		err = copyAll(ctx, from, to)
	}
	if err != nil {
		return err
	}
	faults, err := to.Check(ctx)
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("the restored record is not sound: %s: %w", strings.Join(faults, "; "), inventory.ErrInvalid)
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// raise is added to every fencing token of a copy.
const raise = 1 << 20

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
		if err := t.exec(ctx, "UPDATE tick SET holder = '', lease_ms = 0, token = token + $1", raise); err != nil {
			return err
		}
		return t.exec(ctx, "UPDATE shard SET holder = '', lease_ms = 0, token = token + $1", raise)
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
