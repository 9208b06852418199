package conductor

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestSecureBrokenOff: a change whose lock a person broke is still read back, or
// the lock could never be confirmed and the new secret would be lost; nothing is
// sent but the logins.
func TestSecureBrokenOff(t *testing.T) {
	for _, c := range []struct {
		name, lost string
		theirs     bool // somebody else has changed the password meanwhile
		intents    string
		wrong      int
		phase      string
	}{
		{"made", "after", false, "ok", 0, phaseActive},
		{"not made", "before", false, "failed", 1, phaseMade},
		{"neither", "before", true, "failed", 2, phaseMade},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := secureBay(t, nil)
			b.faults(lost(c.lost))
			b.begun = func(inventory.Intent) {
				b.faults(loginsFail)
				if c.theirs {
					b.bmc.SetPassword(b.bmc.Spec().User, "somebody-else-9", false)
				}
			}
			b.ask(inventory.OpSecure, "")
			b.work("nobody knows", func() bool { return b.outcomes() == "open" && b.blocked("conductor.unreachable") })
			b.breakOff()
			b.turns(3)
			if b.outcomes() != "open" || b.op() != "" || !b.blocked("conductor.unreachable") {
				t.Fatalf("decided without looking: intents %q, runs %q, blockers %s", b.outcomes(), b.op(), b.said())
			}
			b.fleet.ClearFaults()
			b.work("it is read back", func() bool { return b.outcomes() != "open" })
			b.turns(3)
			bound := b.node("C01").BMC.Credential == credentialOf(inventory.Digest(b.bmc.Pin()))
			if _, phase := b.word(); b.outcomes() != c.intents || phase != c.phase || bound != (c.phase == phaseActive) || b.sent("PATCH", accountPath) != 1 {
				t.Errorf("intents %q, the secret is %q, bound %t, %d changes were sent", b.outcomes(), phase, bound, b.sent("PATCH", accountPath))
			}
			if b.wrong(c.wrong); b.node("C01").Held(inventory.HoldCredUnknown) != c.theirs {
				t.Errorf("held: %+v", b.node("C01").Holds)
			}
			b.breakOff() // the confirmation
		})
	}
}

// TestSecureRefused: a BMC that refuses the new password keeps the old one, and
// is not written to each quarter of a minute.
func TestSecureRefused(t *testing.T) {
	b := secureBay(t, nil)
	b.faults(bmcsim.Fault{Method: "PATCH", Path: "*" + accountPath + "*", Status: 400, MessageID: "Base.1.18.PropertyValueFormatError", Count: -1})
	b.ask(inventory.OpSecure, "")
	b.work("the vendor is asked", func() bool { return b.blocked("conductor.refused") })
	if !strings.HasPrefix(b.said(), "vendor "+string(lifecycle.GateSecondLogin)) || b.outcomes() != "failed" || b.op() != "secure "+secureChange {
		t.Errorf("intents %q, runs %q, blockers %s", b.outcomes(), b.op(), b.said())
	}
	for range 20 {
		b.tick() // not woken: its next time has not come
	}
	if s := b.bmc.Spec(); b.sent("PATCH", accountPath) != 1 || !b.bmc.HasPassword(s.User, s.Password) {
		t.Errorf("%d changes were sent, the old password works %t", b.sent("PATCH", accountPath), b.bmc.HasPassword(s.User, s.Password))
	}
	b.wrong(0)
}

// TestSecureMadeBefore: a secret that was sealed by a process that died is used,
// not replaced: it may be the one the BMC has.
func TestSecureMadeBefore(t *testing.T) {
	b := secureBay(t, nil)
	pin := inventory.Digest(b.bmc.Pin())
	b.must((&Secure{Store: b, Access: b.access}).make(t.Context(), secureState{Old: factory, New: credentialOf(pin)}))
	before, _ := b.word()
	b.start()
	b.ask(inventory.OpSecure, "")
	b.secured()
	if after, _ := b.word(); after != before {
		t.Error("another secret was made over the first")
	}
	b.ours(1, 1, 0)
}

// TestSecureKnowsNoKey: what was never reached has no key to name its secret by,
// and nothing is sent to it.
func TestSecureKnowsNoKey(t *testing.T) {
	b := secureBay(t, nil)
	b.must(b.Bind(t.Context(), "A12/C01", inventory.Endpoint{URL: b.bmc.URL(), Credential: factory}))
	b.ask(inventory.OpSecure, "")
	b.work("it is swept again", func() bool {
		return strings.Contains(b.said(), string(lifecycle.GatePinned)) && b.blocked("conductor.login")
	})
	if c := b.bmc.Counters(); c.Logins != 0 || b.op() != "" {
		t.Errorf("%d logins, runs %q", c.Logins, b.op())
	}
}

// TestTrouble: whatever a BMC answers has an owner and a next step, or is ours to
// look into.
func TestTrouble(t *testing.T) {
	turn := Turn{Claim: inventory.Claim{Subject: inventory.NodeSubject("n")}, Node: inventory.Node{ID: "n", Address: "A12/C01"}}
	for _, c := range []struct {
		err   error
		owner inventory.Owner
		fix   string
	}{
		{ErrNoAddress, inventory.OwnerTechnician, "conductor.no_address"},
		{redfish.ErrPin, inventory.OwnerTechnician, "conductor.pin"},
		{redfish.ErrAuth, inventory.OwnerTechnician, "conductor.login"},
		{redfish.ErrLocked, inventory.OwnerTechnician, "conductor.login"},
		{inventory.ErrNotFound, inventory.OwnerTechnician, "conductor.login"},
		{redfish.ErrUnreachable, inventory.OwnerTechnician, "conductor.unreachable"},
		{redfish.ErrEmpty, inventory.OwnerTechnician, "conductor.empty"},
		{redfish.ErrUnsupported, inventory.OwnerVendor, "conductor.unsupported"},
		{redfish.ErrBusy, "", ""},
		{redfish.ErrOutcomeUnknown, "", ""},
		{errors.New("a bug"), "", ""},
	} {
		cause := &redfish.Error{Op: "power", Endpoint: "https://10.0.0.7", Err: fmt.Errorf("asked: %w", c.err)}
		b, err := trouble(turn, lifecycle.GateSuite, cause)
		if c.fix == "" {
			if b != nil || !errors.Is(err, c.err) {
				t.Errorf("%v: %+v, %v", c.err, b, err)
			}
			continue
		}
		if err != nil || b.Owner != c.owner || b.Fix != c.fix || b.Gate != lifecycle.GateSuite || b.Subject != turn.Subject() {
			t.Errorf("%v: %+v, %v", c.err, b, err)
			continue
		}
		if said := inventory.Sentence(b.Fix, b.Args); !strings.Contains(said, "A12/C01") {
			t.Errorf("%v says %q", c.err, said)
		}
	}
}
