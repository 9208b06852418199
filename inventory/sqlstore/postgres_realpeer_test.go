//go:build realpeer

package sqlstore_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
	"github.com/rackwright/rackwright/inventory/storetest/pgtest"
)

func database(t *testing.T, c *pgtest.Cluster) string {
	t.Helper()
	dsn, err := c.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// TestRealPeerPostgres runs the whole conformance suite on a real server.
func TestRealPeerPostgres(t *testing.T) {
	c := pgtest.For(t)
	storetest.Run(t, func(t *testing.T) storetest.Opener { return opener(t, database(t, c)) })
}

// TestRealPeerMistypedDatabase: a database without a record is neither sound nor
// made into a record by whoever only wants to look.
func TestRealPeerMistypedDatabase(t *testing.T) {
	c := pgtest.For(t)
	dsn := database(t, c)
	for range 2 {
		if _, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: dsn, MustExist: true}); !errors.Is(err, inventory.ErrNotFound) {
			t.Errorf("an empty database got %v", err)
		}
	}
}

// TestRealPeerMove: a record goes from PostgreSQL to a file and back.
func TestRealPeerMove(t *testing.T) {
	c := pgtest.For(t)
	dsn := database(t, c)
	s := opener(t, dsn)()
	storetest.Raise(t, s, storetest.Rack(t, s)["C01"], "installed")
	path := filepath.Join(t.TempDir(), "backup.db")
	if err := s.(checked).Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	other := database(t, c)
	if err := sqlstore.Restore(t.Context(), path, sqlstore.Options{DSN: other, Site: "ams1"}); err != nil {
		t.Fatal(err)
	}
	n, err := opener(t, other)().Node(t.Context(), "A12/C01")
	if err != nil || n.Milestone != "installed" {
		t.Fatalf("after the move: %s %v", n.Milestone, err)
	}
}

// TestRealPeerKillAroundEveryCommit is the kill test on a real server.
func TestRealPeerKillAroundEveryCommit(t *testing.T) {
	c := pgtest.For(t)
	killEverywhere(t, func(t *testing.T) string { return database(t, c) })
}
