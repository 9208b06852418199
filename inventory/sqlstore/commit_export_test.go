package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// OnCommit puts a watcher between the store and its database: before is called
// when everything of a write transaction is sent but not committed, after when
// the database has said that it is. Only tests can: the product has no hook.
func (s *Store) OnCommit(before, after func()) error {
	db := sql.OpenDB(watched{s.write.Driver(), s.dsn, before, after})
	old := s.write
	if s.write = db; s.d == onSQLite {
		db.SetMaxOpenConns(1)
		return old.Close()
	}
	s.read, s.clock.db = db, db
	return old.Close()
}

// watched is the driver's own connection with a watch on commits.
type watched struct {
	driver        driver.Driver
	dsn           string
	before, after func()
}

func (w watched) Driver() driver.Driver { return w.driver }

func (w watched) Connect(context.Context) (driver.Conn, error) {
	c, err := w.driver.Open(w.dsn)
	return conn{c, w}, err
}

type conn struct {
	driver.Conn
	w watched
}

func (c conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	t, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return watchedTx{t, c.w}, err
}

func (c conn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
}

func (c conn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args)
}

func (c conn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, q)
}

func (c conn) CheckNamedValue(v *driver.NamedValue) error {
	if k, ok := c.Conn.(driver.NamedValueChecker); ok {
		return k.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type watchedTx struct {
	driver.Tx
	w watched
}

func (t watchedTx) Commit() error {
	t.w.before()
	err := t.Tx.Commit()
	if err == nil {
		t.w.after()
	}
	return err
}
