package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
)

// Cluster is one PostgreSQL server of our own.
type Cluster struct {
	dir    string
	socket string
	cmd    *exec.Cmd
	log    *os.File
	admin  string
	count  atomic.Int64
}

// Start makes and starts a cluster; Stop ends it and removes its files.
func Start(ctx context.Context) (*Cluster, error) {
	if dsn := os.Getenv("RACKWRIGHT_TEST_DSN"); dsn != "" {
		return &Cluster{admin: dsn}, nil
	}
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	if c.dir, err = os.MkdirTemp("", "rackwright-pg"); err != nil {
		return nil, fmt.Errorf("folder of the cluster: %w", err)
	}
	attr, err := c.own()
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	data := filepath.Join(c.dir, "data")
	c.socket = c.dir
	run := func(name string, args ...string) error {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
		cmd.Dir, cmd.SysProcAttr = c.dir, attr
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	}
	if err := run("initdb", "-D", data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C"); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	if c.log, err = os.Create(filepath.Join(c.dir, "server.log")); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	c.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", c.socket, "-c", "listen_addresses=", "-c", "fsync=on", "-c", "max_connections=100")
	c.cmd.Dir, c.cmd.SysProcAttr, c.cmd.Stdout, c.cmd.Stderr = c.dir, attr, c.log, c.log
	if err := c.cmd.Start(); err != nil {
		c.cmd = nil
		return nil, errors.Join(err, c.Stop())
	}
	c.admin = c.dsn("postgres")
	if err := c.ready(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// For starts a cluster that ends with the test.
func For(t testing.TB) *Cluster {
	t.Helper()
	c, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// binaries finds the newest server package; Debian keeps it off the PATH.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("no PostgreSQL server here: install the package postgresql, or name one in RACKWRIGHT_TEST_DSN")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// own gives the folder to user postgres: the server refuses to run as root.
func (c *Cluster) own() (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	if err := os.Chown(c.dir, uid, gid); err != nil {
		return nil, fmt.Errorf("folder of the cluster: %w", err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func (c *Cluster) dsn(database string) string {
	return "postgres:///" + database + "?host=" + url.QueryEscape(c.socket) + "&user=postgres&sslmode=disable"
}

func (c *Cluster) ready(ctx context.Context) error {
	db, err := sql.Open("pgx", c.admin)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	defer db.Close()
	for range 200 {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	out, rerr := os.ReadFile(c.log.Name())
	return fmt.Errorf("PostgreSQL does not answer: %w: %s (%v)", err, out, rerr)
}

// Database makes an empty database and returns its DSN.
func (c *Cluster) Database(ctx context.Context) (string, error) { return c.create(ctx, "") }

// Clone makes a database with the content of another one, by its DSN. Nobody
// may be connected to that one.
func (c *Cluster) Clone(ctx context.Context, dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("DSN: %w", err)
	}
	return c.create(ctx, " TEMPLATE "+strings.TrimPrefix(u.Path, "/"))
}

// Drop removes a database by its DSN, whoever is connected to it.
func (c *Cluster) Drop(ctx context.Context, dsn string) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return fmt.Errorf("DSN: %w", err)
	}
	db, err := sql.Open("pgx", c.admin)
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "DROP DATABASE "+strings.TrimPrefix(u.Path, "/")+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop %s: %w", u.Path, err)
	}
	return nil
}

func (c *Cluster) create(ctx context.Context, how string) (string, error) {
	db, err := sql.Open("pgx", c.admin)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL: %w", err)
	}
	defer db.Close()
	name := fmt.Sprintf("rw_%d_%d", os.Getpid(), c.count.Add(1))
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name+how); err != nil {
		return "", fmt.Errorf("database %s: %w", name, err)
	}
	u, err := url.Parse(c.admin)
	if err != nil {
		return "", fmt.Errorf("DSN: %w", err)
	}
	u.Path = "/" + name
	return strings.Replace(u.String(), "postgres://"+"/", "postgres:///", 1), nil
}

// Stop ends the server by its pid and removes its files.
func (c *Cluster) Stop() error {
	var faults []error
	if c.cmd != nil {
		faults = append(faults, c.cmd.Process.Signal(syscall.SIGINT)) // fast shutdown
		if err := c.cmd.Wait(); err != nil {
			faults = append(faults, fmt.Errorf("PostgreSQL ended badly: %w", err))
		}
	}
	if c.log != nil {
		faults = append(faults, c.log.Close())
	}
	if c.dir != "" {
		faults = append(faults, os.RemoveAll(c.dir))
	}
	return errors.Join(faults...)
}
