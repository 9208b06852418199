package conductor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
)

// follow is the watch of the next process, which finds the spool as it was left.
func follow(p *pond, s *Safety, left []byte) *Safety {
	p.t.Helper()
	out := &Safety{Store: s.Store, Open: s.Open, Holder: s.Holder, Every: s.Every, Spool: s.Spool + ".next", Log: s.Log}
	p.must(os.WriteFile(out.Spool, left, 0o600))
	return out
}

// begins is what Run does before the first look.
func begins(t *testing.T, s *Safety) {
	t.Helper()
	s.save()
	s.settle(t.Context())
	if _, err := os.Stat(s.Spool); !errors.Is(err, os.ErrNotExist) || len(s.owed) != 0 {
		t.Errorf("%d are owed still, spool: %v", len(s.owed), err)
	}
}

func spooled(p *pond, s *Safety) []byte {
	p.t.Helper()
	raw, err := os.ReadFile(s.Spool)
	p.must(err)
	return raw
}

// slowRack is a pond in which C01 leaks, once, and takes long to be powered off.
func slowRack(t *testing.T, do func(*testing.T, *pond, *Safety, *scripted)) {
	t.Helper()
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		b := &scripted{wet: [][]redfish.Alarm{wetAlarm, wetAlarm, nil}, takes: 20 * time.Second}
		script(p, s, map[string]*scripted{"C01": b, "C02": dryBMC(), "P01": dryBMC()})
		s.Spool = filepath.Join(t.TempDir(), "leaks")
		s.nodes(t.Context())
		do(t, p, s, b)
	})
}

// TestSafetyOutlives: what the record did not take outlives the watch that read
// it, whenever that one is killed, and is kept nowhere once it is on record.
func TestSafetyOutlives(t *testing.T) {
	for _, at := range []time.Duration{time.Second, watchConfirm + time.Second, time.Minute} {
		slowRack(t, func(t *testing.T, p *pond, s *Safety, b *scripted) {
			p.lose(errors.New("disk full"))
			s.begin(t.Context(), 0)
			time.Sleep(at)
			left := follow(p, s, spooled(p, s))
			s.looks.Wait()
			p.lose(nil)
			before := b.off.Load()
			begins(t, left)
			says := unsure
			if at == time.Minute {
				says = hostOff
			}
			if r := p.latch("C01"); !strings.HasSuffix(r, says) || p.leaks("C01") != "fail" {
				t.Errorf("killed after %s: latch %q, leaks %q, log:\n%s", at, r, p.leaks("C01"), &p.log)
			}
			lookNow(t, left)
			if r := p.latch("C01"); !strings.HasSuffix(r, "Critical (stays until it is re-armed); "+hostOff) || p.leaks("C01") != "fail pass" || b.off.Load() != before {
				t.Errorf("then: latch %q, leaks %q, %d more power-offs", r, p.leaks("C01"), b.off.Load()-before)
			}
		})
	}
}

// TestSafetyCutShort: a power-off whose end its server did not live to see is
// brought to an end by whoever watches next, and by nobody who cannot know.
func TestSafetyCutShort(t *testing.T) {
	slowRack(t, func(t *testing.T, p *pond, s *Safety, b *scripted) {
		ctx := t.Context()
		s.begin(ctx, 0)
		time.Sleep(watchConfirm + time.Second)
		if r := p.latch("C01"); !strings.HasSuffix(r, underWay) {
			t.Fatalf("latch %q", r)
		}
		left := follow(p, s, []byte("[]"))
		left.nodes(ctx) // and it loses the record
		s.looks.Wait()
		n := p.node("C01")
		n.Holds[0].Reason = strings.TrimSuffix(n.Holds[0].Reason, hostOff) + underWay
		p.must(p.Store.Hold(ctx, inventory.NodeSubject(n.ID), n.Holds[0]))
		b.takes = time.Second
		before := b.off.Load()
		p.lose(errors.New("no route to the database"))
		for range 3 {
			b.done.Store(false)
			lookNow(t, left)
		}
		if b.off.Load() != before {
			t.Errorf("%d power-offs by a watch that cannot know whether the latch was lifted", b.off.Load()-before)
		}
		p.lose(nil)
		lookNow(t, left)
		if r := p.latch("C01"); !strings.HasSuffix(r, "; "+hostOff) || strings.Contains(r, underWay) || b.off.Load() != before+1 {
			t.Errorf("latch %q after %d power-offs", r, b.off.Load()-before)
		}
	})
}

// TestSafetyLate: what was set and lifted while a server was down is not set anew
// by what its spool says of the same leak, whoever had recorded it.
func TestSafetyLate(t *testing.T) {
	for _, other := range []bool{false, true} {
		slowRack(t, func(t *testing.T, p *pond, s *Safety, b *scripted) {
			if other { // another server recorded it
				p.lose(errors.New("no route to the database"))
			}
			s.begin(t.Context(), 0)
			time.Sleep(watchConfirm / 2)
			if other {
				s.looks.Wait()
			}
			raw := spooled(p, s)
			p.lose(nil)
			if other {
				p.must(p.Store.Hold(t.Context(), inventory.NodeSubject(p.node("C01").ID), inventory.Hold{Name: inventory.HoldSafetyLatch, Reason: "leak: /L; " + hostOff}))
			}
			s.looks.Wait()
			time.Sleep(time.Minute)
			next := follow(p, s, []byte("[]"))
			lookNow(t, next)
			p.must(p.lift("C01"))
			time.Sleep(48 * time.Hour)
			b.done.Store(false) // dry, repaired, and on
			before, leaks := b.off.Load(), strings.Count(p.leaks("C01"), "fail")
			left := follow(p, s, raw)
			begins(t, left)
			lookNow(t, left)
			if r := p.latch("C01"); r != "" || b.off.Load() != before {
				t.Errorf("two days later: latch %q, %d power-offs, log:\n%s", r, b.off.Load()-before, &p.log)
			}
			if now := strings.Count(p.leaks("C01"), "fail"); now != 1 {
				t.Errorf("the leak is on record %d times, before the restart %d times", now, leaks)
			}
		})
	}
}

// TestSafetyStory: a latch on record is told a newer and a worse story of the power,
// and no older one; a latch that a person set is left alone.
func TestSafetyStory(t *testing.T) {
	const notOff = "its host is NOT off (away): cut its supply at the shelf or outlet"
	for _, c := range []struct{ held, by, owed, want string }{
		{underWay, "", notOff, notOff},
		{underWay, "", hostOff, hostOff},
		{hostOff, "", notOff, notOff},
		{hostOff, "", underWay, hostOff},
		{notOff, "", hostOff, notOff},
		{notOff, "", underWay, notOff},
		{underWay, "fay", notOff, underWay},
		{hostOff, "", hostOff, hostOff},
	} {
		slowRack(t, func(t *testing.T, p *pond, s *Safety, _ *scripted) {
			on := inventory.NodeSubject(p.node("C01").ID)
			at := time.Now()
			time.Sleep(time.Second)
			p.must(p.Store.Hold(t.Context(), on, inventory.Hold{Name: inventory.HoldSafetyLatch, By: inventory.PersonID(c.by), Reason: "leak: /L; " + c.held}))
			s.promise(latchDue(on, at, "leak: /L; "+c.owed))
			begins(t, follow(p, s, spooled(p, s)))
			if r := p.latch("C01"); r != "leak: /L; "+c.want {
				t.Errorf("held by %q as %q, owed %q: %q", c.by, c.held, c.owed, r)
			}
		})
	}
}

// TestSafetyByHand: a latch that a person set with our words is not set again at
// every look.
func TestSafetyByHand(t *testing.T) {
	slowRack(t, func(t *testing.T, p *pond, s *Safety, b *scripted) {
		script(p, s, map[string]*scripted{"C01": dryBMC(), "C02": dryBMC(), "P01": dryBMC()})
		n := p.node("C01")
		p.must(p.Store.Hold(t.Context(), inventory.NodeSubject(n.ID), inventory.Hold{Name: inventory.HoldSafetyLatch, By: "fay", Reason: "leak: /L; " + underWay}))
		for range 3 {
			lookNow(t, s)
		}
		sets := 0
		for e, err := range p.Entries(t.Context(), inventory.RackSubject(n.Rack), 0) {
			p.must(err)
			if e.Kind == "hold.set" {
				sets++
			}
		}
		if sets != 1 {
			t.Errorf("%d latches were set", sets)
		}
	})
}

// TestSafetyOnce: what its maker is about to record is not recorded by a look
// that falls between.
func TestSafetyOnce(t *testing.T) {
	slowRack(t, func(t *testing.T, p *pond, s *Safety, _ *scripted) {
		s.begin(t.Context(), 0)
		time.Sleep(watchConfirm / 2)
		s.settle(t.Context())
		if r := p.latch("C01"); r != "" || !strings.Contains(string(spooled(p, s)), underWay) {
			t.Errorf("latch %q, spool %s", r, spooled(p, s))
		}
		s.looks.Wait()
		old := latchDue(inventory.NodeSubject(p.node("C01").ID), time.Now(), "leak: /L; "+underWay)
		s.promise(old)
		s.hold(t.Context(), old.On, "leak: /L; "+hostOff)
		s.pay(t.Context(), old) // a settling that began before
		if r := p.latch("C01"); r != "leak: /L; "+hostOff || p.leaks("C01") != "fail" {
			t.Errorf("latch %q, leaks %q", r, p.leaks("C01"))
		}
	})
}

// TestSafetyShelfOutlives: a shelf's leak latches its rack though the server is
// killed before it could ask for that; two trays do, too.
func TestSafetyShelfOutlives(t *testing.T) {
	for _, slots := range [][]string{{"P01"}, {"C01", "C02"}} {
		inPond(t, func(t *testing.T, p *pond, s *Safety) {
			by := map[string]*scripted{"C01": dryBMC(), "C02": dryBMC(), "P01": dryBMC()}
			for _, slot := range slots {
				by[slot] = &scripted{wet: [][]redfish.Alarm{wetAlarm}, takes: 20 * time.Second}
			}
			script(p, s, by)
			s.Spool = filepath.Join(t.TempDir(), "leaks")
			s.begin(t.Context(), 0)
			time.Sleep(time.Second)
			left := follow(p, s, spooled(p, s))
			p.lose(errors.New("killed"))
			s.looks.Wait()
			p.lose(nil)
			begins(t, left)
			if r := p.latch(""); !strings.HasPrefix(r, "leak in ") {
				t.Errorf("%v leak: the rack's latch is %q", slots, r)
			}
		})
	}
}

// TestSafetyUnknown: what the record will never take is put aside, and does not
// come back at every look.
func TestSafetyUnknown(t *testing.T) {
	slowRack(t, func(t *testing.T, p *pond, s *Safety, _ *scripted) {
		s.promise(latchDue(inventory.NodeSubject("nobody"), time.Now(), "leak: /L; "+hostOff))
		left := follow(p, s, spooled(p, s))
		begins(t, left)
		aside, err := filepath.Glob(left.Spool + ".bad-*")
		p.must(err)
		if len(aside) != 1 || !strings.Contains(p.log.String(), "set the latch by hand") {
			t.Errorf("put aside %q, log:\n%s", aside, &p.log)
		}
	})
}

// TestSafetyHungDisk: a disk that hangs delays a latch by seconds and no more.
func TestSafetyHungDisk(t *testing.T) {
	p, s := newPond(t, t.TempDir())
	script(p, s, map[string]*scripted{"C01": {wet: [][]redfish.Alarm{wetAlarm}, takes: time.Millisecond}, "C02": dryBMC(), "P01": dryBMC()})
	s.Spool = filepath.Join(t.TempDir(), "leaks")
	p.must(syscall.Mkfifo(s.Spool+".new", 0o600)) // opening it waits for a reader
	lookNow(t, s)
	if p.latch("C01") == "" || p.leaks("C01") != "fail" || !strings.Contains(p.log.String(), "does not answer") {
		t.Errorf("latch %q, leaks %q, log:\n%s", p.latch("C01"), p.leaks("C01"), &p.log)
	}
	p.must(os.Remove(s.Spool + ".new"))
}
