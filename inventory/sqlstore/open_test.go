package sqlstore_test

import (
	"database/sql"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

var update = flag.Bool("update", false, "write the golden database of this release")

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	opener(t, path)()
	_, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: path})
	if !errors.Is(err, inventory.ErrHeld) || !strings.Contains(err.Error(), "process") {
		t.Fatalf("a second server on one file got %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	s := opener(t, path)()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: path}); !errors.Is(err, sqlstore.ErrNewer) {
		t.Fatalf("a newer schema got %v", err)
	}
}

// TestFullDisk: what was committed stays, the write that does not fit is
// refused as read-only, and work goes on when there is room again.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	s := opener(t, path)()
	storetest.Rack(t, s)
	if err := s.(checked).LimitPages(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 4<<20)
	if _, err := s.Put(t.Context(), inventory.DocLog, big); !errors.Is(err, inventory.ErrReadOnly) {
		t.Fatalf("a full disk got %v", err)
	}
	if n, err := s.Node(t.Context(), "A12/C01"); err != nil || n.Slot != "C01" {
		t.Fatalf("after the full disk: %v %v", n, err)
	}
	if err := s.(checked).LimitPages(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), inventory.DocLog, big); err != nil {
		t.Fatal(err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	s := opener(t, filepath.Join(dir, "record.db"))()
	storetest.Raise(t, s, storetest.Rack(t, s)["C01"], inventory.NodeDiscovered)
	backup := filepath.Join(dir, "backup.db")
	if err := s.(checked).Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := s.(checked).Backup(t.Context(), backup); !errors.Is(err, inventory.ErrConflict) {
		t.Fatalf("a backup over a backup got %v", err)
	}
	fresh := filepath.Join(dir, "fresh.db")
	if err := sqlstore.Restore(t.Context(), backup, sqlstore.Options{DSN: fresh, Site: "ams1"}); err != nil {
		t.Fatal(err)
	}
	if err := sqlstore.Restore(t.Context(), backup, sqlstore.Options{DSN: fresh, Site: "ams1"}); !errors.Is(err, inventory.ErrConflict) {
		t.Fatalf("restoring over a record got %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "backup.db?*")); err != nil || len(left) > 0 {
		t.Fatalf("beside the backup lies %v %v", left, err)
	}
	n, err := opener(t, fresh)().Node(t.Context(), "A12/C01")
	if err != nil || n.Milestone != inventory.NodeDiscovered {
		t.Fatalf("restored: %v %v", n.Milestone, err)
	}
}

// TestRestoreRefuses what is no backup or was damaged, and leaves nothing.
func TestRestoreRefuses(t *testing.T) {
	dir := t.TempDir()
	s := opener(t, filepath.Join(dir, "record.db"))()
	storetest.Rack(t, s)
	backup := filepath.Join(dir, "backup.db")
	if err := s.(checked).Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", backup)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE event SET body = replace(body, 'A12', 'A13') WHERE seq = 1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text.db"), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, what := range map[string]string{backup: "was changed", filepath.Join(dir, "text.db"): "not a database", filepath.Join(dir, "none.db"): "no such file"} {
		into := filepath.Join(dir, "into-"+filepath.Base(name))
		if err := sqlstore.Restore(t.Context(), name, sqlstore.Options{DSN: into, Site: "ams1"}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v, want %q", name, err, what)
		}
		if _, err := os.Stat(into); err == nil {
			t.Errorf("%s left a record", name)
		}
	}
	if _, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: filepath.Join(dir, "nowhere", "record.db"), MustExist: true}); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("a record that must exist got %v", err)
	}
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: empty, MustExist: true}); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("a file without a record got %v", err)
	}
}

// TestGoldenDatabase opens the record that an earlier release wrote. Every
// later release must migrate every golden file and find it sound.
func TestGoldenDatabase(t *testing.T) {
	golden := filepath.Join("testdata", "release-1.db")
	if *update {
		dir := t.TempDir()
		s := opener(t, filepath.Join(dir, "record.db"))()
		storetest.Raise(t, s, storetest.Rack(t, s)["C01"], inventory.NodeVerified)
		if err := s.(checked).Backup(t.Context(), filepath.Join(dir, "golden.db")); err != nil {
			t.Fatal(err)
		}
		copyFile(t, filepath.Join(dir, "golden.db"), golden)
	}
	path := filepath.Join(t.TempDir(), "record.db")
	copyFile(t, golden, path)
	s := opener(t, path)()
	if faults, err := s.(checked).Check(t.Context()); err != nil || len(faults) > 0 {
		t.Fatalf("golden record: %v %v", faults, err)
	}
	n, err := s.Node(t.Context(), "A12/C01")
	if err != nil || n.Milestone != inventory.NodeVerified {
		t.Fatalf("golden record: %s %v", n.Milestone, err)
	}
	storetest.Raise(t, s, n, inventory.NodeBaselined) // and work goes on in it
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
