package killtest_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
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
					for _, f := range e.faults {
						t.Errorf("%s (%s): %s", b, e.name, f)
					}
					if len(e.faults) > 0 {
						t.Logf("%s\nlog: %s", strings.Join(e.work[max(0, len(e.work)-8):], "\n"), keep(t, e))
					}
					mu.Lock()
					m.all = append(m.all, e)
					mu.Unlock()
				})
			}
		})
	}
	wait.Wait()
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

// table is the summary that people read.
func (m *matrix) table(t *testing.T, title string) (fired int) {
	t.Helper()
	type row struct{ points, fired, faulty int }
	rows := map[string]*row{}
	var slowest, longest time.Duration
	for _, e := range m.all {
		key := e.phase + " commit"
		if e.mutation {
			key = e.phase + " request"
		}
		if rows[key] == nil {
			rows[key] = &row{}
		}
		r := rows[key]
		r.points++
		if e.fired {
			r.fired++
			fired++
		}
		if len(e.faults) > 0 {
			r.faulty++
		}
		slowest, longest = max(slowest, e.resumed), max(longest, e.took)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: undisturbed %d commits, %d mutating requests, %s\n", title, len(m.calm.work), m.calm.writes, m.calm.took.Round(time.Millisecond))
	fmt.Fprintf(&b, "%-18s %8s %8s %8s\n", "point", "tried", "killed", "faulty")
	for _, key := range slices.SortedFunc(maps.Keys(rows), func(a, b string) int { return cmp.Compare(a, b) }) {
		fmt.Fprintf(&b, "%-18s %8d %8d %8d\n", key, rows[key].points, rows[key].fired, rows[key].faulty)
	}
	fmt.Fprintf(&b, "%d points killed; longest until a new process served %s, longest journey %s", fired, slowest.Round(time.Millisecond), longest.Round(time.Millisecond))
	t.Log(b.String())
	return fired
}

// TestKillPoints is the hermetic handful: one point of each kind.
func TestKillPoints(t *testing.T) {
	m := newMatrix(t, prepare(t, 0, ""), prepare(t, 1, ""))
	points := m.handful()
	if from := os.Getenv("RACKWRIGHT_KILL_POINTS"); from != "" { // for a person who hunts: before:12,after:13,after-request:3
		points = parsePoints(t, from)
	}
	m.run(t, points)
	if fired := m.table(t, "SQLite"); fired == 0 {
		t.Fatal("no point killed a server")
	}
}

// handful are points around what may not happen twice.
func (m *matrix) handful() []blow {
	var out []blow
	for n := 1; n <= m.calm.writes; n++ {
		out = append(out, blow{at: n, phase: after, mutation: true})
	}
	return out
}

func parsePoints(t *testing.T, text string) []blow {
	t.Helper()
	var out []blow
	for _, f := range strings.Split(text, ",") {
		phase, number, _ := strings.Cut(f, ":")
		phase, request := strings.CutSuffix(phase, "-request")
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
			out = append(out, blow{at: n, phase: phase, mutation: request})
		}
	}
	return out
}
