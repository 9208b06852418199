package redfish

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

const newSecret = "Rotated-0123456789"

// TestFactoryPasswordFlow: the login works, everything else is refused without
// a request, SetPassword goes on and proves the new secret by a second login.
func TestFactoryPasswordFlow(t *testing.T) {
	f := newFake(t)
	f.mustRot = true
	d, k := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	if !b.PasswordChangeRequired() {
		t.Fatal("the demand in the login's answer was missed")
	}
	before := len(f.log)
	var e *Error
	if _, err := b.Power(soon(t)); !errors.Is(err, ErrAuth) || !errors.As(err, &e) || e.Hint != hintRotate {
		t.Errorf("got %v, want ErrAuth with the hint to rotate", err)
	}
	if len(f.log) != before {
		t.Errorf("a request was spent on a certain refusal: %v", f.log[before:])
	}
	if err := b.SetPassword(soon(t), "root", inventory.NewSecret(newSecret)); err != nil {
		t.Fatal(err)
	}
	k.set(newSecret)
	if b.PasswordChangeRequired() {
		t.Error("the demand is still noted")
	}
	if _, err := b.Power(soon(t)); err != nil {
		t.Error(err)
	}
	if live, opened := f.live(); live != 1 || opened != 2 || f.most > 2 {
		t.Errorf("%d live, %d logins, %d at once; want 1, 2, at most 2", live, opened, f.most)
	}
	if len(f.wrong) != 0 || f.password != newSecret || f.count("PATCH "+accountURI) != 1 {
		t.Errorf("wrong logins %v, %d changes", f.wrong, f.count("PATCH "+accountURI))
	}
	if text := string(d.Memory.(*notes).m[f.URL]); strings.Contains(text, newSecret) {
		t.Errorf("the secret is in the memory: %s", text)
	}
}

// TestDemandAfterTheLogin: the 403 of another call names the account.
func TestDemandAfterTheLogin(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	f.mu.Lock()
	f.mustRot = true // expired in life
	f.mu.Unlock()
	if _, err := b.get(soon(t), systemURI); !errors.Is(err, ErrAuth) {
		t.Fatalf("got %v", err)
	}
	if !b.PasswordChangeRequired() || b.broker.sess.account != accountURI {
		t.Errorf("account %q", b.broker.sess.account)
	}
	if err := b.SetPassword(soon(t), "root", inventory.NewSecret(newSecret)); err != nil {
		t.Error(err)
	}
}

func TestSetPasswordRefusals(t *testing.T) {
	quote := func(w http.ResponseWriter, _ *http.Request) {
		failWith(w, 400, "Base.1.8.PropertyValueFormatError", "the value "+newSecret+" is too simple")
	}
	for _, c := range []struct {
		name, user, secret, want string
		h                        http.HandlerFunc
		is                       error
	}{
		{"too short", "root", "short", "has 5 characters, the BMC takes 8 to 20", nil, nil},
		{"too long", "root", strings.Repeat("x", 21), "has 21 characters", nil, nil},
		{"no such account", "admin", newSecret, `none of its 1 accounts is "admin"`, nil, ErrUnsupported},
		{"refused in its own words", "root", newSecret, "the value REDACTED is too simple", quote, nil},
		{"lost answer", "root", newSecret, "outcome unknown", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, ErrOutcomeUnknown},
		{"taken but not so", "root", newSecret, "refused the password", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ErrAuth},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			if c.h != nil {
				f.hook("PATCH "+accountURI, c.h)
			}
			d, _ := newDialer(t)
			b := dial(t, d, f.endpoint(), free)
			err := b.SetPassword(soon(t), c.user, inventory.NewSecret(c.secret))
			if err == nil || !strings.Contains(err.Error(), c.want) || (c.is != nil && !errors.Is(err, c.is)) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), c.secret) {
				t.Errorf("the error quotes the secret: %v", err)
			}
			if n := f.count("PATCH " + accountURI); n > 1 {
				t.Errorf("changed %d times", n)
			}
		})
	}
}

// TestChangeByAction: an account that is not writable offers the action.
func TestChangeByAction(t *testing.T) {
	f := newFake(t)
	f.set(accountURI, `{"@odata.id":"`+accountURI+`","UserName":"root","Actions":{"#ManagerAccount.ChangePassword":{"target":"`+accountURI+`/Actions/ManagerAccount.ChangePassword"}}}`)
	f.hook("PATCH "+accountURI, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(405) })
	f.hook("POST "+accountURI+"/Actions/ManagerAccount.ChangePassword", func(w http.ResponseWriter, r *http.Request) {
		body := readAll(t, r)
		if body != `{"NewPassword":"`+newSecret+`","SessionAccountPassword":"factory"}` {
			t.Errorf("body %s", body)
		}
		f.mu.Lock()
		f.password = newSecret
		f.mu.Unlock()
		w.WriteHeader(204)
	})
	d, _ := newDialer(t)
	if err := dial(t, d, f.endpoint(), free).SetPassword(soon(t), "root", inventory.NewSecret(newSecret)); err != nil {
		t.Error(err)
	}
}

// TestReadBackOfAPasswordChange: new once, then old once, as after a crash.
func TestReadBackOfAPasswordChange(t *testing.T) {
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		f := newFake(t)
		if applied {
			f.password = newSecret
		}
		d, _ := newDialer(t)
		err := d.Prove(soon(t), f.endpoint(), "root", inventory.NewSecret(newSecret))
		if applied != (err == nil) || (err != nil && !errors.Is(err, ErrAuth)) {
			t.Errorf("%s: new secret: %v", name, err)
		}
		if !applied {
			if err := d.Prove(soon(t), f.endpoint(), "root", inventory.NewSecret("factory")); err != nil {
				t.Errorf("%s: old secret: %v", name, err)
			}
		}
		for _, n := range f.wrong {
			if n > 1 {
				t.Errorf("%s: wrong logins %v", name, f.wrong)
			}
		}
		if live, _ := f.live(); live != 1 {
			t.Errorf("%s: %d sessions", name, live)
		}
	}
}

// TestNobodyLogsInWithTheOldSecretMeanwhile: many BMCs end all sessions at a
// password change, and a poller must not answer that with a wrong login.
func TestNobodyLogsInWithTheOldSecretMeanwhile(t *testing.T) {
	f := newFake(t)
	d, k := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	var polled error
	f.hook("PATCH "+accountURI, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.patch(w, r)
		clear(f.sessions)
		f.mu.Unlock()
		_, polled = b.get(soon(t), systemURI) // the free slot of this BMC
	})
	if err := b.SetPassword(soon(t), "root", inventory.NewSecret(newSecret)); err != nil {
		t.Fatal(err)
	}
	k.set(newSecret)
	if !errors.Is(polled, ErrBusy) {
		t.Errorf("the poller got %v, want ErrBusy", polled)
	}
	if _, err := b.get(soon(t), systemURI); err != nil || len(f.wrong) != 0 {
		t.Errorf("%v, wrong logins %v", err, f.wrong)
	}
}

// TestTakenAndNotProven: the BMC took the change and then does not answer the
// second login. "Not done" would leave it with a password that nobody tries.
func TestTakenAndNotProven(t *testing.T) {
	f := newFake(t)
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	f.hook("PATCH "+accountURI, func(w http.ResponseWriter, _ *http.Request) {
		f.hook("POST /redfish/v1/SessionService/Sessions", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		w.WriteHeader(204)
	})
	err := b.SetPassword(soon(t), "root", inventory.NewSecret(newSecret))
	if !errors.Is(err, ErrOutcomeUnknown) || strings.Contains(err.Error(), newSecret) {
		t.Errorf("got %v, want unknown", err)
	}
}
