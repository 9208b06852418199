package conductor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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
	slow  bool          // the second reading hangs
	cut   bool          // it falls silent after the leak was read
	takes time.Duration // for a power-off
	lists atomic.Int32  // detectors
	asked atomic.Int32
	off   atomic.Int32
	done  atomic.Bool
}

func (b *scripted) Leaks(ctx context.Context, _ int) (redfish.Sensed, error) {
	asked := int(b.asked.Add(1))
	if b.slow && asked > 1 {
		<-ctx.Done()
		return redfish.Sensed{}, ctx.Err()
	}
	if b.err != nil && asked > 1 {
		return redfish.Sensed{}, b.err
	}
	if b.cut {
		return redfish.Sensed{Alarms: b.wet[0]}, redfish.ErrUnreachable
	}
	return redfish.Sensed{Alarms: b.wet[min(asked, len(b.wet))-1], Detectors: int(b.lists.Load())}, nil
}

func (b *scripted) Power(context.Context) (redfish.PowerState, error) {
	if b.done.Load() {
		return redfish.PowerOff, nil
	}
	return redfish.PowerOn, nil
}

func (b *scripted) SetPower(ctx context.Context, _ redfish.PowerAction) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.off.Add(1)
	select {
	case <-time.After(b.takes):
		b.done.Store(b.takes > 0)
		return b.power
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (*scripted) ReadyOff(context.Context) error { return nil }
func (*scripted) Close() error                   { return nil }

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
				if (c.bmc.off.Load() > 0) != c.off || (r != "") != c.off || !strings.Contains(r, c.says) {
					t.Errorf("%d power-offs, latch %q", c.bmc.off.Load(), r)
				}
			})
		})
	}
}

// TestSafetyFlaps: a leak that is read once shuts the gate until the next look;
// one that comes and goes is a leak.
func TestSafetyFlaps(t *testing.T) {
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		b := &scripted{wet: [][]redfish.Alarm{nil, wetAlarm, nil, nil}}
		script(p, s, map[string]*scripted{"C01": b})
		for range 3 { // dry; wet and dry again; dry
			lookNow(t, s)
			time.Sleep(s.Every)
		}
		if p.leaks("C01") != "pass fail pass" || p.latch("C01") != "" || b.off.Load() != 0 {
			t.Fatalf("read once: leaks %s, latch %q, %d power-offs", p.leaks("C01"), p.latch("C01"), b.off.Load())
		}
		b.wet = append(b.wet, wetAlarm, nil)
		lookNow(t, s)
		if p.latch("C01") == "" || b.off.Load() == 0 {
			t.Errorf("twice within %s: latch %q, %d power-offs", watchFlap, p.latch("C01"), b.off.Load())
		}
	})
}

// TestSafetyTold: a leak that another reading met counts, though the BMC cannot
// be asked any more.
func TestSafetyTold(t *testing.T) {
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		script(p, s, nil)
		s.Leak(t.Context(), p.node("C01"), time.Now(), redfish.Sensed{Alarms: wetAlarm})
		if r := p.latch("C01"); !strings.Contains(r, "its BMC does not answer") || p.leaks("C01") != "fail" {
			t.Errorf("latch %q, leaks %q", r, p.leaks("C01"))
		}
	})
}

// TestSafetySlowOff: a power-off that takes long delays no latch, and the latch
// tells its end.
func TestSafetySlowOff(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		says  string
	}{{20 * time.Second, hostOff}, {time.Hour, "NOT off"}} {
		inPond(t, func(t *testing.T, p *pond, s *Safety) {
			b := &scripted{wet: [][]redfish.Alarm{wetAlarm}, takes: c.takes}
			script(p, s, map[string]*scripted{"C01": b})
			s.begin(t.Context(), 0)
			time.Sleep(watchConfirm + time.Second)
			if r := p.latch("C01"); !strings.HasSuffix(r, underWay) {
				t.Errorf("after %s: %q", watchConfirm, r)
			}
			s.looks.Wait()
			if r := p.latch("C01"); !strings.Contains(r, c.says) || strings.Contains(r, underWay) {
				t.Errorf("in the end: %q", r)
			}
		})
	}
}

// TestSafetyHangs: a record that hangs keeps nobody from looking at the BMCs.
func TestSafetyHangs(t *testing.T) {
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		a, b := &scripted{wet: [][]redfish.Alarm{wetAlarm}}, dryBMC()
		script(p, s, map[string]*scripted{"C01": a, "C02": b, "P01": b})
		lookNow(t, s)
		p.hangs = true
		for i := range 40 {
			s.owe(t.Context(), leakDue(inventory.NodeSubject(inventory.NodeID(fmt.Sprint(i))), time.Now(), found{}, redfish.Sensed{}))
		}
		before, begun := b.asked.Load(), time.Now()
		s.begin(t.Context(), 0)
		if d := time.Since(begun); d > 3*watchRecord {
			t.Errorf("the watch stood still for %s", d)
		}
		time.Sleep(3 * watchRecord)
		if b.asked.Load() == before {
			t.Error("nobody was looked at")
		}
		s.looks.Wait()
	})
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
		if hung != 2 || quick.asked.Load() != 2*6 {
			t.Errorf("in 200 s the slow one was asked %d times, two others %d times", hung, quick.asked.Load())
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
				run(2 * watchBlind)
				if got := p.leaks("C01"); got != "pass unjudged" || strings.Count(p.log.String(), "are not watched\" node=A12/C01") != 1 {
					t.Fatalf("later: %s, log:\n%s", got, &p.log)
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
	pass, fail := inventory.ResultPass, inventory.ResultFail
	for _, c := range []struct {
		name  string
		rows  []inventory.Evidence
		holds []inventory.Hold
		now   inventory.Result
		want  bool
	}{
		{"nothing yet", nil, nil, pass, true},
		{"the same", ev(pass, noon), nil, pass, false},
		{"a leak", ev(pass, noon), nil, fail, true},
		{"dry again", ev(fail, noon), nil, pass, true},
		{"dry after the latch", ev(pass, noon.Add(-time.Minute)), latched, pass, true},
		{"dry after the latch, on record", ev(pass, noon.Add(time.Minute)), latched, pass, false},
		{"wet all the while", ev(fail, noon.Add(-time.Minute)), latched, fail, false},
	} {
		f := lifecycle.Facts{Node: inventory.Node{ID: "n", Holds: c.holds}, Evidence: c.rows}
		if got := stale(f, found{lifecycle.GateLeak, c.now, ""}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	air := lifecycle.Facts{Node: inventory.Node{ID: "n"}, Type: inventory.RackType{Gates: []inventory.GateRule{{Gate: lifecycle.GateLeak, By: inventory.ByDeclaration, Reason: "air cooled"}}}}
	if stale(air, found{lifecycle.GateLeak, pass, ""}) {
		t.Error("evidence for a gate that no machine is asked for")
	}
}

// TestSafetyFewer: a BMC that lists fewer detectors than before is not dry,
// however long; a person who confirms it anew says that it has no more.
func TestSafetyFewer(t *testing.T) {
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		b := dryBMC()
		script(p, s, map[string]*scripted{"C01": b})
		look := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(s.Every) {
				lookNow(t, s)
			}
		}
		b.lists.Store(4)
		look(s.Every)
		if n := p.node("C01").BMC.Detectors; n != 4 {
			t.Fatalf("the record knows %d detectors", n)
		}
		b.lists.Store(2)
		look(3 * watchBlind)
		rows, err := p.Store.Evidence(t.Context(), inventory.NodeSubject(p.node("C01").ID))
		p.must(err)
		if p.leaks("C01") != "pass unjudged" || !strings.Contains(rows[len(rows)-1].Detail, "lists 2 of 4 leak detectors") {
			t.Fatalf("leaks %s, %s", p.leaks("C01"), rows[len(rows)-1].Detail)
		}
		e := p.node("C01").BMC
		e.Detectors = 0
		p.must(p.Store.Bind(t.Context(), p.node("C01").ID, e))
		look(2 * s.Every)
		if p.leaks("C01") != "pass unjudged pass" || p.node("C01").BMC.Detectors != 2 {
			t.Errorf("confirmed anew: leaks %s, %d detectors", p.leaks("C01"), p.node("C01").BMC.Detectors)
		}
	})
}
