package redfish

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// wet is a BMC whose power-off is prepared, whose session is over and whose root is forgotten.
func wet(t *testing.T) (*fake, *Dialer, *BMC) {
	f := newFake(t)
	f.docs[systemURI] = strings.Replace(f.docs[systemURI], `"PowerState":"Off"`, `"PowerState":"On"`, 1)
	f.hook("POST "+resetURI, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	d, _ := newDialer(t)
	b := dial(t, d, f.endpoint(), free)
	if err := b.ReadyOff(Urgent(soon(t))); err != nil {
		t.Fatal(err)
	}
	if err := b.broker.logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.broker.patience = 10 * time.Millisecond
	b.broker.mu.Lock()
	b.broker.root = nil
	b.broker.mu.Unlock()
	return f, d, b
}

// gates makes the n-th GET of the root wait for its channel.
func gates(f *fake, g ...chan struct{}) *atomic.Int32 {
	var n atomic.Int32
	f.hook("GET /redfish/v1/", func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		if i < len(g) && g[i] != nil {
			<-g[i]
		}
		jsonWith(w, 200, f.docs["/redfish/v1/"])
	})
	return &n
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// TestUrgentTakesTheFirstLoginThatEnds: the login of work ends well after all; the
// urgent request does not wait for its own, which hangs.
func TestUrgentTakesTheFirstLoginThatEnds(t *testing.T) {
	f, _, b := wet(t)
	first, second := make(chan struct{}), make(chan struct{})
	n := gates(f, first, second)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = b.get(context.Background(), managerURI) })
	until(t, "work login", func() bool { return n.Load() == 1 })
	sent := make(chan error, 1)
	go func() { sent <- b.SetPower(Urgent(context.Background()), ActionForceOff) }()
	until(t, "urgent login", func() bool { return n.Load() == 2 })
	close(first) // the work login ends
	until(t, "a session", func() bool { b.broker.mu.Lock(); defer b.broker.mu.Unlock(); return b.broker.sess != nil })
	wg.Wait()
	select {
	case err := <-sent:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Error("a session is there and the work read has been answered; the power-off is still not sent after 3 s")
	}
	close(second)
}

// TestUrgentSurplusSessionFailsNothing: both logins were sent, so there is a session
// too many; its log-out fails, and neither request does.
func TestUrgentSurplusSessionFailsNothing(t *testing.T) {
	f, _, b := wet(t)
	first := make(chan struct{})
	var posts, ends atomic.Int32
	f.hook("POST /redfish/v1/SessionService/Sessions", func(w http.ResponseWriter, r *http.Request) {
		if posts.Add(1) == 1 {
			<-first
		}
		f.login(w, r)
	})
	// the surplus session is the third one of the fake (1: dial, 2: urgent)
	f.hook("DELETE /redfish/v1/SessionService/Sessions/3", func(w http.ResponseWriter, _ *http.Request) {
		ends.Add(1)
		failWith(w, http.StatusInternalServerError, "Base.1.8.InternalError", "no")
	})
	work := make(chan error, 1)
	go func() { _, err := b.get(context.Background(), managerURI); work <- err }()
	until(t, "work login", func() bool { return posts.Load() == 1 })
	if err := b.SetPower(Urgent(soon(t)), ActionForceOff); err != nil {
		t.Errorf("a power-off for safety: %v", err)
	}
	close(first)
	if err := <-work; err != nil {
		t.Errorf("a live session exists, the reading failed: %v", err)
	}
	until(t, "the surplus session is logged out", func() bool { return ends.Load() == 1 })
}

// TestUrgentOneWrongLogin: one secret, refused once, is not sent by the other login.
func TestUrgentOneWrongLogin(t *testing.T) {
	f, _, b := wet(t)
	first, second := make(chan struct{}), make(chan struct{})
	n := gates(f, first, second)
	f.mu.Lock()
	f.password = "changed-by-somebody"
	f.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = b.get(context.Background(), managerURI) })
	until(t, "work login", func() bool { return n.Load() == 1 })
	wg.Go(func() { _ = b.SetPower(Urgent(context.Background()), ActionForceOff) })
	until(t, "urgent login", func() bool { return n.Load() == 2 })
	close(second)
	until(t, "the refusal is known", func() bool {
		b.broker.mu.Lock()
		defer b.broker.mu.Unlock()
		return len(b.broker.state.Lock.Refused) > 0
	})
	close(first)
	wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wrong["factory"] > 1 {
		t.Errorf("%d wrong logins with one secret, the guard allows 1", f.wrong["factory"])
	}
}

// TestUrgentOldSecretAfterRotation: a login that hung while the password was changed
// does not send the old one.
func TestUrgentOldSecretAfterRotation(t *testing.T) {
	f, _, b := wet(t)
	first := make(chan struct{})
	n := gates(f, first)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = b.get(context.Background(), managerURI) })
	until(t, "work login", func() bool { return n.Load() == 1 })
	if err := b.SetPower(Urgent(soon(t)), ActionForceOff); err != nil {
		t.Fatal(err)
	}
	if err := b.SetPassword(soon(t), "root", inventory.NewSecret("new-secret-1")); err != nil {
		t.Fatal(err)
	}
	close(first)
	wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wrong["factory"] != 0 {
		t.Errorf("the old secret was sent after the rotation: %v; lock %+v", f.wrong, b.broker.state.Lock)
	}
}
