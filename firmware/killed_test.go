package firmware

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// TestKilledAtEveryCommit: the end is the same and the device saw exactly one
// flash and one reset, wherever the server died.
func TestKilledAtEveryCommit(t *testing.T) {
	points := 0
	for kill := 0; kill == 0 || kill <= points; kill++ {
		synctest.Test(t, func(t *testing.T) {
			d, r := newDevice(item("FW_BMC_0", "1.0")), newRecord()
			r.kill = kill
			p := run(t, d, r)
			if kill == 0 {
				points = r.points
			}
			if p.Phase != PhaseDone || d.flashes != 1 || d.reset != 1 || len(r.unsettled()) != 0 {
				t.Errorf("killed at commit %d: %s (%s), %d flashes, %d resets", kill, p.Phase, p.Failure, d.flashes, d.reset)
			}
		})
	}
	if points < 20 {
		t.Fatalf("only %d commit points were seen", points)
	}
	t.Logf("%d commit points", points)
}

// TestTheReadBackMatters: without looking first, the same kill flashes twice.
// It proves that the test above can fail.
func TestTheReadBackMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, r := newDevice(item("FW_BMC_0", "1.0")), newRecord()
		d.onStart = fault(ErrUnknownOutcome)
		plan := planned(t, d)
		file := filepath.Join(t.TempDir(), "fw")
		if err := os.WriteFile(file, []byte("image"), 0o600); err != nil {
			t.Fatal(err)
		}
		e := &Executor{Updater: d, Payloads: payload(file), Begin: r.begin}
		blind := Progress{Step: 1, Phase: PhaseClear}
		for range 2 {
			for _, i := range r.unsettled() {
				r.settled[i.ID] = inventory.OutcomeFailed // "no answer, so it failed"
			}
			d.tasks = map[string]time.Time{}
			if _, err := e.Advance(t.Context(), plan, blind); err != nil {
				t.Fatal(err)
			}
		}
		if d.flashes != 2 {
			t.Fatalf("%d flashes: the device model would not notice a second flash", d.flashes)
		}
	})
}

// dying is a record whose server dies between the intent and the bytes, so many
// times. The progress of that turn is lost with it.
type dying struct {
	*record
	in   string // words of the actions that it dies in
	cuts int
}

func (r *dying) begin(ctx context.Context, i inventory.Intent) (inventory.IntentID, error) {
	id, err := r.record.begin(ctx, i)
	if err == nil && r.cuts > 0 && strings.Contains(i.Effect, r.in) {
		r.cuts--
		return "", errKilled
	}
	return id, err
}

// TestDeathsBeforeTheBytes: a flash may be sent once more, whoever died. That the
// server died in an activation says nothing about the device, and there is an end
// to it all the same.
func TestDeathsBeforeTheBytes(t *testing.T) {
	for _, c := range []struct {
		in             string
		cuts           int
		want           Phase
		flashes, reset int
	}{
		{"flashing", 1, PhaseDone, 1, 1}, {"flashing", sends, PhaseFailed, 0, 0},
		{"to activate", 1, PhaseDone, 1, 1}, {"to activate", sends, PhaseDone, 1, 1}, {"to activate", sendsCut - 1, PhaseDone, 1, 1}, {"to activate", sendsCut, PhaseFailed, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, r := newDevice(item("FW_BMC_0", "1.0")), &dying{newRecord(), c.in, c.cuts}
			p := runFrom(t, d, r.record, r.begin)
			if p.Phase != c.want || d.flashes != c.flashes || d.reset != c.reset || len(r.unsettled()) != 0 {
				t.Errorf("%d deaths in %s: %s (%s), %d flashes, %d resets, want %s, %d, %d", c.cuts, c.in, p.Phase, p.Failure, d.flashes, d.reset, c.want, c.flashes, c.reset)
			}
		})
	}
}
