//go:build realpeer

package killtest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/storetest/pgtest"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestTwoServersRealPeer: two servers on one PostgreSQL; the one that flashes is
// killed. The other one takes the rack over and finishes it: one flash.
func TestTwoServersRealPeer(t *testing.T) {
	c := pgtest.For(t)
	l := onPostgres(t, c, 0)
	for _, phase := range []string{before, half, after} {
		t.Run("killed "+phase+" the flash", func(t *testing.T) { drill(t, l, phase, syscall.SIGKILL) })
	}
	for _, phase := range []string{before, after} {
		t.Run("frozen "+phase+" the flash", func(t *testing.T) { drill(t, l, phase, syscall.SIGSTOP) })
	}
}

// pair are the two servers of a drill.
type pair struct {
	t       *testing.T
	lanes   [2]*lane
	servers [2]*process
	logs    [2]string
	phase   string
	once    sync.Once
	owner   atomic.Int64
	died    time.Time // valid once owner is known
	fleet   *bmcsim.Fleet
	way     syscall.Signal // SIGKILL, or SIGSTOP: a server that wakes up as a zombie
}

// flasher is the server that has begun the flash.
func (p *pair) flasher() int {
	for i, log := range p.logs {
		if strings.Contains(read(log), "Begin flashing") {
			return i
		}
	}
	return -1
}

func read(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(raw)
}

// mutation arms the simulator's blow for the server that flashes; it runs on the
// goroutine of the request, just before the blow would fall.
func (p *pair) mutation(n int, phase string) {
	if phase != p.phase {
		return
	}
	owner := p.flasher()
	if owner < 0 {
		return
	}
	p.once.Do(func() {
		p.died = time.Now()
		defer p.owner.Store(int64(owner))
		if p.way == syscall.SIGSTOP {
			if err := p.servers[owner].cmd.Process.Signal(p.way); err != nil {
				p.t.Error(err)
			}
			return
		}
		if err := p.fleet.Arm(bmcsim.Kill{N: n, Phase: phase, PID: p.servers[owner].cmd.Process.Pid}); err != nil {
			p.t.Error(err)
		}
	})
}

func drill(t *testing.T, l *lane, phase string, way syscall.Signal) {
	dsn := l.clone(t)
	p := &pair{t: t, lanes: [2]*lane{l, addresses(t, 9)}, phase: phase, way: way}
	p.owner.Store(-1)
	r := l.rack(t, t.TempDir(), bmcsim.Options{OnMutation: p.mutation})
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	p.fleet = r.Fleet()
	r.Connect(l.network(t))
	dir := t.TempDir()
	var o order
	for i, at := range p.lanes {
		data := filepath.Join(dir, "data"+string(rune('A'+i)))
		if err := os.CopyFS(data, os.DirFS(l.data)); err != nil {
			t.Fatal(err)
		}
		private(t, data)
		p.logs[i] = filepath.Join(dir, "commits"+string(rune('A'+i)))
		o = order{Config: at.settings(data, dsn, l.tokens["key"]), Log: p.logs[i], Debug: filepath.Join(dir, "log"+string(rune('A'+i)))}
		p.servers[i] = start(t, o)
	}
	ask(t, l, p.servers[1])
	p.wait(func() bool { n := p.owner.Load(); return n >= 0 && (way == syscall.SIGSTOP || p.servers[n].killed()) }, "nobody was stopped at a flash")
	other := 1 - p.owner.Load()
	if strings.Contains(read(p.logs[other]), "Begin") {
		t.Errorf("both servers began something on one rack:\n%s", read(p.logs[other]))
	}
	r.Connect(p.lanes[other].network(t)) // the relay's other helper address
	claimed := strings.Count(read(p.logs[other]), "Claim")
	p.wait(func() bool { return strings.Count(read(p.logs[other]), "Claim") > claimed }, "nobody took over")
	took := time.Since(p.died)
	if way == syscall.SIGSTOP {
		time.Sleep(o.Config.Firmware.Quiet + time.Second) // the other one has read back, and may send once more
		if err := p.servers[p.owner.Load()].cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	c := crew{l: p.lanes[other], p: p.servers[other], asked: true}
	c.l.tokens = l.tokens
	p.wait(func() bool { c.work(t.Context()); return strings.Contains(c.where, "C01 burned_in") }, "the survivor did not finish")
	rest := time.Since(p.died)
	if err := p.servers[other].stop(); err != nil {
		t.Error(err)
	}
	verb := "killed"
	if way == syscall.SIGSTOP {
		verb = "frozen"
		if err := p.servers[p.owner.Load()].stop(); err != nil {
			t.Error(err)
		}
	}
	e := ending{blow: blow{phase: phase, at: 1, mutation: true}, kills: []string{"flash"}, partial: true, frozen: way == syscall.SIGSTOP}
	e.judge(t, l, r, o)
	for _, f := range e.faults {
		t.Error(f)
	}
	n := r.Fleet().BMC(rackName + "-C01").Counters()
	t.Logf("server %c %s %s the flash; the other one claimed the rack after %s (lease %s + grace %s), C01 was burned in after %s: %d flash, %d cut uploads, %d refused as busy, %d writers at once",
		'A'+rune(p.owner.Load()), verb, phase, took.Round(time.Millisecond), o.Config.Conductor.Lease, o.Config.Conductor.Grace, rest.Round(time.Millisecond), len(n.Flashes), n.CutUploads, n.RefusedBusy, n.WritersMax)
	if took > 90*time.Second {
		t.Errorf("takeover in %s", took)
	}
}

// ask asks one server for C01 alone: its agent then speaks to one server only.
func ask(t *testing.T, l *lane, p *process) {
	t.Helper()
	c, err := p.client(inventory.NewSecret(l.tokens["tess"]))
	if err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(map[string]any{"baselines": []string{"kill@1"}, "plan": "smoke", "image": "burnin"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), "drill", false, api.StartRequest{Op: inventory.OpBringUp, Nodes: []string{rackName + "/C01"}, Args: args}); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) wait(done func() bool, otherwise string) {
	p.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("%s in %s:\nA:\n%s\nB:\n%s", otherwise, patience, tail(p.logs[0]), tail(p.logs[1]))
		}
	}
}
