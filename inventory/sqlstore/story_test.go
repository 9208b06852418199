package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

const storyEnv = "RACKWRIGHT_STORY"

// TestStoryChild is the process that is killed at one commit. It runs as a test
// only when told to: RACKWRIGHT_STORY is DSN, side and number of the commit.
func TestStoryChild(t *testing.T) {
	dsn, point, ok := strings.Cut(os.Getenv(storyEnv), "|")
	if !ok {
		t.Skip("run by TestKillAroundEveryCommit only")
	}
	side, number, _ := strings.Cut(point, "|")
	at, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dsn)
	n := 0
	kill := func(here string) {
		if here == "before" {
			n++
		}
		if here == side && n == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	if err := s.OnCommit(func() { kill("before") }, func() { kill("after") }); err != nil {
		t.Fatal(err)
	}
	if err := storetest.Story(t.Context(), s, func(step string) { fmt.Printf("done %s\n", step) }); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("end after %d commits\n", n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func tryOpen(t *testing.T, dsn string) (*sqlstore.Store, error) {
	t.Helper()
	return sqlstore.Open(t.Context(), sqlstore.Options{DSN: dsn, Site: "ams1", Lease: 400 * time.Millisecond, Grace: 100 * time.Millisecond})
}

func open(t *testing.T, dsn string) *sqlstore.Store {
	t.Helper()
	s, err := tryOpen(t, dsn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestKillAroundEveryCommit kills a process with SIGKILL before and after each
// commit of a story that writes one of everything. Whatever the process said
// was done is there, the record is sound, and the story begun again ends as the
// undisturbed one.
func TestKillAroundEveryCommit(t *testing.T) {
	killEverywhere(t, func(t *testing.T) string { return filepath.Join(t.TempDir(), "record.db") })
}

func killEverywhere(t *testing.T, fresh func(*testing.T) string) {
	want := ended(t, open(t, fresh(t)))
	for _, side := range []string{"before", "after"} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			points := 0
			for at := 1; ; at++ {
				dsn := fresh(t)
				killed, said := child(t, dsn, side, at)
				if !killed {
					break
				}
				points++
				s := open(t, dsn)
				if faults, err := s.Check(t.Context()); err != nil || len(faults) > 0 {
					t.Fatalf("commit %d: the record is not sound: %v %v", at, faults, err)
				}
				kept(t, s, said)
				if got := ended(t, s); got != want {
					t.Fatalf("commit %d: the story ends as\n%s\nwant\n%s", at, got, want)
				}
			}
			if points < 30 {
				t.Fatalf("only %d points: the story writes less than it says", points)
			}
			t.Logf("%d kills, each %s one commit; nothing committed was lost", points, side)
		})
	}
}

// child runs the story until it is killed, and returns what it said.
func child(t *testing.T, dsn, side string, at int) (killed bool, said []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestStoryChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d", storyEnv, dsn, side, at))
	said, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true, said
	}
	if err != nil || !bytes.Contains(said, []byte("end after")) {
		t.Fatalf("%s commit %d: the child ended with %v: %s", side, at, err, said)
	}
	return false, said
}

// kept: each step that was told as done is done: telling it again writes nothing new.
func kept(t *testing.T, s *sqlstore.Store, said []byte) {
	t.Helper()
	for _, step := range storetest.Steps() {
		if !bytes.Contains(said, []byte("done "+step+"\n")) {
			continue
		}
		err := there(t.Context(), s, step)
		if err != nil {
			t.Errorf("%s was done and is lost: %v", step, err)
		}
	}
}

func there(ctx context.Context, s *sqlstore.Store, step string) error {
	lost := fmt.Errorf("it is not there")
	switch step {
	case "people":
		_, err := s.Token(ctx, inventory.DigestOf([]byte("token")))
		return err
	case "expect":
		_, err := s.Node(ctx, "A12/S01")
		return err
	case "papers":
		_, err := s.Ref(ctx, inventory.DocBaseline, "x@1")
		return err
	case "request":
		if all, err := s.Requests(ctx, inventory.RackSubject("A12")); err != nil || len(all) != 1 {
			return errors.Join(err, lost)
		}
	case "finding":
		if all, err := s.Findings(ctx, inventory.Selector{Racks: []inventory.RackID{"A12"}}); err != nil || len(all) != 1 || !all[0].Closed {
			return errors.Join(err, lost)
		}
	case "waiver":
		if all, err := s.Waivers(ctx, inventory.RackSubject("A12")); err != nil || len(all) != 1 || all[0].Approver != "bob" {
			return errors.Join(err, lost)
		}
	case "network":
		if all, err := s.Sightings(ctx); err != nil || len(all) != 1 {
			return errors.Join(err, lost)
		}
	case "received", "flash":
		n, err := s.Node(ctx, "A12/C01")
		runs, rerr := s.ListRuns(ctx, inventory.NodeSubject(n.ID))
		if err != nil || rerr != nil || n.Milestone != inventory.NodeReceived || step == "flash" && (len(runs) != 1 || runs[0].Ended.IsZero()) {
			return errors.Join(err, rerr, lost)
		}
	case "hold":
		if n, err := s.Node(ctx, "A12/C02"); err != nil || !n.Held(inventory.HoldMaintenance) {
			return errors.Join(err, lost)
		}
	}
	return nil
}

// ended brings a story to its end and says how it ended.
func ended(t *testing.T, s *sqlstore.Store) string {
	t.Helper()
	if err := storetest.Story(t.Context(), s, func(string) {}); err != nil {
		t.Fatal(err)
	}
	got, err := storetest.State(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if faults, err := s.Check(t.Context()); err != nil || len(faults) > 0 {
		t.Fatalf("at the end the record is not sound: %v %v", faults, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestDiskFullAtEveryPage lets the disk be full at each size a story passes
// through: what was said to be done stays, the rest is refused as read-only,
// and with room again the story ends as ever.
func TestDiskFullAtEveryPage(t *testing.T) {
	want := ended(t, open(t, filepath.Join(t.TempDir(), "record.db")))
	full := 0
	for room := 0; ; room++ {
		s := open(t, filepath.Join(t.TempDir(), "record.db"))
		if err := s.LimitPages(t.Context(), s.Pages(t.Context())+room); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		err := storetest.Story(t.Context(), s, func(step string) { fmt.Fprintf(&said, "done %s\n", step) })
		if err == nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if !errors.Is(err, inventory.ErrReadOnly) {
			t.Fatalf("with %d pages of room: %v", room, err)
		}
		full++
		if faults, err := s.Check(t.Context()); err != nil || len(faults) > 0 {
			t.Fatalf("with %d pages of room the record is not sound: %v %v", room, faults, err)
		}
		kept(t, s, said.Bytes())
		if err := s.LimitPages(t.Context(), 1<<30); err != nil {
			t.Fatal(err)
		}
		if got := ended(t, s); got != want {
			t.Fatalf("with %d pages of room the story ends as\n%s\nwant\n%s", room, got, want)
		}
	}
	if full < 3 {
		t.Fatalf("the disk was full %d times only", full)
	}
	t.Logf("full at %d sizes; nothing committed was lost", full)
}

// TestBackupCopiesEveryTable: a table that is added and forgotten here would
// be lost by the next restore.
func TestBackupCopiesEveryTable(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "record.db"))
	if err := storetest.Story(t.Context(), s, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Backup(t.Context(), filepath.Join(dir, "copy.db")), s.Close()); err != nil {
		t.Fatal(err)
	}
	from, to := rows(t, filepath.Join(dir, "record.db")), rows(t, filepath.Join(dir, "copy.db"))
	for table, n := range from {
		if to[table] != n && table != "server" { // who served is not part of the record
			t.Errorf("table %s has %d rows, the copy %d", table, n, to[table])
		}
	}
	if len(from) < 35 {
		t.Errorf("only %d tables", len(from))
	}
}

func rows(t *testing.T, file string) map[string]int {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	names, err := db.QueryContext(context.Background(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	var all []string
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	out := map[string]int{}
	for _, name := range all {
		var n int
		if err := db.QueryRow("SELECT COUNT(*) FROM " + name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		out[name] = n
	}
	return out
}
