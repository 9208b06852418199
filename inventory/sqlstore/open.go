package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // database/sql driver "sqlite"

	"github.com/rackwright/rackwright/inventory"
)

// Schema is the newest migration this build knows.
const Schema = 1

//go:embed migrations/*.sql
var migrations embed.FS

// Options say where the record is and how its leases run. Zero times mean the
// defaults of lifecycle.md §8: lease 60 s, grace 15 s.
type Options struct {
	DSN   string // path of a SQLite file, or postgres://…
	Site  string // name of the site; its chain takes what belongs to no rack
	Lease time.Duration
	Grace time.Duration
	Log   *slog.Logger
	// MustExist refuses a file or database without a record, instead of making an
	// empty one where somebody mistyped a name, and migrates nothing (ErrOlder).
	MustExist bool
}

// Store implements inventory.Store. It is safe for concurrent use.
type Store struct {
	write, read *sql.DB
	d           dialect
	clock       clock
	site        string
	lease       time.Duration
	grace       time.Duration
	log         *slog.Logger
	lock        *os.File // SQLite: the file lock of the one process
	dsn         string   // of write, as its driver reads it

	mu      sync.Mutex
	offered map[string]inventory.Binding // reserved in memory, by subnet and address
	closed  bool
}

var _ inventory.Store = (*Store)(nil)

// ErrOlder: the database was written by an older release, and whoever opened it
// may not migrate it.
var ErrOlder = errors.New("older schema")

// ErrNewer: the database was written by a newer release.
var ErrNewer = errors.New("newer schema")

// IsPostgres reports whether a DSN names PostgreSQL.
func IsPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// Open opens the record and brings its schema forward. A newer schema is
// ErrNewer, a SQLite file that another process serves is ErrHeld with its pid.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{site: o.Site, lease: o.Lease, grace: o.Grace, log: o.Log, clock: newClock(), offered: map[string]inventory.Binding{}}
	if s.site == "" {
		s.site = "site"
	}
	if s.lease == 0 {
		s.lease = time.Minute
	}
	if s.grace == 0 {
		s.grace = 15 * time.Second
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if IsPostgres(o.DSN) {
		err = s.openPostgres(o.DSN)
	} else {
		err = s.openSQLite(o)
	}
	if err == nil {
		if err = s.migrate(ctx, o.MustExist); err != nil && !IsPostgres(o.DSN) {
			err = fmt.Errorf("%s: %w", o.DSN, err)
		}
	}
	if err == nil && s.clock.db == nil {
		err = s.voidLeases(ctx)
	}
	if err == nil {
		err = s.tx(ctx, func(t *tx) error { return t.newChain(ctx, inventory.SiteSubject(s.site)) })
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open record: %w", err)
	}
	return s, nil
}

func (s *Store) openPostgres(dsn string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	db.SetMaxOpenConns(16)
	db.SetConnMaxIdleTime(5 * time.Minute)
	s.write, s.read, s.d, s.clock.db, s.dsn = db, db, onPostgres, db, dsn
	return nil
}

func (s *Store) openSQLite(o Options) error {
	path := o.DSN
	if path == "" {
		return fmt.Errorf("no file is named: %w", inventory.ErrInvalid)
	}
	if _, err := os.Stat(path); o.MustExist && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no record %s; name the data folder of the server: %w", path, inventory.ErrNotFound)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("folder of the record: %w", err)
	}
	var err error
	if s.lock, err = exclusive(path + ".lock"); err != nil {
		return err
	}
	made, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("record %s cannot be written; check owner and mount: %w: %w", path, inventory.ErrReadOnly, err)
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", path, err)
	}
	if err := made.Close(); err != nil {
		return fmt.Errorf("record %s: %w", path, err)
	}
	common := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=temp_store(2)"
	s.dsn = common + "&_pragma=synchronous(FULL)&_txlock=immediate"
	if s.write, err = sql.Open("sqlite", s.dsn); err != nil {
		return fmt.Errorf("SQLite: %w", err)
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", common+"&_pragma=query_only(1)"); err != nil {
		return fmt.Errorf("SQLite: %w", err)
	}
	s.read.SetMaxOpenConns(4)
	s.d = onSQLite
	return nil
}

func (s *Store) migrate(ctx context.Context, mustExist bool) error {
	root, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	dialect := goose.DialectSQLite3
	if s.d == onPostgres {
		dialect = goose.DialectPostgres
	}
	p, err := goose.NewProvider(dialect, s.write, root)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	at, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("schema version: %w", classify(err))
	}
	if at > Schema {
		return fmt.Errorf("the record has schema %d, this build knows %d: start the newer release, or restore a backup made by this one: %w", at, Schema, ErrNewer)
	}
	switch {
	case at == Schema:
		return nil
	case mustExist && at == 0:
		return fmt.Errorf("the database holds no record; name the database of the server: %w", inventory.ErrNotFound)
	case mustExist:
		return fmt.Errorf("the record has schema %d, this build has %d; rackwright serve migrates it, and this changes nothing: %w", at, Schema, ErrOlder)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate from schema %d to %d: %w", at, Schema, classify(err))
	}
	return nil
}

// voidLeases: on SQLite nobody else can hold one; a restart owes nobody a wait.
func (s *Store) voidLeases(ctx context.Context) error {
	return s.tx(ctx, func(t *tx) error {
		if err := t.exec(ctx, "UPDATE tick SET lease_ms = 0, holder = '' WHERE lease_ms > 0"); err != nil {
			return err
		}
		return t.exec(ctx, "UPDATE shard SET lease_ms = 0, holder = '' WHERE lease_ms > 0")
	})
}

// Site is the name of the site whose chain takes what belongs to no rack.
func (s *Store) Site() string { return s.site }

// Close releases the database and the file lock.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var faults []error
	if s.read != nil && s.read != s.write {
		faults = append(faults, s.read.Close())
	}
	if s.write != nil {
		faults = append(faults, s.write.Close())
	}
	if s.lock != nil {
		faults = append(faults, s.lock.Close())
	}
	return errors.Join(faults...)
}
