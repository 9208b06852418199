package redfish

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

func TestLockoutTable(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var l lockout
	a, b, c := l.tag("root", inventory.NewSecret("a")), l.tag("root", inventory.NewSecret("b")), l.tag("root", inventory.NewSecret("c"))
	if len(a) != 4 || a == b {
		t.Fatalf("tags %q %q", a, b)
	}
	may := func(tag string, want bool) {
		t.Helper()
		if wait, ok := l.allow(now, tag); ok != want || (!ok && wait <= 0) {
			t.Errorf("allow = %v, wait %s; want %v", ok, wait, want)
		}
	}
	may(a, true)
	l.refuse(now, a, 0)
	may(a, false)
	may(b, true) // new, then old
	l.refuse(now, b, 0)
	may(b, false)
	may(c, false) // nothing else is tried
	now = l.Until
	may(a, true) // one probe per step
	l.refuse(now, a, 0)
	may(a, false)
	if got := l.Until.Sub(now); got != 4*time.Minute {
		t.Errorf("third step waits %s, want 4m", got)
	}
	for range 10 {
		l.refuse(now, a, 0)
	}
	if got := l.Until.Sub(now); got != lockoutCap {
		t.Errorf("waits %s, want the cap %s", got, lockoutCap)
	}
	l.accept()
	may(a, true)
	l.refuse(now, a, 10*time.Minute)
	if got := l.Until.Sub(now); got != 10*time.Minute {
		t.Errorf("waits %s, want the BMC's own 10m", got)
	}
	if other := (&lockout{}); other.tag("root", inventory.NewSecret("a")) == a && len(other.Salt) == 16 && string(other.Salt) == string(l.Salt) {
		t.Error("the salt is not random")
	}
}

// TestOneWrongLoginPerSecret: whoever asks, however often, across a restart.
func TestOneWrongLoginPerSecret(t *testing.T) {
	f := newFake(t)
	memory := &notes{}
	k := &keys{user: "root", secret: "mistyped"}
	d := &Dialer{Credentials: k, Memory: memory}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := d.Dial(soon(t), f.endpoint(), nil)
			if !errors.Is(err, ErrAuth) || strings.Contains(err.Error(), "mistyped") {
				t.Errorf("got %v, want ErrAuth", err)
			}
		})
	}
	wg.Wait()
	again := &Dialer{Credentials: k, Memory: memory}
	var e *Error
	if _, err := again.Dial(soon(t), f.endpoint(), nil); !errors.Is(err, ErrLocked) || !errors.Is(err, ErrAuth) || !errors.As(err, &e) || e.Wait <= 0 {
		t.Errorf("after a restart: %v, want ErrLocked with a wait", err)
	}
	if n := f.wrong["mistyped"]; n != 1 {
		t.Fatalf("%d wrong logins, want 1", n)
	}
	if text := string(memory.m[f.URL]); strings.Contains(text, "mistyped") {
		t.Errorf("the secret is stored: %s", text)
	}
	k.set("also wrong")
	if _, err := again.Dial(soon(t), f.endpoint(), nil); !errors.Is(err, ErrAuth) || errors.Is(err, ErrLocked) {
		t.Errorf("the other secret gets its one try: %v", err)
	}
	k.set("factory") // a third secret waits, though it is right
	if _, err := again.Dial(soon(t), f.endpoint(), nil); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	b := dialerBroker(again)
	b.mu.Lock()
	b.state.Lock.Until = time.Now().Add(-time.Second)
	b.mu.Unlock()
	dial(t, again, f.endpoint(), nil)
	if b.state.Lock.Steps != 0 || len(b.state.Lock.Refused) != 0 {
		t.Errorf("a right login leaves the guard at %+v", b.state.Lock)
	}
	for secret, n := range f.wrong {
		if n > 1 {
			t.Errorf("%d wrong logins with one secret (%d letters)", n, len(secret))
		}
	}
	if err := again.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}
