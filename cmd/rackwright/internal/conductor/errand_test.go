package conductor

import (
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

func errands(b *bay, s *Steps) {
	s.Extra[inventory.OpLocate] = &Locate{Store: b, Access: b.access}
	s.Extra[inventory.OpPower] = &Power{Store: b, Access: b.access, Poll: 20 * time.Millisecond, Quiet: 300 * time.Millisecond}
}

// errandBay is a tray that is switched on or off, for whom nothing else is to do.
func errandBay(t *testing.T, on bool) *bay {
	t.Helper()
	return newBay(t, inventory.NodeSecured, nil, errands, func(s *bmcsim.Spec) { s.PowerOn = on })
}

// resets are all that a host was told, by verb; a host that stays as it is counts none.
func (b *bay) resets() map[string]int { return b.bmc.Counters().Resets }

const hostReset = "/Actions/ComputerSystem.Reset"

// TestLocate: the LED is lit or cleared as asked, once, and whoever asked is told.
func TestLocate(t *testing.T) {
	b := errandBay(t, true)
	for _, c := range []struct {
		name, args, result, says string
		writes                   int // of the LED, so far
	}{
		{"without a word it is lit", "", lineOK, "", 1},
		{"it is lit already", `{"on":true}`, lineOK, "", 1},
		{"off", `{"on":false}`, lineOK, "", 2},
		{"nonsense is no wish", `{"on":"perhaps"}`, lineFailed, "arguments", 2},
		{"on", `{"on":true}`, lineOK, "", 3},
	} {
		got := b.answered(b.ask(inventory.OpLocate, c.args))
		if n := b.sent("PATCH", "/Systems/1"); got.Result != c.result || !strings.Contains(got.Detail, c.says) || n != c.writes {
			t.Errorf("%s: %+v after %d writes", c.name, got, n)
		}
	}
	b.faults(bmcsim.Fault{Method: "PATCH", Path: "*/Systems/1", Reset: "after"})
	if got := b.answered(b.ask(inventory.OpLocate, `{"on":false}`)); got.Result != lineFailed || got.Detail == "" {
		t.Errorf("no answer to the write: %+v", got)
	}
	b.bmc.Remove("/redfish/v1/Systems/1")
	if got := b.answered(b.ask(inventory.OpLocate, "")); got.Result != lineFailed || b.sent("PATCH", "") != 4 {
		t.Errorf("a host that is not there: %+v", got)
	}
	if b.op() != "" || b.outcomes() != "" {
		t.Errorf("a light left %q and intents %q", b.op(), b.outcomes())
	}
}

// TestPower: what a person asks for is sent once and answered; a host that is
// already as wanted is not touched.
func TestPower(t *testing.T) {
	for _, c := range []struct {
		name, args string
		on         bool
		result     string
		verb       string // that the host obeyed; empty: none
		ends       string
		intents    string
	}{
		{"on", `{"action":"on"}`, false, lineOK, "1 On", "On", "ok"},
		{"off", `{"action":"off"}`, true, lineOK, "1 GracefulShutdown", "Off", "ok"},
		{"force-off", `{"action":"force-off"}`, true, lineOK, "1 ForceOff", "Off", "ok"},
		{"restart", `{"action":"restart"}`, true, lineOK, "1 ForceRestart", "On", "ok"},
		{"on, and it is on", `{"action":"on"}`, true, lineOK, "", "On", "ok"},
		{"off, and it is off", `{"action":"off"}`, false, lineOK, "", "Off", "ok"},
		{"force-off, and it is off", `{"action":"force-off"}`, false, lineOK, "", "Off", "ok"},
		{"a host that is off cannot restart", `{"action":"restart"}`, false, lineFailed, "", "Off", "failed"},
		{"no such action", `{"action":"explode"}`, true, lineRefused, "", "On", ""},
		{"no action", "", true, lineRefused, "", "On", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := errandBay(t, c.on)
			got := b.answered(b.ask(inventory.OpPower, c.args))
			b.work("the host is "+c.ends, func() bool { return b.bmc.Power() == c.ends })
			if got.Result != c.result || got.Detail == "" || b.outcomes() != c.intents {
				t.Errorf("%+v, intents %q", got, b.outcomes())
			}
			b.turns(3) // nothing repeats it by itself
			if all := b.resets(); c.verb == "" && len(all) != 0 || c.verb != "" && (len(all) != 1 || all[c.verb] != 1) {
				t.Errorf("the host was told %v", all)
			}
			if b.op() != "" {
				t.Errorf("afterwards runs %q", b.op())
			}
		})
	}
}

// TestPowerUnknown: a lost answer is read back and nothing is sent twice; what
// never began is said to have failed, not to be done.
func TestPowerUnknown(t *testing.T) {
	for _, c := range []struct {
		name, action string
		on           bool
		lost         string // before or after the host obeyed
		dies         bool   // the server, with the request
		result, says string
		told         int
	}{
		{"a restart, its answer lost", "restart", true, "after", false, lineOK, "was reset since", 1},
		{"a restart that was lost", "restart", true, "before", false, lineFailed, "never began", 0},
		{"a switch-on, its answer lost", "on", false, "after", false, lineOK, "read back", 1},
		{"a switch-off, its answer lost", "force-off", true, "after", false, lineOK, "read back", 1},
		{"a restart, and the server died", "restart", true, "", true, lineOK, "was reset since", 1},
		{"a lost restart, and the server died", "restart", true, "before", true, lineFailed, "never began", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := errandBay(t, c.on)
			if c.lost != "" {
				b.faults(bmcsim.Fault{Method: "POST", Path: "*" + hostReset, Reset: c.lost})
			}
			b.begun = func(inventory.Intent) { b.dead = c.dies }
			run := b.ask(inventory.OpPower, `{"action":"`+c.action+`"}`)
			if c.dies {
				b.work("the server dies", func() bool { return b.dead })
				b.start()
			}
			got := b.answered(run)
			told := 0
			for _, n := range b.resets() {
				told += n
			}
			if got.Result != c.result || !strings.Contains(got.Detail, c.says) || told != c.told || b.sent("POST", hostReset) != 1 {
				t.Errorf("%+v; the host was told %v, %d were sent", got, b.resets(), b.sent("POST", hostReset))
			}
			if n := strings.Count(b.outcomes(), " "); n != 0 || b.op() != "" {
				t.Errorf("intents %q, runs %q", b.outcomes(), b.op())
			}
		})
	}
}

// TestPowerBrokenOff: a lock that a person broke in the middle leaves nothing
// unread, or it could never be confirmed.
func TestPowerBrokenOff(t *testing.T) {
	b := errandBay(t, true)
	b.faults(bmcsim.Fault{Method: "POST", Path: "*" + hostReset, Reset: "after"})
	b.begun = func(inventory.Intent) { b.silence() }
	run := b.ask(inventory.OpPower, `{"action":"restart"}`)
	b.work("nobody knows", func() bool { return b.outcomes() == "open" && b.blocked("conductor.unreachable") })
	b.breakOff()
	b.turns(2)
	if b.outcomes() != "open" || !b.blocked("conductor.unreachable") {
		t.Fatalf("decided without looking: %q, blockers %q", b.outcomes(), b.said())
	}
	b.fleet.ClearFaults()
	if got := b.answered(run); got.Result != lineOK || b.outcomes() != "ok" || b.resets()["1 ForceRestart"] != 1 {
		t.Errorf("%+v, intents %q, the host was told %v", got, b.outcomes(), b.resets())
	}
	b.breakOff() // the confirmation
}

// TestPowerWaitsForItsBMC: a BMC that is away or busy is waited for, and only
// what people can act on is said; after its time the wish is answered instead
// of carried out.
func TestPowerWaitsForItsBMC(t *testing.T) {
	t.Run("away", func(t *testing.T) {
		b := errandBay(t, false)
		b.faults(loginsFail)
		run := b.ask(inventory.OpPower, `{"action":"on"}`)
		b.work("somebody is sent", func() bool { return b.blocked("conductor.unreachable") })
		if b.op() != "power power" || b.line(run).Result != lineRunning || !strings.HasPrefix(b.line(run).Detail, "not sent yet") || b.outcomes() != "" {
			t.Fatalf("runs %q, line %+v, intents %q", b.op(), b.line(run), b.outcomes())
		}
		b.fleet.ClearFaults()
		if got := b.answered(run); got.Result != lineOK || b.resets()["1 On"] != 1 || b.blocked("conductor.unreachable") {
			t.Errorf("%+v, told %v, blockers %s", got, b.resets(), b.said())
		}
	})
	t.Run("busy", func(t *testing.T) {
		b := errandBay(t, false)
		busy := loginsFail
		busy.Reset, busy.Status = "", 503
		b.faults(busy)
		run := b.ask(inventory.OpPower, `{"action":"on"}`)
		b.work("it was tried so often that an error would be a blocker", func() bool { return b.sent("POST", "/Sessions") > worst+1 })
		if b.op() != "power power" || b.said() != "" { // not even what its milestone asks for
			t.Fatalf("runs %q, blockers %s", b.op(), b.said())
		}
		b.fleet.ClearFaults()
		if got := b.answered(run); got.Result != lineOK || b.resets()["1 On"] != 1 {
			t.Errorf("%+v, told %v", got, b.resets())
		}
	})
	t.Run("too late", func(t *testing.T) {
		b := errandBay(t, false)
		b.faults(loginsFail)
		run := b.ask(inventory.OpPower, `{"action":"on"}`)
		b.work("somebody is sent", func() bool { return b.blocked("conductor.unreachable") })
		b.edit(func(op *inventory.Operation) { op.Deadline = time.Now().Add(-time.Second) })
		b.fleet.ClearFaults()
		if got := b.answered(run); got.Result != lineFailed || !strings.Contains(got.Detail, "not sent within 10m0s") || len(b.resets()) != 0 || b.op() != "" {
			t.Errorf("%+v, told %v, runs %q", got, b.resets(), b.op())
		}
	})
}
