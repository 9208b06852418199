package killtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// blow says when the server is killed. The zero blow never is.
type blow struct {
	at       int
	phase    string
	mutation bool   // counts the BMCs' mutating requests, not commits
	every    int    // and again at every so many commits of the next process; 0: once
	name     string // instead of at: the first commit whose name begins so
	upload   bool   // instead of at: the first upload
}

func (b blow) String() string {
	switch {
	case b.name != "":
		return b.phase + " " + b.name
	case b.upload:
		return b.phase + " upload"
	case b.at == 0:
		return "undisturbed"
	case b.mutation:
		return fmt.Sprintf("%s request %d", b.phase, b.at)
	case b.every > 0:
		return fmt.Sprintf("%s commits %d + n × %d", b.phase, b.at, b.every)
	}
	return fmt.Sprintf("%s commit %d", b.phase, b.at)
}

// ending is how one journey went.
type ending struct {
	blow
	kills   []string // what the server was doing at each
	work    []string // commits of the first process up to the kill, or all
	faults  []string // what lifecycle.md §15 forbids
	state   state
	took    time.Duration
	resumed time.Duration // from the kill to the first commit of the next process
	writes  int           // mutating requests seen
	asked   []string      // the mutating requests by number, from 1
	partial bool          // only C01 was asked for
	frozen  bool          // a server slept with its request half sent: the next one is refused as busy
	reboots int           // boots after one that brought no agent
	dir     string
}

// patience is how long a journey may take after a kill. It is not an assertion
// of speed.
const patience = 90 * slow * time.Second

// walk takes one rack from the prepared record to burned_in with one blow, and
// judges what is left.
func (l *lane) walk(t *testing.T, b blow, lied string) ending {
	t.Helper()
	begun := time.Now()
	out := ending{blow: b, dir: t.TempDir()}
	data := filepath.Join(out.dir, "data")
	if err := os.CopyFS(data, os.DirFS(l.data)); err != nil {
		t.Fatal(err)
	}
	private(t, data)
	a := &arm{blow: b}
	r := l.rack(t, filepath.Join(out.dir, "machines"), bmcsim.Options{OnMutation: a.mutation})
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	r.Connect(l.network(t))
	o := order{Config: l.settings(data, l.database(t), l.tokens["key"]), Lie: lied, Log: filepath.Join(out.dir, "commits"), Debug: filepath.Join(out.dir, "log")}
	if !b.mutation {
		o.Kill, o.Name, o.Phase = b.at, b.name, b.phase
	}
	p := start(t, o)
	a.at(r.Fleet(), p.cmd.Process.Pid)
	if b.mutation && b.at > 0 {
		if err := r.Fleet().Arm(bmcsim.Kill{N: b.at, Phase: b.phase, PID: p.cmd.Process.Pid}); err != nil {
			t.Fatal(err)
		}
	}
	c := crew{l: l, p: p}
	for end := begun.Add(l.patience); ; time.Sleep(30 * time.Millisecond) {
		if c.p.killed() {
			died := time.Now()
			end = died.Add(l.patience)
			out.kills = append(out.kills, out.label(t, r))
			o.Spare = open(commits(t, o.Log))
			o.Kill, o.Name, o.Log = b.every, "", filepath.Join(out.dir, fmt.Sprintf("commits-%d", len(out.kills)))
			c.p, c.client = start(t, o), nil
			out.resumed = max(out.resumed, time.Since(died))
			continue
		}
		if c.p.ended() {
			out.fault("the server ended by itself: %v: %s", c.p.err, tail(o.Debug))
			break
		}
		over := c.work(t.Context())
		if !over && time.Now().Before(end) {
			continue
		}
		if !over {
			out.fault("not over in %s: %s", l.patience, c.where)
		}
		err := c.p.stop()
		if c.p.killed() && over { // a commit of the shutdown; the next process has nothing left to do
			continue
		}
		if err != nil {
			out.fault("%v", err)
		}
		break
	}
	out.took = time.Since(begun)
	out.work = commits(t, filepath.Join(out.dir, "commits"))
	for _, m := range r.Fleet().Mutations() {
		out.writes = max(out.writes, m.N)
		if m.N > 0 {
			for len(out.asked) <= m.N {
				out.asked = append(out.asked, "")
			}
			out.asked[m.N] = m.Method + " " + m.Path
		}
	}
	out.judge(t, l, r, o)
	return out
}

// arm arms the simulator for the first upload, at the moment it is known to be one.
type arm struct {
	blow
	mu    sync.Mutex
	fleet *bmcsim.Fleet
	pid   int
}

func (a *arm) at(f *bmcsim.Fleet, pid int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fleet, a.pid = f, pid
}

func (a *arm) mutation(n int, phase string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.upload || phase != half || a.pid == 0 {
		return
	}
	if err := a.fleet.Arm(bmcsim.Kill{N: n, Phase: a.phase, PID: a.pid}); err == nil {
		a.pid = 0 // once
	}
}

// open reports whether a process left an intent without outcome, by its log.
func open(log []string) bool {
	n := 0
	for _, line := range log {
		_, what, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, struck):
		case strings.HasPrefix(what, "Begin "):
			n++
		case strings.Contains(what, " settles ok"), strings.Contains(what, " settles failed"):
			n--
		}
	}
	return n > 0
}

// label says what a killed process was doing.
func (e ending) label(t *testing.T, r *virtualrack.Rack) string {
	if e.mutation {
		for _, m := range r.Fleet().Mutations() {
			if e.at > 0 && m.N == e.at || e.upload && strings.Contains(m.Path, "UpdateService") {
				return m.Method + " " + m.Path
			}
		}
	}
	log := "commits"
	if n := len(e.kills); n > 0 {
		log = fmt.Sprintf("commits-%d", n)
	}
	lines := commits(t, filepath.Join(e.dir, log))
	for i := len(lines) - 1; i >= 0; i-- { // others may have begun a commit meanwhile
		if what, ok := strings.CutPrefix(lines[i], struck+" "); ok {
			return what
		}
	}
	return "after " + lines[len(lines)-1]
}

// private gives the copy the modes that the server insists on.
func private(t *testing.T, data string) {
	t.Helper()
	err := filepath.Walk(data, func(path string, info os.FileInfo, err error) error {
		switch {
		case err != nil:
			return err
		case info.IsDir():
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func tail(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-2000):])
}

// crew is the one person of the matrix: she asks for the bring-up until she has
// an answer, and then looks.
type crew struct {
	l      *lane
	p      *process
	client *client.Client
	asked  bool
	where  string
}

// work does what a person does now; true: the rack is where it should be.
func (c *crew) work(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if c.client == nil {
		var err error
		if c.client, err = c.p.client(inventory.NewSecret(c.l.tokens["tess"])); err != nil {
			c.where = err.Error()
			return false
		}
	}
	if !c.asked {
		args, err := json.Marshal(map[string]any{"baselines": []string{"kill@1"}, "plan": "smoke", "image": "burnin"})
		if err == nil {
			_, err = c.client.Start(ctx, "kill-bring-up", false, api.StartRequest{Op: inventory.OpBringUp, Racks: []string{rackName}, Args: args})
		}
		c.asked = err == nil
		c.where = fmt.Sprint(err)
		return false
	}
	d, err := c.client.Rack(ctx, rackName)
	if err != nil {
		c.where = err.Error()
		return false
	}
	return c.over(d)
}

// over: the rack and every node are burned in and nothing runs.
func (c *crew) over(d api.RackDetail) bool {
	done := d.Milestone == inventory.RackBurnedIn
	c.where = "rack " + string(d.Milestone)
	for _, s := range d.Slots {
		done = done && s.Node.Milestone == inventory.NodeBurnedIn && s.Node.Operation == nil
		c.where += fmt.Sprintf("; %s %s", s.Slot.Path, s.Node.Milestone)
		if op := s.Node.Operation; op != nil {
			c.where += fmt.Sprintf(" %s %s: %s", op.Kind, op.Step, op.Detail)
		}
	}
	for _, b := range d.Blockers {
		c.where += "; " + inventory.Sentence(b.Fix, b.Args)
	}
	return done
}

var errNoDatabase = errors.New("no database")

// database is a fresh copy of the prepared one, or empty for SQLite.
func (l *lane) database(t *testing.T) string {
	t.Helper()
	if l.dsn == "" {
		return ""
	}
	if l.clone == nil {
		t.Fatal(errNoDatabase)
	}
	return l.clone(t)
}
