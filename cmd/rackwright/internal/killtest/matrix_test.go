package killtest_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// matrix runs points on several lanes at once and compares each with the
// undisturbed run.
type matrix struct {
	lanes []*lane
	calm  ending
	all   []ending
}

// newMatrix makes the undisturbed run, which must itself be without fault.
func newMatrix(t *testing.T, lanes ...*lane) *matrix {
	t.Helper()
	m := &matrix{lanes: lanes, calm: lanes[0].walk(t, blow{}, "")}
	for _, f := range m.calm.faults {
		t.Errorf("undisturbed: %s", f)
	}
	if t.Failed() {
		t.FailNow()
	}
	return m
}

// run walks the points; each lane takes the next when it is free.
func (m *matrix) run(t *testing.T, points []blow) {
	t.Helper()
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, l := range m.lanes {
		wait.Go(func() {
			for {
				mu.Lock()
				if len(points) == 0 {
					mu.Unlock()
					return
				}
				b := points[0]
				points = points[1:]
				mu.Unlock()
				t.Run(strings.ReplaceAll(b.String(), " ", "-"), func(t *testing.T) {
					e := l.walk(t, b, "")
					e.faults = append(e.faults, e.state.differs(m.calm.state)...)
					e.report(t)
					mu.Lock()
					m.all = append(m.all, e)
					mu.Unlock()
				})
			}
		})
	}
	wait.Wait()
}

// report fails the test with what lifecycle.md §15 forbids.
func (e ending) report(t *testing.T) {
	t.Helper()
	if len(e.faults) == 0 {
		return
	}
	const most = 12
	faults := e.faults
	if len(faults) > most {
		faults = append(slices.Clone(faults[:most]), fmt.Sprintf("and %d more", len(e.faults)-most))
	}
	t.Errorf("%s, killed at %s:\n  %s\n%s", e.blow, strings.Join(e.kills, ", "), strings.Join(faults, "\n  "), keep(t, e))
}

// keep copies what a failed point wrote to where a person finds it.
func keep(t *testing.T, e ending) string {
	t.Helper()
	to := os.Getenv("RACKWRIGHT_KILL_KEEP")
	if to == "" {
		return "set RACKWRIGHT_KILL_KEEP to a folder to keep it"
	}
	to += "/" + strings.ReplaceAll(t.Name(), "/", "_")
	if err := os.CopyFS(to, os.DirFS(e.dir)); err != nil {
		return err.Error()
	}
	return to
}

// table is the summary that people read: kills by kind of point, and by what
// the server was doing. It returns the kills by name and phase.
func (m *matrix) table(t *testing.T, title string) (fired int, by map[string]int) {
	t.Helper()
	type row struct{ journeys, kills, faulty int }
	rows, named := map[string]*row{}, map[string]map[string]int{}
	by = map[string]int{}
	var slowest, longest time.Duration
	reboots := 0
	for _, e := range m.all {
		key := e.phase + " commit"
		if e.mutation {
			key = e.phase + " request"
		}
		if rows[key] == nil {
			rows[key] = &row{}
		}
		r := rows[key]
		r.journeys++
		r.kills += len(e.kills)
		fired += len(e.kills)
		reboots += e.reboots
		if len(e.faults) > 0 {
			r.faulty++
		}
		for _, k := range e.kills {
			if named[k] == nil {
				named[k] = map[string]int{}
			}
			named[k][e.phase]++
			by[e.phase+" "+k]++
		}
		slowest, longest = max(slowest, e.resumed), max(longest, e.took)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: undisturbed %d commits, %d mutating requests, %s\n", title, len(m.calm.work), m.calm.writes, m.calm.took.Round(time.Millisecond))
	fmt.Fprintf(&b, "%-18s %9s %9s %9s\n", "point", "journeys", "kills", "faulty")
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "%-18s %9d %9d %9d\n", key, rows[key].journeys, rows[key].kills, rows[key].faulty)
	}
	fmt.Fprintf(&b, "%-72s %7s %7s %7s\n", "killed at", before, half, after)
	for _, k := range slices.Sorted(maps.Keys(named)) {
		fmt.Fprintf(&b, "%-72s %7d %7d %7d\n", k, named[k][before], named[k][half], named[k][after])
	}
	fmt.Fprintf(&b, "%d kills; longest from a kill to the next process serving %s, longest journey %s; %d machines booted again because the server was dead when they booted", fired, slowest.Round(time.Millisecond), longest.Round(time.Millisecond), reboots)
	t.Log(b.String())
	return fired, by
}

// TestKillPoints is the hermetic handful, and the proof that its assertions can
// fail: with a record that forgets intents a host is reset twice.
func TestKillPoints(t *testing.T) {
	if slow > 1 {
		m := newMatrix(t, prepare(t, 0, ""))
		m.run(t, []blow{{upload: true, phase: half, mutation: true}})
		m.table(t, "SQLite under the race detector")
		return
	}
	m := newMatrix(t, prepare(t, 0, ""), prepare(t, 1, ""))
	points := handful()
	if from := os.Getenv("RACKWRIGHT_KILL_POINTS"); from != "" { // for a person who hunts: before:12,after:13x40,after-request:3
		points = parsePoints(t, from)
	}
	m.run(t, points)
	if fired, _ := m.table(t, "SQLite"); fired == 0 {
		t.Fatal("no point killed a server")
	}
	t.Run("a lie turns red", func(t *testing.T) {
		// C01 is reset to activate and to boot, C02 to boot: more is a reset that was
		// sent twice, and perhaps another boot because it cut the first one.
		m.lanes[0].patience = 5 * time.Second // the second reset comes at once, the end does not matter
		const resets = ": the record says that 0 × reset was done, the BMC saw "
		m.red(t, unread(inventory.OpBurnIn), lieNoIntents, "C01"+resets+"3", "C01"+resets+"4", "C02"+resets+"2", "C02"+resets+"3")
	})
}

// handful are points around what may not happen twice.
func handful() []blow {
	return []blow{
		{name: "Begin change the", phase: after},
		{upload: true, phase: half, mutation: true},
		{upload: true, phase: after, mutation: true},
		{name: "Seal", phase: after},
		unread(inventory.OpBurnIn),
	}
}

func parsePoints(t *testing.T, text string) []blow {
	t.Helper()
	var out []blow
	for _, f := range strings.Split(text, ",") {
		phase, number, _ := strings.Cut(f, ":")
		phase, request := strings.CutSuffix(phase, "-request")
		number, again, _ := strings.Cut(number, "x") // and at every so many commits after it
		every, _ := strconv.Atoi(again)
		from, to, isRange := strings.Cut(number, "-")
		step := 1
		if isRange {
			var s string
			if to, s, _ = strings.Cut(to, "/"); s != "" {
				step, _ = strconv.Atoi(s)
			}
		} else {
			to = from
		}
		a, err := strconv.Atoi(from)
		if err != nil {
			t.Fatal(err)
		}
		z, err := strconv.Atoi(to)
		if err != nil {
			t.Fatal(err)
		}
		for n := a; n <= z; n += max(step, 1) {
			out = append(out, blow{at: n, phase: phase, mutation: request, every: every})
		}
	}
	return out
}
