package sqlstore_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
)

const crashEnv = "RACKWRIGHT_CRASH_AT"

// TestCrashChild is the process that is killed: it works on the record and
// sends itself SIGKILL after a number of microseconds, so that the kill falls
// between and inside commits alike. It runs as a test only when told to.
func TestCrashChild(t *testing.T) {
	after, err := strconv.Atoi(os.Getenv(crashEnv))
	if err != nil {
		t.Skip("run by TestKill9 only")
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: os.Getenv("RACKWRIGHT_CRASH_DSN"), Site: "ams1", Lease: storetest.Lease, Grace: storetest.Grace})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Node(t.Context(), "A12/C01")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Duration(after)*time.Microsecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) })
	for i := 0; ; i++ {
		_, err := s.File(t.Context(), inventory.Evidence{Subject: inventory.NodeSubject(n.ID), Gate: lifecycle.GateBOM, Result: inventory.ResultFail,
			Producer: inventory.ByChecklist, By: "ann", Attempt: i})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("filed %d\n", i) // promised: from here on it must survive
	}
}

// TestKill9 kills a writing process at many moments. Whatever it said it had
// filed is there afterwards, and the record is sound.
func TestKill9(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	s := opener(t, path)()
	on := inventory.NodeSubject(storetest.Rack(t, s)["C01"].ID)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	killed := 0
	for round := range 12 {
		before := count(t, path, on)
		cmd := exec.Command(os.Args[0], "-test.run", "^TestCrashChild$")
		cmd.Env = append(os.Environ(), crashEnv+"="+strconv.Itoa(3000+round*1700), "RACKWRIGHT_CRASH_DSN="+path)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child was not killed: %v %s", err, out)
		}
		killed++
		promised := 0
		for _, c := range out {
			if c == '\n' {
				promised++
			}
		}
		if got := count(t, path, on) - before; got < promised || got > promised+1 {
			t.Fatalf("%d were promised, %d are there", promised, got)
		}
	}
	t.Logf("%d kills survived, %d rows", killed, count(t, path, on))
}

// count opens the record, which also checks it when it closes.
func count(t *testing.T, path string, on inventory.Subject) int {
	t.Helper()
	s := opener(t, path)()
	all, err := s.Evidence(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return len(all)
}
