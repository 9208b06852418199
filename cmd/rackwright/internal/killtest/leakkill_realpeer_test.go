//go:build realpeer

package killtest_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestLeakKilledRealPeer: a server that read a leak is killed before its latch, or
// its evidence, is on record, and the tray is dry by then: the next one records both.
func TestLeakKilledRealPeer(t *testing.T) {
	l := prepare(t, 0, "")
	for _, b := range []blow{{name: "Hold", phase: before}, {name: "Hold", phase: after}, {name: "File leak.none", phase: before}} {
		t.Run(b.String(), func(t *testing.T) { leakKilled(t, l, b) })
	}
}

func leakKilled(t *testing.T, l *lane, b blow) {
	const detector, slot = "LeakDetector_0", "C01"
	dir := t.TempDir()
	layout := l.layout()
	layout.Units[0].Spec.Leaks, layout.Units[0].Spec.PowerOn = []string{detector}, true
	r, err := virtualrack.New(layout, virtualrack.Options{Spool: t.TempDir(), Fleet: bmcsim.Options{}})
	fatal(t, err)
	fatal(t, r.Start())
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	r.Connect(l.network(t))
	data := filepath.Join(dir, "data")
	fatal(t, os.CopyFS(data, os.DirFS(l.data)))
	private(t, data)
	c := l.settings(data, "", l.tokens["key"])
	c.Redfish.Watch = 200 * time.Millisecond
	o := order{Config: c, Log: filepath.Join(dir, "commits"), Debug: filepath.Join(dir, "log"), Name: b.name, Phase: b.phase}
	p := &pair{t: t}
	p.logs[0], p.logs[1] = o.Log, o.Debug
	srv := start(t, o)
	ask(t, l, srv)
	node := func() api.NodeDetail {
		c, err := srv.client(inventory.NewSecret(l.tokens["tess"]))
		fatal(t, err)
		d, err := c.Node(t.Context(), rackName+"/"+slot, "", "")
		fatal(t, err)
		return d
	}
	p.wait(func() bool { return lifecycle.Rank(node().Milestone) >= lifecycle.Rank(inventory.NodeVerified) }, "C01 was not verified")
	bmc := r.Fleet().BMC(rackName + "-" + slot)
	fatal(t, bmc.SetLeak(detector, "Critical"))
	p.wait(srv.ended, "nothing was killed "+b.String())
	if !srv.killed() {
		t.Fatalf("it ended by itself: %v: %s", srv.err, tail(o.Debug))
	}
	fatal(t, bmc.SetLeak(detector, "OK"))
	o.Name, o.Log = "", o.Log+"-2"
	srv = start(t, o)
	p.wait(func() bool {
		h := node().Holds
		return len(h) == 1 && h[0].Name == inventory.HoldSafetyLatch && strings.HasSuffix(h[0].Reason, "; its host is off")
	}, "it is not latched as off")
	p.wait(func() bool {
		_, err := os.Stat(filepath.Join(data, "leaks.spool"))
		return errors.Is(err, os.ErrNotExist)
	}, "the spool is not empty")
	got := node()
	if leaks := lifecycle.Leaked(got.Evidence); len(leaks) != 1 || got.Milestone != inventory.NodeDiscovered {
		t.Errorf("it stands at %s with %d leaks on record", got.Milestone, len(leaks))
	}
	fatal(t, srv.stop())
	t.Logf("latch: %v", got.Holds)
}
