package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

func options(c config.Config) sqlstore.Options {
	dsn := c.Database
	if dsn == "" {
		dsn = filepath.Join(c.Data, "record.db")
	}
	return sqlstore.Options{DSN: dsn, Site: c.Site, Lease: c.Conductor.Lease, Grace: c.Conductor.Grace}
}

func (a *app) backupCmd() *cobra.Command {
	c := &cobra.Command{Use: "backup FILE", Short: "Write the whole record into one file; the keys are backed up apart", Args: exactly(1, "a new file"),
		Long: "Backup copies the record, as it is at one moment, into one SQLite file, whichever database it lives in. On PostgreSQL the server may go on; a SQLite record must not be served meanwhile. The keys folder is not in it: keep it apart, or every sealed password is lost."}
	load := configured(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		s, err := sqlstore.Open(c.Context(), options(cfg))
		if err != nil {
			return err
		}
		if err := errors.Join(s.Backup(c.Context(), args[0]), s.Close()); err != nil {
			return err
		}
		return a.print(table{columns: []string{"backup", "keys to keep apart"}, value: map[string]string{"backup": args[0]}, rows: [][]string{{args[0], filepath.Join(cfg.Data, "keys")}}})
	}
	return c
}

func (a *app) restoreCmd() *cobra.Command {
	c := &cobra.Command{Use: "restore FILE", Short: "Copy a backup into an empty record (SQLite or PostgreSQL)", Args: exactly(1, "a backup")}
	load := configured(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := sqlstore.Restore(c.Context(), args[0], options(cfg)); err != nil {
			return err
		}
		fmt.Fprintln(a.err, "restored; put the keys folder back before you serve")
		return nil
	}
	return c
}

func (a *app) fsckCmd() *cobra.Command {
	c := &cobra.Command{Use: "fsck", Short: "Check the record: chains, intervals, locks, documents; exit 5 when something is wrong", Args: exactly(0, "no argument")}
	load := configured(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		s, err := sqlstore.Open(c.Context(), options(cfg))
		if err != nil {
			return err
		}
		faults, err := s.Check(c.Context())
		if err = errors.Join(err, s.Close()); err != nil {
			return err
		}
		t := table{columns: []string{"fault"}, value: faults, empty: "the record is sound"}
		for _, f := range faults {
			t.rows = append(t.rows, []string{f})
		}
		if err := a.print(t); err != nil {
			return err
		}
		if len(faults) > 0 {
			return &findings{what: fmt.Sprintf("%d faults; restore a backup or ask for help, do not edit the record by hand", len(faults))}
		}
		return nil
	}
	return c
}

// check is one line of doctor.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func (a *app) doctorCmd() *cobra.Command {
	c := &cobra.Command{Use: "doctor", Short: "Look for what keeps a server from working here: configuration, folder, disk, ports, record", Args: exactly(0, "no argument")}
	load := configured(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		checks := diagnose(c.Context(), cfg)
		t := table{columns: []string{"check", "result", "detail", "fix"}, value: checks}
		bad := 0
		for _, x := range checks {
			result := "ok"
			if !x.OK {
				result = "WRONG"
				bad++
			}
			t.rows = append(t.rows, []string{x.Name, result, x.Detail, orDash(x.Fix)})
		}
		if err := a.print(t); err != nil {
			return err
		}
		if bad > 0 {
			return &findings{what: fmt.Sprintf("%d of %d checks are wrong", bad, len(checks))}
		}
		return nil
	}
	return c
}

const leastFree = 1 << 30 // bytes

func diagnose(ctx context.Context, cfg config.Config) []check {
	out := []check{{Name: "configuration", OK: true, Detail: "site " + cfg.Site}}
	add := func(name string, err error, detail, fix string) {
		c := check{Name: name, OK: err == nil, Detail: detail}
		if err != nil {
			c.Detail, c.Fix = err.Error(), fix
		}
		out = append(out, c)
	}
	err := os.MkdirAll(cfg.Data, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(cfg.Data, ".doctor"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	add("data folder", err, cfg.Data, "Make it writable for this user.")
	var fs syscall.Statfs_t
	if err = syscall.Statfs(cfg.Data, &fs); err == nil && fs.Bavail*uint64(fs.Bsize) < leastFree {
		err = fmt.Errorf("%d MiB are free", fs.Bavail*uint64(fs.Bsize)>>20)
	}
	add("free space", err, fmt.Sprintf("%d MiB", fs.Bavail*uint64(fs.Bsize)>>20), "Free at least 1 GiB.")
	for name, address := range map[string]string{"management port": cfg.Management.Address, "provisioning port": cfg.Provisioning.Address} {
		if address == "" {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err == nil {
			err = l.Close()
		}
		add(name, err, address, "Stop what uses it (ss -ltnp), or set another address. A running rackwright uses it, too.")
	}
	s, err := sqlstore.Open(ctx, options(cfg))
	if err != nil {
		add("record", err, "", "Stop the other server, or check owner and disk.")
		return out
	}
	faults, err := s.Check(ctx)
	if err == nil && len(faults) > 0 {
		err = errors.New(strings.Join(faults, "; "))
	}
	add("record", errors.Join(err, s.Close()), "sound", "Run rackwright fsck; restore a backup.")
	return out
}
