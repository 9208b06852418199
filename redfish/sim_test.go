package redfish

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// rig is one simulated BMC and a dialer that knows its credential.
type rig struct {
	fleet  *bmcsim.Fleet
	sim    *bmcsim.BMC
	spec   bmcsim.Spec
	dialer *Dialer
	keys   *keys
	ep     inventory.Endpoint
}

func newRig(t *testing.T, profile string, edit func(*bmcsim.Spec)) *rig {
	t.Helper()
	s := bmcsim.NewSpec(profile, "node-"+profile)
	if edit != nil {
		edit(&s)
	}
	fleet, err := bmcsim.New(bmcsim.Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Start(); err != nil {
		t.Fatal(err)
	}
	r := &rig{fleet: fleet, sim: fleet.BMCs()[0], spec: s, keys: &keys{user: s.User, secret: s.Password}}
	r.dialer = &Dialer{Credentials: r.keys, Memory: &notes{}}
	r.ep = inventory.Endpoint{URL: r.sim.URL(), Credential: "bmc", Profile: profile}
	t.Cleanup(func() {
		if err := r.dialer.Logout(context.Background()); err != nil {
			t.Logf("logout: %v", err)
		}
		if err := fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) dial(t *testing.T) *BMC { t.Helper(); return dial(t, r.dialer, r.ep, free) }

// manners holds the demands of redfish.md §9 on what the BMC saw.
func (r *rig) manners(t *testing.T, sessions int) {
	t.Helper()
	c := r.sim.Counters()
	if c.SessionsMax > sessions || c.InFlightMax > 2 || c.WritersMax > 1 {
		t.Errorf("%d sessions, %d in flight, %d writers at most; allowed %d, 2, 1", c.SessionsMax, c.InFlightMax, c.WritersMax, sessions)
	}
	for digest, n := range c.WrongBySecret {
		if n > 1 {
			t.Errorf("%d wrong logins with secret %s", n, digest)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func TestSimManners(t *testing.T) {
	for _, profile := range []string{bmcsim.ProfileX86, bmcsim.ProfileHGX, bmcsim.ProfileGB200, bmcsim.ProfileSwitch, bmcsim.ProfileShelf} {
		t.Run(profile, func(t *testing.T) {
			r := newRig(t, profile, nil)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.dialer.Run(ctx) }()
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					b, err := r.dialer.Dial(soon(t), r.ep, free)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := b.Tasks(soon(t)); err != nil {
						t.Error(err)
					}
					if _, err := b.Mark(soon(t)); err != nil {
						t.Error(err)
					}
					if err := b.SetLocator(soon(t), true); err != nil && !errors.Is(err, ErrUnsupported) {
						t.Error(err)
					}
					if err := b.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			r.manners(t, 1)
			if c := r.sim.Counters(); c.SessionsLive != 0 || c.Logins != 1 || c.Handshakes > 2 || c.WrongLogins != 0 {
				t.Errorf("%d sessions left, %d logins, %d handshakes, %d wrong", c.SessionsLive, c.Logins, c.Handshakes, c.WrongLogins)
			}
		})
	}
}

func TestSimSessionTableFull(t *testing.T) {
	for _, status := range []int{503, 400} {
		r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Access.SessionLimit, s.Access.FullStatus = 1, status })
		other := &Dialer{Credentials: r.keys}
		dial(t, other, r.ep, nil)
		_, err := r.dialer.Dial(soon(t), r.ep, nil)
		var e *Error
		if !errors.Is(err, ErrBusy) || errors.Is(err, ErrAuth) || !errors.As(err, &e) || e.Wait < time.Minute {
			t.Errorf("%d: got %v, want ErrBusy for a minute", status, err)
		}
		if err := other.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		r.dial(t)
		if c := r.sim.Counters(); c.SessionsRefused != 1 || c.WrongLogins != 0 {
			t.Errorf("%d: %+v", status, c)
		}
	}
}

func TestSimSessionIdlesOut(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Access.SessionTimeout = 200 * time.Millisecond })
	b := r.dial(t)
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		if _, err := b.Power(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	b.idle() // as after 5 s of silence: the write is preceded by a proof
	if err := b.SetPower(soon(t), ActionOn); err != nil {
		t.Fatal(err)
	}
	eventually(t, "On", func() bool { s, err := b.Power(soon(t)); return err == nil && s == PowerOn })
	r.manners(t, 1)
}

func TestSimFactoryPassword(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Factory, s.Access.MinPassword = true, 13 })
	b := r.dial(t)
	if _, err := b.Power(soon(t)); !errors.Is(err, ErrAuth) {
		t.Errorf("got %v, want ErrAuth", err)
	}
	if err := b.SetPassword(soon(t), r.spec.User, inventory.NewSecret(newSecret)); err != nil {
		t.Fatal(err)
	}
	r.keys.set(newSecret)
	if _, err := b.Power(soon(t)); err != nil {
		t.Error(err)
	}
	r.manners(t, 2)
	c := r.sim.Counters()
	if c.PasswordChanges != 1 || c.WrongLogins != 0 || c.SessionsLive != 1 || c.Logins != 2 {
		t.Errorf("%d changes, %d wrong, %d live, %d logins", c.PasswordChanges, c.WrongLogins, c.SessionsLive, c.Logins)
	}
	again := &Dialer{Credentials: r.keys, Memory: r.dialer.Memory} // after a restart, with what the vault holds
	dial(t, again, r.ep, nil)
	if c := r.sim.Counters(); c.SessionsLive != 1 || c.WrongLogins != 0 {
		t.Errorf("%d live, %d wrong", c.SessionsLive, c.WrongLogins)
	}
	if err := again.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSimLockOutNeverHappens(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Access.LockThreshold = 3 })
	r.keys.set("wrong-one")
	for range 20 {
		if _, err := r.dialer.Dial(soon(t), r.ep, nil); !errors.Is(err, ErrAuth) {
			t.Fatalf("got %v", err)
		}
	}
	r.keys.set("wrong-two")
	for range 20 {
		if _, err := r.dialer.Dial(soon(t), r.ep, nil); !errors.Is(err, ErrAuth) {
			t.Fatalf("got %v", err)
		}
	}
	r.manners(t, 1)
	if c := r.sim.Counters(); c.Lockouts != 0 || c.WrongLogins != 2 || c.LockedLogins != 0 {
		t.Errorf("%d lock-outs after %d wrong logins", c.Lockouts, c.WrongLogins)
	}
}

func TestSimQuirks(t *testing.T) {
	for name, edit := range map[string]func(*bmcsim.Spec){
		"weak":           func(s *bmcsim.Spec) { s.Quirks.ETag = "weak" },
		"header differs": func(s *bmcsim.Spec) { s.Quirks.ETag = "header-differs" },
		"unquoted":       func(s *bmcsim.Spec) { s.Quirks.ETag = "unquoted" },
		"none":           func(s *bmcsim.Spec) { s.Quirks.ETag = "none" },
		"428":            func(s *bmcsim.Spec) { s.Quirks.RequireIfMatch = true },
		"weak and 428":   func(s *bmcsim.Spec) { s.Quirks.ETag, s.Quirks.RequireIfMatch = "weak", true },
		"204":            func(s *bmcsim.Spec) { s.Quirks.Patch204 = true },
		"settings":       func(s *bmcsim.Spec) { s.Quirks.BootInSettings = true },
		"closes":         func(s *bmcsim.Spec) { s.Quirks.CloseAfterReply = true },
		"login 204":      func(s *bmcsim.Spec) { s.Quirks.SessionNoBody = true },
		"login by Basic": func(s *bmcsim.Spec) { s.Access.SessionsByBasic = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, bmcsim.ProfileX86, edit)
			r.dialer.Profiles = map[string]Profile{bmcsim.ProfileX86: {BasicLogin: name == "login by Basic"}}
			b := r.dial(t)
			if err := b.SetNextBoot(soon(t), BootPxe); err != nil {
				t.Errorf("boot: %v", err)
			}
			if err := b.SetLocator(soon(t), true); err != nil {
				t.Errorf("locator: %v", err)
			}
			if err := b.SetPower(soon(t), ActionOn); err != nil {
				t.Errorf("power: %v", err)
			}
			r.manners(t, 1)
			if c := r.sim.Counters(); c.WrongLogins != 0 {
				t.Errorf("%d wrong logins", c.WrongLogins)
			}
		})
	}
}

// TestSimBootOnce: set, boot, and the override has ended by itself.
func TestSimBootOnce(t *testing.T) {
	for _, profile := range []string{bmcsim.ProfileX86, bmcsim.ProfileHGX, bmcsim.ProfileGB200} {
		for _, target := range []BootTarget{BootPxe, BootUefiHTTP} {
			t.Run(profile+" "+string(target), func(t *testing.T) {
				r := newRig(t, profile, nil)
				b := r.dial(t)
				err := b.SetNextBoot(soon(t), target)
				if errors.Is(err, ErrUnsupported) && profile == bmcsim.ProfileGB200 && target == BootUefiHTTP {
					return // as in the capture: no UefiHttp on that tray
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := b.SetPower(soon(t), ActionOn); err != nil {
					t.Fatal(err)
				}
				eventually(t, "a boot", func() bool { return len(r.sim.Boots()) == 1 })
				eventually(t, "On", func() bool { s, err := b.Power(soon(t)); return err == nil && s == PowerOn })
				s, err := b.host(soon(t), "look")
				if err != nil {
					t.Fatal(err)
				}
				if _, boot, err := b.bootResource(soon(t), "look", s); err != nil || boot.Enabled != "Disabled" {
					t.Errorf("after the boot: %+v, %v", boot, err)
				}
				if err := b.SetPower(soon(t), ActionForceOff); err != nil {
					t.Error(err)
				}
				eventually(t, "Off", func() bool { s, err := b.Power(soon(t)); return err == nil && s == PowerOff })
				r.manners(t, 1)
			})
		}
	}
}

// TestSimLostAnswers: a write whose answer is lost is unknown, is never sent
// again, and Mark says whether it happened.
func TestSimLostAnswers(t *testing.T) {
	for when, happened := range map[string]bool{"before": false, "after": true} {
		r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.PowerOn = true })
		b := r.dial(t)
		eventually(t, "On", func() bool { s, err := b.Power(soon(t)); return err == nil && s == PowerOn })
		before, err := b.Mark(soon(t))
		if err != nil || before.String() == "" {
			t.Fatalf("%+v, %v", before, err)
		}
		if err := r.fleet.AddFaults(bmcsim.Fault{Path: "*ComputerSystem.Reset", Method: "POST", Reset: when}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond) // LastResetTime counts in seconds
		if err := b.SetPower(soon(t), ActionForceRestart); !errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("%s: got %v, want ErrOutcomeUnknown", when, err)
		}
		posts := 0
		for _, m := range r.fleet.Mutations() {
			if m.Method == "POST" && m.Outcome != "session" {
				posts++
			}
		}
		if posts != 1 {
			t.Errorf("%s: the reset arrived %d times", when, posts)
		}
		if happened {
			eventually(t, "the mark moves", func() bool { m, err := b.Mark(soon(t)); return err == nil && m != before })
		} else if m, err := b.Mark(soon(t)); err != nil || m != before {
			t.Errorf("%s: %+v, then %+v, %v", when, before, m, err)
		}
	}
}

// TestSimReadsAreRepeated under the faults of the simulator.
func TestSimReadsAreRepeated(t *testing.T) {
	r := newRig(t, bmcsim.ProfileX86, nil)
	b := r.dial(t)
	const path = "/redfish/v1/Systems/1"
	for name, f := range map[string]bmcsim.Fault{
		"503 once":    {Status: 503, RetryAfter: 1},
		"half a body": {Reset: "body"},
		"reset":       {Reset: "before"},
		"truncated":   {Truncate: true},
		"not JSON":    {ContentType: "text/html"},
		"slow":        {Delay: 300 * time.Millisecond},
	} {
		f.Path, f.Method = path, "GET"
		r.fleet.ClearFaults()
		if err := r.fleet.AddFaults(f); err != nil {
			t.Fatal(err)
		}
		if _, err := b.get(soon(t), path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.fleet.ClearFaults()
	if err := r.fleet.AddFaults(bmcsim.Fault{Path: path, ErrorBody: true}); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := b.get(soon(t), path); !errors.As(err, &e) || e.Status != 200 {
		t.Errorf("an error body: %v", err)
	}
	r.manners(t, 1)
}

func TestSimCertificates(t *testing.T) {
	for kind, faults := range map[string]int{bmcsim.CertSelfSigned: 1, bmcsim.CertExpired: 1, bmcsim.CertWrongName: 2} {
		r := newRig(t, bmcsim.ProfileX86, func(s *bmcsim.Spec) { s.Cert = kind })
		r.ep.Pin = inventory.Digest(r.fleet.Directory()[0].Pin)
		b := r.dial(t)
		if c := b.Certificate(); c.Pin != r.ep.Pin || len(c.Faults) < faults {
			t.Errorf("%s: %+v", kind, c)
		}
	}
}
