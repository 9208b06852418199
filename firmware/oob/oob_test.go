package oob_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/firmware"
	"github.com/rackwright/rackwright/firmware/oob"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// answer is a BMC that answers every call alike.
type answer struct{ err error }

func (a answer) Firmware(context.Context) ([]inventory.Component, error) { return nil, a.err }
func (a answer) Tasks(context.Context) ([]redfish.Task, error)           { return nil, a.err }
func (a answer) Mark(context.Context) (redfish.Mark, error)              { return redfish.Mark{}, nil }
func (a answer) Activate(context.Context, string) error                  { return a.err }
func (a answer) Task(context.Context, redfish.TaskID) (redfish.Task, error) {
	return redfish.Task{}, a.err
}
func (a answer) StartUpdate(context.Context, redfish.Update) (redfish.TaskID, error) {
	return "", a.err
}

// TestErrors: what redfish means by an error decides whether a flash may be
// sent again. What nobody can place is unknown, never "not done".
func TestErrors(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	of := func(status int, err error) error { return &redfish.Error{Op: "x", Status: status, Err: err} }
	for _, c := range []struct {
		name           string
		err            error
		write, reading error
	}{
		{"nothing answered a write", of(0, redfish.ErrOutcomeUnknown), firmware.ErrUnknownOutcome, nil},
		{"busy", of(503, redfish.ErrBusy), firmware.ErrBusy, firmware.ErrUnreachable},
		{"away", of(0, redfish.ErrUnreachable), firmware.ErrUnreachable, firmware.ErrUnreachable},
		{"held back by the lock-out guard", of(0, redfish.ErrLocked), firmware.ErrUnreachable, nil},
		{"the login is refused", of(401, redfish.ErrAuth), firmware.ErrUnreachable, nil},
		{"no lease left", of(0, fmt.Errorf("guard: %w", firmware.ErrBusy)), firmware.ErrBusy, nil},
		{"a refusal", of(400, errors.New("bad image")), firmware.ErrRefused, nil},
		{"not offered", of(0, redfish.ErrUnsupported), firmware.ErrRefused, nil},
		{"another certificate", of(0, redfish.ErrPin), firmware.ErrRefused, nil},
		{"the task is not listed", of(404, redfish.ErrTaskGone), firmware.ErrRefused, firmware.ErrTaskGone},
		{"an error nobody knows", errors.New("?"), firmware.ErrUnknownOutcome, nil},
	} {
		u := oob.Updater{BMC: answer{c.err}}
		_, start := u.Start(t.Context(), firmware.Step{}, file)
		if !errors.Is(start, c.write) || !errors.Is(start, c.err) {
			t.Errorf("%s: start says %v, want %v", c.name, start, c.write)
		}
		if act := u.Activate(t.Context(), firmware.Step{}); !errors.Is(act, c.write) {
			t.Errorf("%s: activate says %v, want %v", c.name, act, c.write)
		}
		_, poll := u.Poll(t.Context(), "1")
		if poll == nil || c.reading != nil && !errors.Is(poll, c.reading) || errors.Is(poll, firmware.ErrUnknownOutcome) {
			t.Errorf("%s: poll says %v, want %v", c.name, poll, c.reading)
		}
		if s, err := u.State(t.Context()); err == nil {
			t.Errorf("%s: a task list that cannot be read is %+v, which would let a flash go", c.name, s)
		}
	}
}

type payloads string

func (p payloads) Open(context.Context, images.Digest) (*os.File, error) { return os.Open(string(p)) }

type word struct{}

func (word) Credential(context.Context, string) (string, inventory.Secret, error) {
	return "root", inventory.NewSecret("Simulated1pw"), nil
}

const (
	oldVersion = "96.00.68.00.01"
	newVersion = "96.00.99.00.01"
)

// rig is one simulated node with old GPU firmware, its plan and its executor.
func rig(t *testing.T, faults bmcsim.UpdateFaults) (*bmcsim.BMC, firmware.Plan, *firmware.Executor) {
	t.Helper()
	s := bmcsim.NewSpec(bmcsim.ProfileHGX, "oob")
	s.User, s.Password, s.PowerOn, s.Update.Faults = "root", "Simulated1pw", true, faults
	s.Timing.Update, s.Timing.BMCReset = 300*time.Millisecond, 300*time.Millisecond
	for i := range s.Firmware {
		if strings.HasPrefix(s.Firmware[i].ID, "HGX_FW_GPU_SXM_") {
			s.Firmware[i].Version = oldVersion
		}
	}
	fleet, err := bmcsim.New(bmcsim.Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.Close() })
	dialer := &redfish.Dialer{Credentials: word{}}
	sim := fleet.BMC("oob")
	bmc, err := dialer.Dial(t.Context(), inventory.Endpoint{URL: sim.URL(), Profile: "hgx-8"}, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialer.Logout(context.Background()) })
	file := filepath.Join(t.TempDir(), "gpu.fwpkg")
	package1 := bmcsim.Payload("HGX_FW_GPU_SXM_*", newVersion)
	if err := os.WriteFile(file, package1, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := firmware.ParseBaseline(strings.NewReader(fmt.Sprintf(`{"baseline":"hgx@1","ignore":[".*"],"components":[{"name":"gpu","ids":["^HGX_FW_GPU_SXM_[0-9]$"],"count":8,
		"artifact":%q,"activate":"host-reset","settle":"4s","install":"1m","noProgress":"3s","versions":[{"v":%q,"rank":1},{"v":%q,"rank":2,"target":true}]}]}`,
		inventory.DigestOf(package1), oldVersion, newVersion)))
	if err != nil {
		t.Fatal(err)
	}
	u := oob.Updater{BMC: bmc}
	seen, err := u.Installed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := firmware.NewPlan(b, "n1", seen)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	begin := func(context.Context, inventory.Intent) (inventory.IntentID, error) {
		n++
		return inventory.IntentID(fmt.Sprint(n)), nil
	}
	return sim, plan, &firmware.Executor{Updater: u, Payloads: payloads(file), Begin: begin, Poll: 50 * time.Millisecond, Quiet: time.Second, Target: "bmc"}
}

// TestOneFlash: whatever becomes of the task, each plan is one flash and one
// reset, and the versions that were read decide.
func TestOneFlash(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults bmcsim.UpdateFaults
		phase  firmware.Phase
	}{
		{"plain", bmcsim.UpdateFaults{}, firmware.PhaseDone},
		{"the task is lost at the BMC's own reset", bmcsim.UpdateFaults{Count: 1, TaskLostAt: 60}, firmware.PhaseDone},
		{"the task vanishes when it is done", bmcsim.UpdateFaults{Count: 1, ReapOnDone: true}, firmware.PhaseDone},
		{"no task at all", bmcsim.UpdateFaults{Count: 1, NoTask: true}, firmware.PhaseDone},
		{"the task fails", bmcsim.UpdateFaults{Count: 1, FailAt: 40}, firmware.PhaseFailed},
		{"another version is in the bank", bmcsim.UpdateFaults{Count: 1, WrongVersion: "1.2.3"}, firmware.PhaseFailed},
		{"one GPU is skipped in silence", bmcsim.UpdateFaults{Count: 1, Unchanged: []string{"HGX_FW_GPU_SXM_3"}}, firmware.PhaseFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sim, plan, exec := rig(t, c.faults)
			var p firmware.Progress
			for end := time.Now().Add(time.Minute); !p.Finished(); time.Sleep(min(p.Wait, 50*time.Millisecond)) {
				if time.Now().After(end) {
					t.Fatalf("it stands still: %+v", p)
				}
				next, err := exec.Advance(t.Context(), plan, p)
				if err != nil && !errors.Is(err, firmware.ErrUnreachable) {
					t.Fatal(err)
				}
				p = next
			}
			got := sim.Counters()
			resets := 1
			if c.phase == firmware.PhaseFailed {
				resets = 0
			}
			if p.Phase != c.phase || len(got.Flashes) != 1 || got.ResetCount() != resets || got.CutUploads != 0 {
				t.Errorf("%s (%s): %d flashes, %d resets, %d cut uploads; want %s with 1, %d, 0", p.Phase, p.Note, len(got.Flashes), got.ResetCount(), got.CutUploads, c.phase, resets)
			}
			seen, err := exec.Updater.Installed(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if bad := firmware.Verify(plan, seen); (len(bad) == 0) != (c.phase == firmware.PhaseDone) {
				t.Errorf("verify says %+v", bad)
			}
		})
	}
}
