package conductor

import (
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// secureBay is a tray that was discovered and still has its factory password.
func secureBay(t *testing.T, edit func(*bmcsim.Spec)) *bay {
	t.Helper()
	gates := []inventory.Gate{lifecycle.GateSecondLogin, lifecycle.GateSealed, lifecycle.GatePinned}
	return newBay(t, inventory.NodeDiscovered, gates, func(b *bay, s *Steps) {
		s.Makers[inventory.NodeSecured] = &Secure{Store: b, Access: b.access, Poll: 20 * time.Millisecond}
	}, edit)
}

const accountPath = "/AccountService/Accounts/"

// lost is one password change that the BMC was sent, and that nobody heard an
// answer to: before or after the BMC did it.
func lost(when string) bmcsim.Fault {
	return bmcsim.Fault{Method: "PATCH", Path: "*" + accountPath + "*", Reset: when}
}

// word is the new secret as it was sealed, and its phase.
func (b *bay) word() (password, phase string) {
	b.t.Helper()
	c, _, err := b.access.open(b.t.Context(), credentialOf(inventory.Digest(b.bmc.Pin())))
	b.must(err)
	return c.Password, c.Phase
}

// ours says what is missing until the BMC is ours alone, and nobody was locked out.
func (b *bay) ours(changes, sent, wrong int) {
	b.t.Helper()
	password, phase := b.word()
	c, s := b.bmc.Counters(), b.bmc.Spec()
	if !b.bmc.HasPassword(s.User, password) || phase != phaseActive || b.node("C01").BMC.Credential != credentialOf(inventory.Digest(b.bmc.Pin())) {
		b.t.Errorf("the sealed secret is %q, opens %t, bound is %s", phase, b.bmc.HasPassword(s.User, password), b.node("C01").BMC.Credential)
	}
	if c.PasswordChanges != changes || b.sent("PATCH", accountPath) != sent {
		b.t.Errorf("%d changes were sent and %d made, want %d and %d", b.sent("PATCH", accountPath), c.PasswordChanges, sent, changes)
	}
	b.wrong(wrong)
}

// wrong: so many wrong logins in all, none of a secret twice, and nobody is locked out.
func (b *bay) wrong(want int) {
	b.t.Helper()
	c := b.bmc.Counters()
	if c.WrongLogins != want || c.Lockouts != 0 || c.LockedLogins != 0 {
		b.t.Errorf("%d wrong logins, want %d; %d lock-outs", c.WrongLogins, want, c.Lockouts)
	}
	for secret, n := range c.WrongBySecret {
		if n > 1 {
			b.t.Errorf("secret %s was refused %d times", secret, n)
		}
	}
}

func (b *bay) secured() {
	b.t.Helper()
	b.work("the BMC is ours", func() bool { return b.node("C01").Milestone == inventory.NodeSecured })
}

// TestSecure: a factory password becomes one that was sealed before any byte of
// it left, and a second login proves it.
func TestSecure(t *testing.T) {
	b := secureBay(t, func(s *bmcsim.Spec) { s.Factory = true })
	phase := ""
	b.begun = func(inventory.Intent) { _, phase = b.word() }
	run := b.ask(inventory.OpSecure, "")
	b.secured()
	b.ours(1, 1, 0)
	if phase != phaseMade || b.line(run).Result != lineOK || b.outcomes() != "ok" {
		t.Errorf("before the change the secret was %q; line %+v, intents %q", phase, b.line(run), b.outcomes())
	}
	for _, g := range []inventory.Gate{lifecycle.GateSecondLogin, lifecycle.GateSealed, lifecycle.GatePinned} {
		if r, _ := b.gate(g); r != inventory.ResultPass {
			t.Errorf("%s is %q", g, r)
		}
	}
}

// TestSecureInterrupted: a change whose end nobody heard of is read back, with
// the new password once and the old one once; it is sent again only where the
// old one still works.
func TestSecureInterrupted(t *testing.T) {
	const factoryCase = "lost on its way to a BMC that takes its factory password for nothing else"
	for _, c := range []struct {
		name        string
		lost        string // the change, before or after the BMC made it
		dies        bool   // the server, right after it was sent
		sent, wrong int
		intents     string
	}{
		{"made, its answer lost", "after", false, 1, 0, "ok"},
		{"lost on its way", "before", false, 2, 1, "failed ok"},
		{"made, and the server died", "", true, 1, 0, "ok"},
		{"made, its answer lost, and the server died", "after", true, 1, 0, "ok"},
		{"lost on its way, and the server died", "before", true, 2, 1, "failed ok"},
		{factoryCase, "before", true, 2, 1, "failed ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := secureBay(t, func(s *bmcsim.Spec) { s.Factory = c.name == factoryCase })
			if c.lost != "" {
				b.faults(lost(c.lost))
			}
			b.begun = func(inventory.Intent) { b.dead = c.dies }
			run := b.ask(inventory.OpSecure, "")
			if c.dies {
				b.work("the server dies", func() bool { return b.dead })
				b.start()
			}
			b.secured()
			b.ours(1, c.sent, c.wrong)
			if b.outcomes() != c.intents || b.line(run).Result != lineOK {
				t.Errorf("intents %q, want %q; line %+v", b.outcomes(), c.intents, b.line(run))
			}
		})
	}
}

// TestSecureNeither: when no known password opens the BMC, each was tried once,
// and from then on nobody asks it: a person must say which.
func TestSecureNeither(t *testing.T) {
	b := secureBay(t, nil)
	b.faults(lost("before"))
	b.begun = func(inventory.Intent) { b.bmc.SetPassword(b.bmc.Spec().User, "somebody-else-9", false) }
	b.ask(inventory.OpSecure, "")
	b.work("it is held", func() bool { return b.node("C01").Held(inventory.HoldCredUnknown) })
	if b.outcomes() != "failed" || b.op() != "" || !b.blocked("conductor.login") || !strings.Contains(b.said(), "neither the new nor the old one works") {
		t.Errorf("intents %q, runs %q, blockers %s", b.outcomes(), b.op(), b.said())
	}
	b.turns(10)
	if b.wrong(2); b.sent("PATCH", accountPath) != 1 || b.node("C01").Milestone != inventory.NodeDiscovered || b.op() != "" {
		t.Errorf("later: %d changes were sent, it stands at %s, runs %q", b.sent("PATCH", accountPath), b.node("C01").Milestone, b.op())
	}
	if _, phase := b.word(); phase != phaseMade {
		t.Errorf("a secret that nobody proved is %q", phase)
	}
}

// TestSecureBMCAway: a BMC that falls silent with the change is waited for. It
// stays undecided until the BMC can be asked, and the change is not sent again.
func TestSecureBMCAway(t *testing.T) {
	b := secureBay(t, nil)
	b.faults(lost("after"))
	b.begun = func(inventory.Intent) { b.faults(loginsFail) }
	b.ask(inventory.OpSecure, "")
	b.work("somebody is sent", func() bool { return b.blocked("conductor.unreachable") })
	b.turns(5)
	if b.outcomes() != "open" || b.op() != "secure "+secureChange || b.sent("PATCH", accountPath) != 1 {
		t.Fatalf("intents %q, runs %q, %d changes were sent", b.outcomes(), b.op(), b.sent("PATCH", accountPath))
	}
	b.fleet.ClearFaults()
	b.secured()
	b.ours(1, 1, 0)
}
