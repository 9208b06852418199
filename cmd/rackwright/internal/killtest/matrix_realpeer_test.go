//go:build realpeer

package killtest_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory/storetest/pgtest"
)

// spacing is how many commits lie between two kills of one journey: long enough
// for a process to have read back and gone on, short enough that all points
// take minutes. RACKWRIGHT_KILL_SPACING=0 kills once a journey, which takes
// five times as long.
func spacing(t *testing.T) int {
	t.Helper()
	text := os.Getenv("RACKWRIGHT_KILL_SPACING")
	if text == "" {
		return 40
	}
	n, err := strconv.Atoi(text)
	if err != nil || n != 0 && n < 20 {
		t.Fatalf("RACKWRIGHT_KILL_SPACING %q: use 0, or 20 and more", text)
	}
	return n
}

// full says that PostgreSQL gets the chains too (make kill-matrix). Each of its
// journeys waits for the lease of the dead process to end, so they take more
// than half an hour, which CI does not have.
func full() bool { return os.Getenv("RACKWRIGHT_KILL_FULL") != "" }

// TestKillMatrixRealPeer kills on SQLite at every commit, before and after it,
// and at every mutating request, before, in the middle and after it; and on
// PostgreSQL at every mutating request and at the commits of steps, or at every
// commit when it is full.
func TestKillMatrixRealPeer(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		whole(t, "SQLite", true, prepare(t, 0, ""), prepare(t, 1, ""))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		c := pgtest.For(t)
		var lanes []*lane
		for n := range 4 { // most of the time a new process waits for the lease of the dead one
			lanes = append(lanes, onPostgres(t, c, n))
		}
		whole(t, "PostgreSQL", full(), lanes...)
	})
}

// steps are commits that a journey must be killed at, before and after, one blow
// a journey: around what the hardware is told, and what changes hands. Chains
// come by each number of a commit, but perhaps not by each name.
var steps = []string{"Ask bring_up", "Seal", "StartRun secure", "StartRun firmware", "StartRun burn_in", "Lock", "Begin change the", "Begin flashing gpu", "Begin host-reset to",
	"Begin restart into", "Apply secure settles ok", "Apply firmware settles ok", "Apply burn_in settles ok", "Confirm", "Redeem", "Append", "Put verdict", "File firmware.versions",
	"File suite.verdict", "Apply end of run", "Apply event discovered", "Apply event baselined", "Apply event burned_in"}

func whole(t *testing.T, title string, every bool, lanes ...*lane) {
	m := newMatrix(t, lanes...)
	points := m.requests(t)
	for _, phase := range []string{before, after} {
		for _, name := range steps {
			points = append(points, blow{name: name, phase: phase})
		}
	}
	points = append(points, blow{upload: true, phase: half, mutation: true}, blow{upload: true, phase: after, mutation: true})
	m.run(t, points)
	if every {
		m.run(t, m.chains(before, spacing(t)))
		m.run(t, m.chains(after, spacing(t)))
	}
	fired, by := m.table(t, title)
	for _, e := range m.all {
		if e.resumed > 5*time.Second { // lifecycle.md §15.5
			t.Errorf("%s: the next process served after %s", e.blow, e.resumed)
		}
	}
	if every && fired < len(m.calm.work)*3/2 {
		t.Errorf("%d kills for %d commits: the matrix is not complete", fired, len(m.calm.work))
	}
	for _, name := range steps {
		for _, phase := range []string{before, after} {
			if by[phase+" "+name] == 0 {
				t.Errorf("nothing was killed %s %s", phase, name)
			}
		}
	}
	for _, phase := range []string{half, after} {
		if by[phase+" POST /redfish/v1/UpdateService/update-multipart"] == 0 {
			t.Errorf("nothing was killed %s the flash", phase)
		}
	}
}

// request is the number of the first mutating request to a path.
func (m *matrix) request(t *testing.T, path string) int {
	t.Helper()
	for n, line := range m.calm.asked {
		if strings.Contains(line, path) {
			return n
		}
	}
	t.Fatalf("the undisturbed run has no request %q", path)
	return 0
}

// chains kill at every commit: journey r at commits r, r + every, r + 2 × every …
// of the whole journey, each time in a new process. every 0: one blow a journey.
func (m *matrix) chains(phase string, every int) []blow {
	var out []blow
	if every == 0 {
		for n := range len(m.calm.work) + margin {
			out = append(out, blow{at: n + 1, phase: phase})
		}
		return out
	}
	for r := range every {
		out = append(out, blow{at: r + 1, phase: phase, every: every})
	}
	return out
}

// margin is how many commits more than the undisturbed run a journey may have:
// its turns are not the same twice.
const margin = 40

// requests kill at every mutating request, in every phase. Only an upload has a
// half; the nodes' requests interleave, so its number may differ by one.
func (m *matrix) requests(t *testing.T) []blow {
	t.Helper()
	var out []blow
	flash := m.request(t, "UpdateService")
	for n := 1; n <= m.calm.writes+2; n++ {
		out = append(out, blow{at: n, phase: before, mutation: true}, blow{at: n, phase: after, mutation: true})
		if n >= flash-1 && n <= flash+1 {
			out = append(out, blow{at: n, phase: half, mutation: true})
		}
	}
	return out
}

// onPostgres prepares a record in a database, which every point gets a copy of.
func onPostgres(t *testing.T, c *pgtest.Cluster, n int) *lane {
	t.Helper()
	dsn, err := c.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := prepare(t, n, dsn)
	l.clone = func(t *testing.T) string {
		copied, err := c.Clone(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Drop(context.Background(), copied); err != nil {
				t.Error(err)
			}
		})
		return copied
	}
	return l
}
