package conductor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

const (
	oldNIC = "223.0.161.0" // what the simulator's card is delivered with
	newNIC = "225.0.1.0"
)

// packages are firmware packages by digest, in a directory.
type packages string

func (p packages) Open(_ context.Context, d images.Digest) (*os.File, error) {
	return os.Open(filepath.Join(string(p), d.Hex()))
}

// flashBay is a verified tray that runs a version of its network card, and a
// baseline nic@1 that wants the new one.
func flashBay(t *testing.T, runs string) *bay {
	t.Helper()
	dir := t.TempDir()
	b := newBay(t, inventory.NodeVerified, []inventory.Gate{lifecycle.GateFirmware}, func(b *bay, s *Steps) {
		s.Makers[inventory.NodeBaselined] = &Flash{Store: b, Devices: b.access, Payloads: packages(dir), Poll: 20 * time.Millisecond, Quiet: 300 * time.Millisecond}
	}, func(s *bmcsim.Spec) { s.SetVersion("NIC_0", runs) })
	payload := bmcsim.Bundle(64<<10, "NIC_0", newNIC)
	digest := images.Digest(inventory.DigestOf(payload))
	b.must(os.WriteFile(filepath.Join(dir, digest.Hex()), payload, 0o600))
	b.baseline("nic@1", "", digest)
	_, err := b.Observe(t.Context(), inventory.Observation{Node: b.node("C01").ID, Source: inventory.SourceRedfish, At: time.Now(), Components: []inventory.Component{
		{Key: inventory.Key{Kind: inventory.KindFirmware, Slot: "NIC_0"}, Firmware: runs, State: inventory.StatePresent}}}) // what a sweep has read
	b.must(err)
	return b
}

func (b *bay) baseline(name, profile string, artifact images.Digest) {
	b.t.Helper()
	raw := fmt.Appendf(nil, `{"baseline": %q, "profile": %q, "ignore": [".*"], "components": [{"name": "nic", "ids": ["^NIC_0$"], "count": 1, "artifact": %q,
		"activate": "none", "settle": "300ms", "noProgress": "5s", "install": "10s", "versions": [{"v": %q, "rank": 10}, {"v": %q, "rank": 20, "target": true}]}]}`, name, profile, artifact, oldNIC, newNIC)
	digest, err := b.Put(b.t.Context(), inventory.DocBaseline, raw)
	b.must(err)
	_, err = b.SetRef(b.t.Context(), inventory.Ref{Kind: inventory.DocBaseline, Name: name, Digest: digest})
	b.must(err)
}

// flashes are the bank writes that have started, and the version that runs now.
func (b *bay) flashes() (n int, runs string) {
	return len(b.bmc.Counters().Flashes), b.bmc.Versions()["NIC_0"].Active
}

const nicArgs = `{"baseline":"nic@1"}`

// TestFlash: a card that runs another version is flashed once; one that runs the
// baseline is read and left alone. Only what was read afterwards opens the gate.
func TestFlash(t *testing.T) {
	for _, c := range []struct {
		name, runs string
		flashes    int
		intents    string
	}{{"another version", oldNIC, 1, "ok"}, {"nothing to do", newNIC, 0, ""}} {
		t.Run(c.name, func(t *testing.T) {
			b := flashBay(t, c.runs)
			got := b.answered(b.ask(inventory.OpFirmware, nicArgs))
			b.work("it is baselined", func() bool { return b.node("C01").Milestone == inventory.NodeBaselined })
			r, why := b.gate(lifecycle.GateFirmware)
			n, runs := b.flashes()
			if got.Result != lineOK || r != inventory.ResultPass || n != c.flashes || runs != newNIC || b.outcomes() != c.intents {
				t.Errorf("%+v, gate %q %s, %d flashes, runs %s, intents %q", got, r, why, n, runs, b.outcomes())
			}
		})
	}
}

// TestFlashDidNotTake: a task that says done proves nothing. Where another
// version runs afterwards the gate is shut, a person decides, and it is not
// flashed again by itself.
func TestFlashDidNotTake(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults bmcsim.UpdateFaults
		runs   string
	}{
		{"another version", bmcsim.UpdateFaults{WrongVersion: "224.9.9.9"}, "224.9.9.9"},
		{"skipped in silence", bmcsim.UpdateFaults{Unchanged: []string{"NIC_0"}}, oldNIC},
		{"failed in the middle", bmcsim.UpdateFaults{FailAt: 50}, oldNIC},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := flashBay(t, oldNIC)
			b.bmc.SetUpdateFaults(c.faults)
			got := b.answered(b.ask(inventory.OpFirmware, nicArgs))
			b.work("a person decides", func() bool { return b.node("C01").Milestone == inventory.NodeTriage })
			r, why := b.gate(lifecycle.GateFirmware)
			if want := "NIC_0 is "; got.Result != lineFailed || r != inventory.ResultFail || !strings.Contains(why, want) || !strings.Contains(why, "("+c.runs+"), wanted "+newNIC) {
				t.Errorf("%+v, gate %q %s", got, r, why)
			}
			b.turns(5)
			if n, runs := b.flashes(); n != 1 || runs != c.runs || b.outcomes() != "failed" || b.op() != "" || !b.blocked("conductor.triage") {
				t.Errorf("%d flashes, runs %s, intents %q, operation %q, blockers %s", n, runs, b.outcomes(), b.op(), b.said())
			}
		})
	}
}

// TestFlashChangedSincePlan: a plan with nothing to do is no proof: what runs when
// every instance is read at the end is not what the plan was made from.
func TestFlashChangedSincePlan(t *testing.T) {
	b := flashBay(t, newNIC)
	b.bmc.Set("/redfish/v1/UpdateService/FirmwareInventory/NIC_0", map[string]any{"Version": "224.0.0.0"})
	got := b.answered(b.ask(inventory.OpFirmware, nicArgs))
	r, why := b.gate(lifecycle.GateFirmware)
	if got.Result != lineFailed || r != inventory.ResultFail || !strings.Contains(why, "(224.0.0.0), wanted "+newNIC) || b.sent("POST", "/UpdateService") != 0 {
		t.Errorf("%+v, gate %q %s", got, r, why)
	}
	b.work("a person decides", func() bool { return b.node("C01").Milestone == inventory.NodeTriage })
}

// TestFlashBrokenOff: a flash whose run was broken off is watched to its end and
// nothing is sent; till then a vendor is asked, and nobody may confirm the lock.
func TestFlashBrokenOff(t *testing.T) {
	for _, c := range []struct {
		name, lost string
		hold       int // percent at which the task stands
		intents    string
		flashes    int
		ends       string
	}{
		{"it goes on", "", 50, "ok", 1, newNIC},
		{"it never arrived", "before", 0, "failed", 0, oldNIC},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := flashBay(t, oldNIC)
			b.bmc.SetUpdateFaults(bmcsim.UpdateFaults{HoldAt: c.hold})
			if c.lost != "" {
				b.faults(bmcsim.Fault{Method: "POST", Path: "*/UpdateService/*", Reset: c.lost})
			}
			b.begun = func(inventory.Intent) { b.dead = true }
			b.ask(inventory.OpFirmware, nicArgs)
			b.work("the server dies", func() bool { return b.dead })
			b.start()
			b.breakOff()
			b.work("the vendor is asked", func() bool { return b.blocked("conductor.broken_flash") || b.outcomes() != "open" })
			if c.hold > 0 {
				b.turns(5)
				if b.outcomes() != "open" || !b.blocked("conductor.broken_flash") || !strings.HasPrefix(b.said(), "vendor "+string(lifecycle.GateFirmware)) {
					t.Fatalf("while it runs: intents %q, blockers %s", b.outcomes(), b.said())
				}
				if err := b.BreakLock(t.Context(), inventory.NodeSubject(b.node("C01").ID), "ann", "I looked"); err == nil {
					t.Fatal("the lock of a running flash was confirmed")
				}
				b.bmc.Release()
			}
			b.work("it is read back", func() bool { return b.outcomes() != "open" })
			b.turns(3)
			if n, runs := b.flashes(); b.outcomes() != c.intents || n != c.flashes || runs != c.ends || b.sent("POST", "/UpdateService") != 1 {
				t.Errorf("intents %q, %d flashes, runs %s, %d were sent", b.outcomes(), n, runs, b.sent("POST", "/UpdateService"))
			}
			if r, _ := b.gate(lifecycle.GateFirmware); r != "" || b.op() != "" {
				t.Errorf("a broken-off run says %q, runs %q", r, b.op())
			}
			b.breakOff() // the confirmation
		})
	}
}

// TestFlashHasNoPlan: without one baseline that fits nothing is planned or sent,
// and a technician is told what to name.
func TestFlashHasNoPlan(t *testing.T) {
	for _, c := range []struct{ name, args, says string }{
		{"none named", "", "name a baseline"},
		{"unknown", `{"baseline":"nic@9"}`, "baseline nic@9"},
		{"of another profile", `{"baseline":"hgx@1"}`, "is written for profile"},
		{"two fit", `{"baselines":["nic@1","nic@2"]}`, "both fit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := flashBay(t, oldNIC)
			b.baseline("hgx@1", "hgx-8", images.Digest(inventory.DigestOf([]byte("x"))))
			b.baseline("nic@2", "", images.Digest(inventory.DigestOf([]byte("x"))))
			b.ask(inventory.OpFirmware, c.args)
			b.work("a technician is told", func() bool { return b.blocked("conductor.no_plan") })
			if !strings.Contains(b.said(), c.says) || b.op() != "" || b.sent("POST", "/UpdateService") != 0 {
				t.Errorf("runs %q, blockers %s", b.op(), b.said())
			}
		})
	}
}

func TestMismatchText(t *testing.T) {
	m := func(slot, state, got string) firmware.Mismatch {
		return firmware.Mismatch{Key: inventory.Key{Slot: slot}, State: state, Got: got, Want: "2"}
	}
	for want, v := range map[string]flashVerdict{
		"":                        {},
		"it refused":              {Failure: "it refused"},
		"G1 is old (1), wanted 2": {Mismatches: []firmware.Mismatch{m("G1", "old", "1")}},
		"it refused · G1 is old (1), wanted 2 · G2 is absent (), wanted 2": {Failure: "it refused", Mismatches: []firmware.Mismatch{m("G1", "old", "1"), m("G2", "absent", "")}},
	} {
		if got := mismatchText(v); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
