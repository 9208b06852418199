package redfish

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

func payloadFile(t *testing.T, target, version string) (*os.File, inventory.Digest) {
	t.Helper()
	return written(t, bmcsim.Bundle(1<<20, target, version))
}

// finish polls like the executor does: once, then when it was told to.
func finish(t *testing.T, b *BMC, id TaskID) (Task, error) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		got, err := b.Task(soon(t), id)
		if err != nil || got.Done {
			return got, err
		}
		if got.Wait < time.Second || got.Wait > time.Minute {
			t.Fatalf("come back in %s?", got.Wait)
		}
		time.Sleep(min(got.Wait, 100*time.Millisecond))
	}
	t.Fatal("the task never ends")
	return Task{}, nil
}

func (r *rig) flashes(t *testing.T, want int) {
	t.Helper()
	if got := r.sim.Counters().Flashes; len(got) != want {
		t.Errorf("%d flashes, want %d: %+v", len(got), want, got)
	}
}

// TestSimUpdateWays: multipart, raw push with and without a claim, and pull, on
// every kind of BMC: one flash each, and the task says so.
func TestSimUpdateWays(t *testing.T) {
	ways := map[string]func(*bmcsim.Spec){
		"multipart": func(s *bmcsim.Spec) { s.Update.HTTPPush, s.Update.Simple = false, false },
		"raw":       func(s *bmcsim.Spec) { s.Update.Multipart, s.Update.Simple = false, false },
		"claimed":   func(s *bmcsim.Spec) { s.Update.Multipart, s.Update.Simple, s.Update.Claim = false, false, true },
		"pull":      func(*bmcsim.Spec) {},
	}
	for _, profile := range []string{bmcsim.ProfileX86, bmcsim.ProfileHGX, bmcsim.ProfileGB200, bmcsim.ProfileSwitch, bmcsim.ProfileShelf} {
		for way, edit := range ways {
			t.Run(profile+" "+way, func(t *testing.T) {
				r := newRig(t, profile, func(s *bmcsim.Spec) { edit(s); s.Timing.Update = 50 * time.Millisecond })
				id := r.spec.Firmware[0].ID
				file, sum := payloadFile(t, id, "9.9.9")
				u := Update{File: file, Digest: sum}
				if way == "pull" {
					from := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { http.ServeFile(w, q, file.Name()) }))
					t.Cleanup(from.Close)
					u = Update{URI: from.URL + "/image.bin"}
				}
				b := r.dial(t)
				task, err := b.StartUpdate(soon(t), u)
				if err != nil || task == "" {
					t.Fatalf("%q, %v", task, err)
				}
				all, err := b.Tasks(soon(t))
				if err != nil || len(all) != 1 || all[0].ID != task {
					t.Errorf("tasks %+v, %v; want %s, so that it can be adopted", all, err, task)
				}
				if got, err := finish(t, b, task); err != nil || got.Outcome != inventory.OutcomeOK {
					t.Errorf("%+v, %v", got, err)
				}
				r.flashes(t, 1)
				r.manners(t, 1)
				if way != "pull" && r.sim.Counters().Flashes[0].Digest != string(sum) {
					t.Error("another image arrived")
				}
			})
		}
	}
}

func TestSimUpdateEndings(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults bmcsim.UpdateFaults
		want   error
		out    inventory.Outcome
		noTask bool
	}{
		{"fails at 40 %", bmcsim.UpdateFaults{FailAt: 40}, nil, inventory.OutcomeFailed, false},
		{"reaped on completion", bmcsim.UpdateFaults{ReapOnDone: true}, ErrTaskGone, "", false},
		{"no task", bmcsim.UpdateFaults{NoTask: true}, nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Update.Faults = c.faults })
			b := r.dial(t)
			file, sum := payloadFile(t, r.spec.Firmware[0].ID, "9.9.9")
			id, err := b.StartUpdate(soon(t), Update{File: file, Digest: sum})
			if err != nil || (id == "") != c.noTask {
				t.Fatalf("%q, %v", id, err)
			}
			if !c.noTask {
				got, err := finish(t, b, id)
				if !errors.Is(err, c.want) || got.Outcome != c.out {
					t.Errorf("%+v, %v; want %v", got, err, c.want)
				}
			}
			r.flashes(t, 1)
		})
	}
}

// TestSimTaskLostAtReset: silence, then a new login, then ErrTaskGone. Nothing
// is flashed twice.
func TestSimTaskLostAtReset(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Update.Faults.TaskLostAt = 50 })
	b := r.dial(t)
	file, sum := payloadFile(t, r.spec.Firmware[0].ID, "9.9.9")
	id, err := b.StartUpdate(soon(t), Update{File: file, Digest: sum})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the task is gone", func() bool {
		_, err := b.Task(soon(t), id)
		if err != nil && !errors.Is(err, ErrTaskGone) && !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrBusy) {
			t.Fatalf("while the BMC restarts: %v", err)
		}
		return errors.Is(err, ErrTaskGone)
	})
	r.flashes(t, 1)
	r.manners(t, 1)
}

// TestSimUploadCut: the connection breaks on the way: unknown to us, counted
// apart by the BMC, and not sent again.
func TestSimUploadCut(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, nil)
	b := r.dial(t)
	if err := r.fleet.AddFaults(bmcsim.Fault{Path: "*pdate*", Method: "POST", CutAfter: 300 << 10}); err != nil {
		t.Fatal(err)
	}
	file, sum := payloadFile(t, r.spec.Firmware[0].ID, "9.9.9")
	if _, err := b.StartUpdate(soon(t), Update{File: file, Digest: sum}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatalf("got %v, want ErrOutcomeUnknown", err)
	}
	r.flashes(t, 0)
	if c := r.sim.Counters(); c.CutUploads != 1 {
		t.Errorf("%d cut uploads, want 1", c.CutUploads)
	}
	if id, err := b.StartUpdate(soon(t), Update{File: file, Digest: sum}); err != nil || id == "" {
		t.Errorf("the caller's second try: %q, %v", id, err)
	}
	r.flashes(t, 1)
}

func TestSimUpdateRefused(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Update.MaxImage = 100 << 10; s.Timing.Update = time.Hour })
	b := r.dial(t)
	large, _ := payloadFile(t, r.spec.Firmware[0].ID, "9.9.9")
	if _, err := b.StartUpdate(soon(t), Update{File: large}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("too large: %v", err)
	}
	path := filepath.Join(t.TempDir(), "small.bin")
	if err := os.WriteFile(path, bmcsim.Payload(r.spec.Firmware[0].ID, "9.9.9"), 0o600); err != nil {
		t.Fatal(err)
	}
	small, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = small.Close() })
	if _, err := b.StartUpdate(soon(t), Update{File: small}); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := b.StartUpdate(soon(t), Update{File: small}); !errors.Is(err, ErrBusy) || !errors.As(err, &e) || e.Wait == 0 {
		t.Errorf("while another update runs: %v, want ErrBusy with a wait", err)
	}
	if _, err := b.StartUpdate(soon(t), Update{File: small, Force: true}); err == nil {
		t.Error("an unknown parameter was accepted")
	}
	r.flashes(t, 1)
}

// TestSimActivation: the BMC goes away, comes back, and one session is open.
func TestSimActivation(t *testing.T) {
	r := newRig(t, bmcsim.ProfileGB200, nil)
	b := r.dial(t)
	before, err := b.Mark(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // LastResetTime counts in seconds
	for _, verb := range []string{"bmc-reset", "ac-cycle"} {
		if err := b.Activate(soon(t), verb); err != nil {
			t.Fatalf("%s: %v", verb, err)
		}
		last := before
		eventually(t, "the BMC is back", func() bool { before, err = b.Mark(soon(t)); return err == nil && before != last })
		time.Sleep(1100 * time.Millisecond)
	}
	if c := r.sim.Counters(); c.SessionsLive != 1 || c.WrongLogins != 0 || c.ResetCount() != 2 {
		t.Errorf("%d sessions, %d wrong logins, resets %v", c.SessionsLive, c.WrongLogins, c.Resets)
	}
	if err := b.SetPower(soon(t), ActionOn); err != nil {
		t.Fatal(err)
	}
	eventually(t, "On", func() bool { s, err := b.Power(soon(t)); return err == nil && s == PowerOn })
	if err := b.Activate(soon(t), "ac-cycle"); !errors.Is(err, ErrHostOn) {
		t.Errorf("with the host on: %v", err)
	}
	r.manners(t, 1)
}
