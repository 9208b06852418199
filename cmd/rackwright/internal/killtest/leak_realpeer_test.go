//go:build realpeer

package killtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest/pgtest"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestTwoServersLeakRealPeer: two servers on one PostgreSQL watch one rack
// without a quarrel about its BMC's session. The one that serves it is killed,
// then the tray leaks: the other one cuts its power and latches it.
func TestTwoServersLeakRealPeer(t *testing.T) {
	l := onPostgres(t, pgtest.For(t), 0)
	dsn, dir := l.clone(t), t.TempDir()
	const detector, slot = "LeakDetector_0", "C01"
	layout := l.layout()
	layout.Units[0].Spec.Leaks, layout.Units[0].Spec.PowerOn = []string{detector}, true
	r, err := virtualrack.New(layout, virtualrack.Options{Spool: t.TempDir(), Fleet: bmcsim.Options{}})
	if err == nil {
		err = r.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	r.Connect(l.network(t))
	p := &pair{t: t, lanes: [2]*lane{l, addresses(t, 9)}}
	var lease time.Duration
	for i, at := range p.lanes {
		data := filepath.Join(dir, "data"+string(rune('A'+i)))
		if err := os.CopyFS(data, os.DirFS(l.data)); err != nil {
			t.Fatal(err)
		}
		private(t, data)
		p.logs[i] = filepath.Join(dir, "commits"+string(rune('A'+i)))
		c := at.settings(data, dsn, l.tokens["key"])
		c.Redfish.Watch, lease = 200*time.Millisecond, c.Conductor.Lease+c.Conductor.Grace
		p.servers[i] = start(t, order{Config: c, Log: p.logs[i], Debug: filepath.Join(dir, "log"+string(rune('A'+i)))})
	}
	record, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: dsn, Site: "kill", MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	node := func() inventory.Node {
		n, err := record.Node(t.Context(), inventory.NodeID(rackName+"/"+slot))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	ask(t, l, p.servers[1])
	p.wait(func() bool { return lifecycle.Rank(node().Milestone) >= lifecycle.Rank(inventory.NodeVerified) }, "C01 was not verified")
	owner := 0
	if strings.Contains(read(p.logs[1]), "Apply event secured") {
		owner = 1
	}
	bmc := r.Fleet().BMC(rackName + "-" + slot)
	before := bmc.Counters()
	time.Sleep(10 * 200 * time.Millisecond)
	if after := bmc.Counters(); after.Logins != before.Logins || after.WrongLogins != 0 || after.SessionsMax > 2 {
		t.Errorf("two servers quarrel about a session: %d logins in 2 s, %d wrong ones, %d sessions at once", after.Logins-before.Logins, after.WrongLogins, after.SessionsMax)
	}
	p.servers[owner].kill()
	if err := bmc.SetLeak(detector, "Critical"); err != nil {
		t.Fatal(err)
	}
	wet := time.Now()
	off := func() (n int) {
		for what, times := range bmc.Counters().Resets {
			if strings.HasSuffix(what, " ForceOff") {
				n += times
			}
		}
		return n
	}
	p.wait(func() bool { return off() > 0 }, "nobody cut the power")
	took := time.Since(wet)
	p.wait(func() bool { n := node(); return n.Held(inventory.HoldSafetyLatch) }, "nobody latched it")
	p.wait(func() bool {
		rows, err := record.Evidence(t.Context(), inventory.NodeSubject(node().ID))
		if err != nil {
			t.Fatal(err)
		}
		return len(lifecycle.Leaked(rows)) == 1
	}, "the leak is not on record")
	if n := node(); n.Milestone != inventory.NodeDiscovered || off() != 1 {
		t.Errorf("it stands at %s after %d power-offs", n.Milestone, off())
	}
	if err := p.servers[1-owner].stop(); err != nil {
		t.Error(err)
	}
	t.Logf("the serving server was killed, the tray leaked: off after %s (lease + grace %s)", took.Round(time.Millisecond), lease)
	if took > 90*time.Second {
		t.Errorf("off after %s", took)
	}
}
