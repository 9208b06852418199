package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

// opener opens one record again and again and checks it when the test ends.
func opener(t *testing.T, dsn string) storetest.Opener {
	t.Helper()
	return func() inventory.Store {
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: dsn, Site: "ams1", Lease: storetest.Lease, Grace: storetest.Grace})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return checked{s, t}
	}
}

// checked runs the record's own check when a test closes the store.
type checked struct {
	*sqlstore.Store
	t *testing.T
}

func (c checked) Close() error {
	c.t.Helper()
	if faults, err := c.Check(c.t.Context()); err == nil && len(faults) > 0 {
		c.t.Errorf("the record is not sound: %v", faults)
	}
	return c.Store.Close()
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener { return opener(t, filepath.Join(t.TempDir(), "record.db")) })
}
