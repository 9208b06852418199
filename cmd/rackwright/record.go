package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

// options say where the record of a configuration is.
func options(c config.Config) sqlstore.Options {
	dsn := c.Database
	if dsn == "" {
		dsn = filepath.Join(c.Data, "record.db")
	}
	return sqlstore.Options{DSN: dsn, Site: c.Site, Lease: c.Conductor.Lease, Grace: c.Conductor.Grace}
}

// openRecord opens a record that exists: a mistyped folder must not become a
// new, empty and perfectly sound one.
func openRecord(ctx context.Context, c config.Config) (*sqlstore.Store, error) {
	o := options(c)
	o.MustExist = true
	return sqlstore.Open(ctx, o)
}

func (a *app) backupCmd() *cobra.Command {
	c := &cobra.Command{Use: "backup FILE", Short: "Write the whole record into one file; the keys are backed up apart", Args: exactly(1, "a new file"),
		Example: "  rackwright backup ams1.db                      # of the running server, as an admin\n  rackwright backup ams1.db --data ./data        # of a record that nobody serves",
		Long: `Backup copies the record, as it is at one moment, into one SQLite file,
whichever database it lives in. Without --data or --config the running server
makes the copy, and work goes on. The keys folder is not in it: keep it apart,
or every sealed password is lost.`}
	load := configured(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := os.Stat(args[0]); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("backup %s exists already; name a new file: %w", args[0], inventory.ErrConflict)
		}
		do := a.backupOfServer
		if c.Flags().Changed("data") || c.Flags().Changed("config") {
			do = func(ctx context.Context, file string) error {
				cfg, err := load()
				if err != nil {
					return err
				}
				s, err := openRecord(ctx, cfg)
				if errors.Is(err, inventory.ErrHeld) {
					return fmt.Errorf("%w; to copy it while it is served, leave --data away: rackwright backup %s", err, file)
				}
				if err != nil {
					return err
				}
				return errors.Join(s.Backup(ctx, file), s.Close())
			}
		}
		if err := do(c.Context(), args[0]); err != nil {
			return err
		}
		info, err := os.Stat(args[0])
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		fmt.Fprintln(a.err, "the keys folder is not in it: keep it apart")
		return a.print(table{columns: []string{"backup", "bytes"}, value: map[string]any{"backup": args[0], "bytes": info.Size()}, rows: [][]string{{args[0], fmt.Sprint(info.Size())}}})
	}
	return c
}

// backupOfServer fetches the copy that the server makes of itself.
func (a *app) backupOfServer(ctx context.Context, file string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	return whole(file, 0o600, func(f *os.File) error {
		_, err := cl.Backup(ctx, f)
		return err
	})
}

// whole writes a file completely or not at all.
func whole(file string, mode os.FileMode, write func(*os.File) error) error {
	part, err := os.OpenFile(file+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err = write(part); err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(file+".part", file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file+".part"))
	}
	return nil
}

func (a *app) restoreCmd() *cobra.Command {
	c := &cobra.Command{Use: "restore FILE", Short: "Copy a backup into an empty record (SQLite or PostgreSQL)", Args: exactly(1, "a backup"),
		Example: "  rackwright restore ams1.db --data ./new-data\n  rackwright restore ams1.db --set database=postgres://…   # also the way from SQLite to PostgreSQL",
		Long:    "Restore copies a backup into a record that holds nothing yet; the backup is only read. Servers of the time before cannot write any more (every fencing token is raised), and what ran then is looked at again before anything else is done. Put the keys folder back before you serve."}
	load := configured(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if err := sqlstore.Restore(c.Context(), args[0], options(cfg)); err != nil {
			return err
		}
		into := "the database of the configuration"
		if cfg.Database == "" {
			into = cfg.Data
		}
		fmt.Fprintf(a.err, "restored into %s; put the keys folder back before you serve\n", into)
		return nil
	}
	return c
}

// recordOf is the record that a configuration means, without a DSN's password.
func recordOf(cfg config.Config) string {
	if cfg.Database != "" {
		return "the database of the configuration"
	}
	return filepath.Join(cfg.Data, "record.db")
}

func (a *app) fsckCmd() *cobra.Command {
	c := &cobra.Command{Use: "fsck", Short: "Check the record: chains, intervals, locks, documents; exit 5 when something is wrong", Args: exactly(0, "no argument"),
		Example: "  rackwright fsck --data ./data"}
	load := configured(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		s, err := openRecord(c.Context(), cfg)
		if err != nil {
			return err
		}
		faults, err := s.Check(c.Context())
		if err = errors.Join(err, s.Close()); err != nil {
			return err
		}
		t := table{columns: []string{"fault"}, value: faults, empty: "the record is sound: " + recordOf(cfg)}
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
