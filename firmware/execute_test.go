package firmware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// device is a model of a BMC under update: it counts what really happened.
type device struct {
	mu             sync.Mutex // the device's own timers change it beside its client
	active, staged map[string]string
	tasks          map[string]time.Time // id → when it ends
	flashes, reset int
	silentUntil    time.Time
	onStart        func(*device) error // fault of the next upload, after it took effect when it returns ErrUnknownOutcome
	skipEffect     bool                // the fault hit before the bytes arrived
	activateErr    error
	stick          bool // the activation changes nothing
	reap           bool
}

func newDevice(change ...inventory.Component) *device {
	d := &device{active: map[string]string{}, staged: map[string]string{}, tasks: map[string]time.Time{}}
	for _, c := range node(change...) {
		if c.Kind == inventory.KindFirmware {
			d.active[c.Slot] = c.Firmware
		}
	}
	return d
}

// after is something that happens inside the device later.
func (d *device) after(wait time.Duration, do func()) {
	time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		do()
	})
}

func (d *device) Installed(context.Context) ([]inventory.Component, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().Before(d.silentUntil) {
		return nil, fmt.Errorf("resetting: %w", ErrUnreachable)
	}
	var out []inventory.Component
	for slot, v := range d.active {
		c := item(slot, v)
		if s := d.staged[slot]; s != "" {
			c.Facts = map[string]string{inventory.FactStaged: s}
		}
		out = append(out, c)
	}
	return append(out, inventory.Component{Key: inventory.Key{Kind: inventory.KindChassis, Slot: "self"}, Serial: "S1"}), nil
}

func (d *device) State(context.Context) (State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := State{Mark: fmt.Sprint(d.reset)}
	for id, end := range d.tasks {
		s.Tasks = append(s.Tasks, id)
		if time.Now().Before(end) {
			s.Busy = append(s.Busy, id)
		}
	}
	return s, nil
}

func (d *device) Start(_ context.Context, step Step, f *os.File) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := io.ReadAll(f); err != nil {
		return "", err
	}
	var err error
	if d.onStart != nil {
		err, d.onStart = d.onStart(d), nil
	}
	if err != nil && !errors.Is(err, ErrUnknownOutcome) || d.skipEffect {
		d.skipEffect = false
		return "", err
	}
	d.flashes++
	id := fmt.Sprintf("task-%d", d.flashes)
	d.tasks[id] = time.Now().Add(3 * time.Minute)
	d.after(3*time.Minute, func() {
		for _, slot := range step.Instances {
			d.staged[slot] = step.To
		}
		if d.reap {
			delete(d.tasks, id)
		}
	})
	return id, err
}

func (d *device) Poll(_ context.Context, id string) (Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	end, ok := d.tasks[id]
	if !ok {
		return Status{}, fmt.Errorf("%s: %w", id, ErrTaskGone)
	}
	left := time.Until(end)
	if left <= 0 {
		return Status{Percent: 100, Done: true, Outcome: inventory.OutcomeOK}, nil
	}
	return Status{Percent: int(100 - left*100/(3*time.Minute))}, nil
}

func (d *device) Activate(_ context.Context, step Step) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.activateErr
	d.activateErr = nil
	if err != nil && !errors.Is(err, ErrUnknownOutcome) {
		return err
	}
	d.reset++
	d.silentUntil = time.Now().Add(2 * time.Minute)
	if !d.stick {
		for slot, v := range d.staged {
			d.active[slot] = v
			delete(d.staged, slot)
		}
	}
	return err
}

type payload string

func (p payload) Open(context.Context, images.Digest) (*os.File, error) { return os.Open(string(p)) }

// record keeps intents as the store does, and may die around a commit.
type record struct {
	intents  []inventory.Intent
	progress Progress
	settled  map[inventory.IntentID]inventory.Outcome
	kill     int // die at this commit point; counts down
	points   int
}

var errKilled = errors.New("killed")

func (r *record) point() error {
	r.points++
	if r.kill--; r.kill == 0 {
		return errKilled
	}
	return nil
}

func (r *record) begin(_ context.Context, i inventory.Intent) (inventory.IntentID, error) {
	if err := r.point(); err != nil {
		return "", err
	}
	for _, open := range r.unsettled() {
		return "", fmt.Errorf("intent %s is open: %w", open.ID, inventory.ErrConflict)
	}
	i.ID, i.Begun = inventory.IntentID(fmt.Sprint("i", len(r.intents))), time.Now()
	r.intents = append(r.intents, i)
	return i.ID, r.point()
}

func (r *record) unsettled() []inventory.Intent {
	var out []inventory.Intent
	for _, i := range r.intents {
		if _, done := r.settled[i.ID]; !done {
			out = append(out, i)
		}
	}
	return out
}

func (r *record) apply(p Progress) error {
	if err := r.point(); err != nil {
		return err
	}
	if p.Outcome != "" {
		r.settled[p.Intent] = p.Outcome
	}
	r.progress = p
	return r.point()
}

// planned is the plan of the baseline for what the device has now.
func planned(t *testing.T, d *device) Plan {
	t.Helper()
	seen, err := d.Installed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(baseline(t), "n1", seen)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// run drives a plan until it is finished, restarting after each death.
func run(t *testing.T, d *device, r *record) Progress { t.Helper(); return runFrom(t, d, r, r.begin) }

func runFrom(t *testing.T, d *device, r *record, begin inventory.Begin) Progress {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fw")
	if err := os.WriteFile(file, []byte("image"), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := planned(t, d)
	e := &Executor{Updater: d, Payloads: payload(file), Begin: begin, Target: "bmc:n1"}
	for range 5000 {
		p, err := Resume(r.progress, r.unsettled())
		if err != nil {
			t.Fatal(err)
		}
		p, err = e.Advance(t.Context(), plan, p)
		if err == nil {
			err = r.apply(p)
		}
		if err != nil && !errors.Is(err, errKilled) && !errors.Is(err, ErrUnreachable) {
			t.Fatalf("advance: %v", err)
		}
		if r.progress.Finished() {
			return r.progress
		}
		time.Sleep(10 * time.Second)
	}
	t.Fatalf("never finished: %+v", r.progress)
	return Progress{}
}

func newRecord() *record { return &record{settled: map[inventory.IntentID]inventory.Outcome{}} }

func TestAdvanceOneFlashOneReset(t *testing.T) {
	cases := map[string]struct {
		prepare        func(*device)
		phase          Phase
		flashes, reset int
	}{
		"undisturbed":                {func(*device) {}, PhaseDone, 1, 1},
		"reply of the upload lost":   {func(d *device) { d.onStart = fault(ErrUnknownOutcome) }, PhaseDone, 1, 1},
		"upload never arrived":       {func(d *device) { d.onStart, d.skipEffect = fault(ErrUnknownOutcome), true }, PhaseDone, 1, 1},
		"busy at first":              {func(d *device) { d.onStart = fault(ErrBusy) }, PhaseDone, 1, 1},
		"refused":                    {func(d *device) { d.onStart = fault(ErrRefused) }, PhaseFailed, 0, 0},
		"task reaped":                {func(d *device) { d.reap = true }, PhaseDone, 1, 1},
		"reply of the reset lost":    {func(d *device) { d.activateErr = ErrUnknownOutcome }, PhaseDone, 1, 1},
		"activation changes nothing": {func(d *device) { d.stick = true }, PhaseFailed, 1, 1},
		"foreign update does it": {func(d *device) {
			d.tasks["foreign"] = time.Now().Add(5 * time.Minute)
			d.after(4*time.Minute, func() { d.staged["FW_BMC_0"] = "2.0" })
		}, PhaseDone, 0, 1},
		"foreign update first": {func(d *device) { d.tasks["foreign"] = time.Now().Add(5 * time.Minute) }, PhaseDone, 1, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, r := newDevice(item("FW_BMC_0", "1.0")), newRecord()
				c.prepare(d)
				p := run(t, d, r)
				if p.Phase != c.phase || d.flashes != c.flashes || d.reset != c.reset {
					t.Fatalf("%s (%s), %d flashes, %d resets; want %s, %d, %d", p.Phase, p.Failure, d.flashes, d.reset, c.phase, c.flashes, c.reset)
				}
				if left := r.unsettled(); len(left) != 0 {
					t.Fatalf("unsettled intents left: %v", left)
				}
			})
		})
	}
}

func fault(err error) func(*device) error { return func(*device) error { return err } }

func TestAnotherDeviceVoidsThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(item("FW_BMC_0", "1.0"))
		plan := planned(t, d)
		plan.Serial = "S2"
		e := &Executor{Updater: d, Begin: newRecord().begin}
		p, err := e.Advance(t.Context(), plan, Progress{Step: 1})
		if err != nil || p.Phase != PhaseFailed || d.flashes != 0 {
			t.Fatalf("%+v %v", p, err)
		}
	})
}

func TestSentTwiceWithoutTraceIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, r := newDevice(item("FW_BMC_0", "1.0")), newRecord()
		var again func(*device) error
		again = func(d *device) error {
			d.skipEffect = true
			d.after(time.Second, func() { d.onStart = again })
			return ErrUnknownOutcome
		}
		d.onStart = again
		p := run(t, d, r)
		if p.Phase != PhaseFailed || p.Outcome != inventory.OutcomeFailed || p.Sent != 2 || len(r.unsettled()) != 0 || d.flashes != 0 {
			t.Fatalf("%+v, %d flashes", p, d.flashes)
		}
	})
}

// TestARunningTaskIsNeverFailed: out of time with a task under way is trouble to
// report, not the end of the step: the lock and "do not power off" stay.
func TestARunningTaskIsNeverFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(item("FW_BMC_0", "1.0"))
		plan := planned(t, d)
		e := &Executor{Updater: d, Begin: newRecord().begin}
		late := Progress{Step: 1, Phase: PhaseSettle, Task: "stuck", Since: time.Now(), Begun: time.Now(), Intent: "i0"}
		d.tasks["stuck"] = time.Now().Add(24 * time.Hour)
		time.Sleep(12 * time.Hour)
		if p, err := e.Advance(t.Context(), plan, late); err == nil || p.Finished() {
			t.Errorf("%s (%s) with a task under way, want an error and no end", p.Phase, p.Note)
		}
		time.Sleep(13 * time.Hour)
		if p, err := e.Advance(t.Context(), plan, late); err != nil || p.Phase != PhaseFailed || p.Outcome != inventory.OutcomeFailed {
			t.Errorf("%+v %v after the task ended without effect, want failed", p, err)
		}
	})
}

// TestReadBackEnds: an action of a broken-off run whose task ended without
// effect is settled, or its lock could never be confirmed.
func TestReadBackEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice(item("FW_BMC_0", "1.0"))
		plan := planned(t, d)
		e := &Executor{Updater: d}
		i := inventory.Intent{ID: "i0", Op: inventory.OpFirmware, Before: []byte(`{"step":1,"attempt":1,"sent":1}`), Begun: time.Now()}
		d.tasks["cut"] = time.Now().Add(25 * time.Minute) // its end is not the end of what the device does
		for _, want := range []inventory.Outcome{inventory.OutcomeUnknown, inventory.OutcomeUnknown, inventory.OutcomeFailed} {
			if got, why, err := e.ReadBack(t.Context(), plan, i); got != want || err != nil {
				t.Errorf("%s after the beginning: %s (%s) %v, want %s", time.Since(i.Begun), got, why, err, want)
			}
			time.Sleep(40 * time.Minute)
		}
	})
}
