package conductor

import (
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/redfish"
)

// TestSafetyOnAgain: a host that comes on again though the detectors are dry by then
// is switched off again for as long as an order may be under way, and not for ever.
func TestSafetyOnAgain(t *testing.T) {
	inPond(t, func(t *testing.T, p *pond, s *Safety) {
		b := &scripted{wet: [][]redfish.Alarm{wetAlarm, wetAlarm, nil}, takes: time.Second}
		script(p, s, map[string]*scripted{"C01": b})
		lookNow(t, s)
		if r := p.latch("C01"); !strings.HasSuffix(r, hostOff) || b.off.Load() != 1 {
			t.Fatalf("%d power-offs, latch %q", b.off.Load(), r)
		}
		time.Sleep(30 * time.Second)
		b.done.Store(false)
		lookNow(t, s)
		if !b.done.Load() || b.off.Load() != 2 {
			t.Errorf("it came on again and stays on, %d power-offs", b.off.Load())
		}
		b.done.Store(false)
		b.wet = append(b.wet, noWord) // the detector has drowned
		lookNow(t, s)
		if !b.done.Load() || b.off.Load() != 3 {
			t.Errorf("it came on again behind a blind detector, %d power-offs", b.off.Load())
		}
		b.done.Store(false)
		b.takes = 0 // it does not take the order any more
		lookNow(t, s)
		if r := p.latch("C01"); !strings.Contains(r, "NOT off") {
			t.Errorf("latch %q while its host is on", r)
		}
		before := b.off.Load()
		time.Sleep(watchSlow)
		lookNow(t, s)
		if b.off.Load() != before {
			t.Errorf("%d power-offs by a watch that reads dry for long", b.off.Load()-before)
		}
	})
}
