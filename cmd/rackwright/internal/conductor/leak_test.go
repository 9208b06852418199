package conductor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// scripted is a BMC that says what the table wants.
type scripted struct {
	wet   [][]redfish.Alarm
	err   error
	power error
	slow  bool // the second reading hangs
	cut   bool // it falls silent after the leak was read
	asked int
	off   int
}

func (b *scripted) Leaks(ctx context.Context) ([]redfish.Alarm, error) {
	b.asked++
	if b.slow && b.asked > 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if b.err != nil && b.asked > 1 {
		return nil, b.err
	}
	if b.cut {
		return b.wet[0], redfish.ErrUnreachable
	}
	return b.wet[min(b.asked, len(b.wet))-1], nil
}
func (b *scripted) Power(context.Context) (redfish.PowerState, error) { return redfish.PowerOn, nil }
func (b *scripted) SetPower(ctx context.Context, _ redfish.PowerAction) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.off++
	return b.power
}
func (*scripted) Close() error { return nil }

// script answers for the BMCs of a pond; one without an entry cannot be reached.
func script(p *pond, s *Safety, by map[string]*scripted) {
	s.Open = func(_ context.Context, e inventory.Endpoint) (Watched, error) {
		if b := by[p.slots[e.Node]]; b != nil {
			return b, nil
		}
		return nil, &redfish.Error{Op: "login", Endpoint: "https://10.0.0.7:443", Err: redfish.ErrUnreachable}
	}
}

var (
	wetAlarm = []redfish.Alarm{{Kind: redfish.AlarmLeak, Sensor: "/L", State: "Critical", Latched: true}}
	noWord   = []redfish.Alarm{{Kind: redfish.AlarmBlind, Sensor: "/L", Leak: true}}
)

func dryBMC() *scripted { return &scripted{wet: [][]redfish.Alarm{nil}} }

// inPond runs a test in virtual time on a real record.
func inPond(t *testing.T, do func(*testing.T, *pond, *Safety)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p, s := newPond(t, dir)
		do(t, p, s)
	})
}

// TestSafetyDoubts: a glitch cuts nothing; a leak that cannot be read twice, or
// a host that stays on, is said to people who can pull a plug.
func TestSafetyDoubts(t *testing.T) {
	for _, c := range []struct {
		name string
		bmc  *scripted
		off  bool
		says string
	}{
		{"blind is no leak; see TestSafetyBlind", &scripted{wet: [][]redfish.Alarm{noWord}}, false, ""},
		{"read once and not again", &scripted{wet: [][]redfish.Alarm{wetAlarm, nil}}, false, ""},
		{"blind when it is read again", &scripted{wet: [][]redfish.Alarm{wetAlarm, noWord}}, true, "NOT off"},
		{"cannot be repeated", &scripted{wet: [][]redfish.Alarm{wetAlarm}, err: errors.New("away")}, true, "NOT off"},
		{"second reading hangs", &scripted{wet: [][]redfish.Alarm{wetAlarm}, slow: true}, true, "NOT off"},
		{"falls silent after the leak", &scripted{wet: [][]redfish.Alarm{wetAlarm}, cut: true}, true, "NOT off"},
		{"stays on", &scripted{wet: [][]redfish.Alarm{wetAlarm}}, true, "its host is NOT off (power state \"On\"): cut its supply"},
		{"refused", &scripted{wet: [][]redfish.Alarm{wetAlarm}, power: redfish.ErrBusy}, true, redfish.ErrBusy.Error()},
		{"refused for good", &scripted{wet: [][]redfish.Alarm{wetAlarm}, power: redfish.ErrUnsupported}, true, "leak: /L Critical (stays until it is re-armed); its host is NOT off ("},
	} {
		t.Run(c.name, func(t *testing.T) {
			inPond(t, func(t *testing.T, p *pond, s *Safety) {
				script(p, s, map[string]*scripted{"C01": c.bmc})
				lookNow(t, s)
				r := p.latch("C01")
				if (c.bmc.off > 0) != c.off || (r != "") != c.off || !strings.Contains(r, c.says) {
					t.Errorf("%d power-offs, latch %q", c.bmc.off, r)
				}
			})
		})
	}
}

// TestSafetyShelf: a shelf that leaks is its rack's matter at once; two nodes on
// one BMC are one leak.
func TestSafetyShelf(t *testing.T) {
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		p.bind("C02", "https://c01.example")
		script(p, s, map[string]*scripted{"C01": {wet: [][]redfish.Alarm{wetAlarm}}, "C02": {wet: [][]redfish.Alarm{wetAlarm}}})
		lookNow(t, s)
		if p.latch("C01") == "" || p.latch("C02") == "" || p.latch("") != "" {
			t.Fatalf("latches %q %q, of the rack %q", p.latch("C01"), p.latch("C02"), p.latch(""))
		}
	})
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		script(p, s, map[string]*scripted{"P01": {wet: [][]redfish.Alarm{wetAlarm}}})
		lookNow(t, s)
		if p.latch("P01") == "" || p.latch("") != "leak in A12/P01: cut the power of the rack and isolate its coolant" {
			t.Fatalf("latch %q, of the rack %q", p.latch("P01"), p.latch(""))
		}
	})
}

// TestSafetySlow: one BMC that never answers delays no other, and is not asked
// a second time meanwhile.
func TestSafetySlow(t *testing.T) {
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		hung := 0
		quick := dryBMC()
		s.Open = func(ctx context.Context, e inventory.Endpoint) (Watched, error) {
			if p.slots[e.Node] == "C01" {
				hung++
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return quick, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
		defer cancel()
		s.Run(ctx)
		if hung != 2 || quick.asked != 2*6 {
			t.Errorf("in 200 s the slow one was asked %d times, two others %d times", hung, quick.asked)
		}
	})
}

// TestSafetyBlind: detectors that nobody can read shut the gate after longer
// than a flash explains, and a refused password does at once; it is said once,
// and opens again with the first dry reading. The address of the BMC is no part
// of what a customer gets.
func TestSafetyBlind(t *testing.T) {
	for _, c := range []struct {
		name  string
		open  func() (Watched, error)
		after time.Duration
		says  string
	}{
		{"away", func() (Watched, error) {
			return nil, &redfish.Error{Op: "login", Endpoint: "https://10.0.0.7:443", Err: redfish.ErrUnreachable}
		}, watchBlind, "its BMC does not answer"},
		{"a detector without a word", func() (Watched, error) { return &scripted{wet: [][]redfish.Alarm{noWord}}, nil }, watchBlind, "blind /L"},
		{"refused", func() (Watched, error) {
			return nil, &redfish.Error{Op: "login", Endpoint: "https://10.0.0.7:443", Err: redfish.ErrAuth}
		}, 0, "its BMC refuses the sealed password"},
		{"another key", func() (Watched, error) {
			return nil, &redfish.Error{Op: "login", Endpoint: "https://10.0.0.7:443", Err: redfish.ErrPin}
		}, watchBlind, "another key answers in place of its BMC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inPond(t, func(t *testing.T, p *pond, s *Safety) {
				broken, good := false, dryBMC()
				s.Open = func(context.Context, inventory.Endpoint) (Watched, error) {
					if broken {
						return c.open()
					}
					return good, nil
				}
				run := func(d time.Duration) {
					ctx, cancel := context.WithTimeout(t.Context(), d)
					defer cancel()
					s.Run(ctx)
				}
				run(2 * s.Every)
				broken = true
				if c.after > 0 {
					run(c.after)
					if got := p.leaks("C01"); got != "pass" {
						t.Fatalf("before %s: %s", c.after, got)
					}
				}
				run(time.Hour)
				if got := p.leaks("C01"); got != "pass unjudged" || strings.Count(p.log.String(), "are not watched\" node=A12/C01") != 1 {
					t.Fatalf("after an hour: %s, log:\n%s", got, &p.log)
				}
				rows, err := p.Store.Evidence(t.Context(), inventory.NodeSubject(p.node("C01").ID))
				p.must(err)
				if e := rows[len(rows)-1]; !strings.Contains(e.Detail, c.says) || strings.Contains(fmt.Sprint(e), "10.0.0.7") {
					t.Errorf("evidence %+v", e)
				}
				broken = false
				run(2 * s.Every)
				if got := p.leaks("C01"); got != "pass unjudged pass" {
					t.Errorf("back again: %s", got)
				}
			})
		})
	}
}

// TestLeakStale: what of a look becomes evidence.
func TestLeakStale(t *testing.T) {
	noon := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	ev := func(r inventory.Result, at time.Time) []inventory.Evidence {
		return []inventory.Evidence{{Subject: inventory.NodeSubject("n"), Gate: lifecycle.GateLeak, Producer: inventory.ByMachine, Result: r, At: at}}
	}
	latched := []inventory.Hold{{Name: inventory.HoldSafetyLatch, Since: noon}}
	pass, fail, open := inventory.ResultPass, inventory.ResultFail, inventory.ResultUnjudged
	for _, c := range []struct {
		name  string
		rows  []inventory.Evidence
		holds []inventory.Hold
		now   inventory.Result
		at    time.Time
		want  bool
	}{
		{"nothing yet", nil, nil, pass, noon, true},
		{"the same", ev(pass, noon), nil, pass, noon.Add(time.Hour), false},
		{"a leak", ev(pass, noon), nil, fail, noon.Add(time.Hour), true},
		{"a leak that somebody read dry since", ev(pass, noon.Add(time.Minute)), nil, fail, noon, true},
		{"dry again", ev(fail, noon), nil, pass, noon.Add(time.Minute), true},
		{"dry, and somebody read a leak since", ev(fail, noon.Add(time.Minute)), nil, pass, noon, false},
		{"blind, and somebody could read since", ev(pass, noon.Add(time.Minute)), nil, open, noon, false},
		{"dry after the latch", ev(pass, noon.Add(-time.Minute)), latched, pass, noon.Add(time.Minute), true},
		{"dry after the latch, on record", ev(pass, noon.Add(time.Minute)), latched, pass, noon.Add(2 * time.Minute), false},
		{"dry before the latch", ev(pass, noon.Add(-time.Hour)), latched, pass, noon.Add(-time.Minute), false},
	} {
		f := lifecycle.Facts{Node: inventory.Node{ID: "n", Holds: c.holds}, Evidence: c.rows}
		if got := stale(f, c.at, found{lifecycle.GateLeak, c.now, ""}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	air := lifecycle.Facts{Node: inventory.Node{ID: "n"}, Type: inventory.RackType{Gates: []inventory.GateRule{{Gate: lifecycle.GateLeak, By: inventory.ByDeclaration, Reason: "air cooled"}}}}
	if stale(air, noon, found{lifecycle.GateLeak, pass, ""}) {
		t.Error("evidence for a gate that no machine is asked for")
	}
}
