package conductor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/redfish"
)

// Secure takes a BMC over: the factory password is replaced by one that was
// sealed before any byte left, a second login proves it, and the key that the
// BMC showed at first contact stays pinned.
type Secure struct {
	Store  Store
	Access *Access
	Poll   time.Duration
}

// Steps of securing.
const (
	secureChange = "password change"
	secureProve  = "second login"
)

// secureState names the credentials under way.
type secureState struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// Kind implements Maker.
func (*Secure) Kind() inventory.OpKind { return inventory.OpSecure }

// Make implements Maker.
func (m *Secure) Make(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	op := t.Operation()
	if op == nil && len(t.Unsettled) > 0 {
		return m.orphan(ctx, t, t.Unsettled[0])
	}
	if op == nil {
		return m.start(ctx, t, f)
	}
	s, err := stateOf[secureState](op)
	if err != nil {
		return Result{}, false, err
	}
	switch {
	case op.Step == secureChange && len(t.Unsettled) > 0:
		return m.readBack(ctx, t, *op, s)
	case op.Step == secureChange:
		return m.change(ctx, t, *op, s)
	case op.Step == secureProve:
		return m.prove(ctx, t, *op, s)
	}
	return Result{}, false, fmt.Errorf("securing of %s stands at unknown step %q", t.Node.Address, op.Step)
}

// Boundary implements bounded: no byte of the change has left.
func (*Secure) Boundary(op inventory.Operation) (bool, error) { return op.Step == secureChange, nil }

// start seals a new secret, or finds the one that was made before a crash. A
// unit that was secured before only proves it again.
func (m *Secure) start(ctx context.Context, t Turn, f lifecycle.Facts) (Result, bool, error) {
	n := t.Node
	if n.BMC.Pin == "" || n.BMC.Credential == "" {
		b := blocker(t, lifecycle.GatePinned, inventory.OwnerTechnician, "conductor.login", n.Address, "no password or key of its BMC is known; sweep it again")
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{b}}}, true, nil
	}
	s := secureState{Old: n.BMC.Credential, New: credentialOf(n.BMC.Pin)}
	step, abort := secureChange, inventory.AbortNever
	c, _, err := m.Access.open(ctx, s.New)
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		if err := m.make(ctx, s); err != nil {
			return Result{}, false, err
		}
	case err != nil:
		return Result{}, false, err
	case c.Phase == phaseActive:
		step, abort = secureProve, inventory.AbortSafe
	default: // made before a crash
		if s.Old == s.New {
			s.Old = c.Old
		}
	}
	e := inventory.Evidence{Subject: t.Subject(), Gate: lifecycle.GateSealed, Result: inventory.ResultPass, Producer: inventory.ByMachine, At: time.Now(),
		By: "rackwright/secure", Detail: "sealed as " + s.New, Simulated: n.Simulated}
	if _, err := file(ctx, m.Store, f, e); err != nil {
		return Result{}, false, err
	}
	op, shut, err := open(ctx, m.Store, t, inventory.OpSecure, "")
	if err != nil || shut != nil {
		return deref(shut), false, err
	}
	op.Step, op.Abort, op.Attempt = step, abort, 1
	return keep(*op, s, 0)
}

func (m *Secure) make(ctx context.Context, s secureState) error {
	old, _, err := m.Access.open(ctx, s.Old)
	if err != nil {
		return err
	}
	word, err := password()
	if err != nil {
		return err
	}
	return m.Access.seal(ctx, s.New, sealed{User: old.User, Password: word, Phase: phaseMade, Old: s.Old}, 0)
}

// Letters that no font and no keyboard layout confuses; 16 of them are 90 bits
// and fit every length rule seen but Cray EX's 12 (redfish.md §5.2).
const (
	letters  = "abcdefghjkmnpqrstuvwxyz"
	capitals = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	digits   = "23456789"
	wordLen  = 16
)

// password makes a secret with each class that BMCs ask for.
func password() (string, error) {
	all := letters + capitals + digits
	out := make([]byte, 0, wordLen)
	for i := range wordLen {
		from := all
		if i < 3 {
			from = []string{letters, capitals, digits}[i]
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
		if err != nil {
			return "", fmt.Errorf("make a password: %w", err)
		}
		out = append(out, from[n.Int64()])
	}
	return string(out), nil
}

func (m *Secure) change(ctx context.Context, t Turn, op inventory.Operation, s secureState) (Result, bool, error) {
	user, word, err := m.Access.Credential(ctx, s.New)
	if err != nil {
		return Result{}, false, err
	}
	e := t.Node.BMC
	e.Credential = s.Old
	bmc, err := m.Access.dial(ctx, e, t.Guard)
	if err != nil {
		return m.held(t, op, s, err)
	}
	defer bmc.Close()
	if err := t.Guard(ctx); err != nil {
		return m.held(t, op, s, err)
	}
	before, err := json.Marshal(s)
	if err != nil {
		return Result{}, false, fmt.Errorf("password change of %s: %w", t.Node.Address, err)
	}
	id, err := t.Begin(ctx, inventory.Intent{Step: secureChange, Target: "account " + e.URL, Effect: "change the password of " + user, ReadBack: "login with the new, then the old password, one try each",
		Before: before, Attempt: op.Attempt, Abort: inventory.AbortNever})
	if err != nil {
		return Result{}, false, err
	}
	err = bmc.SetPassword(ctx, user, word)
	switch {
	case err == nil:
		op.Step, op.Abort = secureProve, inventory.AbortSafe
		return m.settled(op, s, id, inventory.OutcomeOK, "the new password is set", 0)
	case errors.Is(err, redfish.ErrOutcomeUnknown):
		return m.settled(op, s, id, inventory.OutcomeUnknown, "no answer to the password change; looking", resetPoll)
	}
	op.Attempt++
	r, _, kerr := m.settled(op, s, id, inventory.OutcomeFailed, err.Error(), refusedWait(op.Attempt))
	if errors.Is(err, redfish.ErrBusy) {
		return r, false, kerr
	}
	b, berr := trouble(t, lifecycle.GateSecondLogin, err)
	if berr != nil { // what the BMC refused for good, and whatever nobody thought of: somebody must look
		x := blocker(t, lifecycle.GateSecondLogin, inventory.OwnerVendor, "conductor.refused", t.Node.Address, err.Error())
		b = &x
	}
	r.Blockers = []inventory.Blocker{*b}
	return r, false, kerr
}

// refusedWait doubles between attempts that a BMC refused, up to half an hour:
// each is a write, and a line in the journal.
func refusedWait(attempt int) time.Duration {
	return min(heldWait<<min(max(attempt-2, 0), 10), 30*time.Minute)
}

func (m *Secure) settled(op inventory.Operation, s secureState, id inventory.IntentID, o inventory.Outcome, why string, wait time.Duration) (Result, bool, error) {
	op.Detail = why
	r, _, err := keep(op, s, wait)
	r.Settles, r.Outcome, r.Detail = id, o, why
	return r, false, err
}

// readBack decides an unknown change: the new password once, then the old one
// once. Neither: nobody may ask this BMC but one probe per back-off step.
func (m *Secure) readBack(ctx context.Context, t Turn, op inventory.Operation, s secureState) (Result, bool, error) {
	id := t.Unsettled[0].ID
	outcome, why, err := m.which(ctx, t, s)
	switch {
	case err != nil:
		return m.held(t, op, s, err)
	case outcome == inventory.OutcomeOK:
		op.Step, op.Abort = secureProve, inventory.AbortSafe
		return m.settled(op, s, id, outcome, why, 0)
	case outcome == inventory.OutcomeFailed:
		op.Attempt++
		return m.settled(op, s, id, outcome, why, 0)
	}
	return m.neither(ctx, t, id, why)
}

// which says which of the two passwords opens the BMC; unknown: neither does.
func (m *Secure) which(ctx context.Context, t Turn, s secureState) (inventory.Outcome, string, error) {
	switch err := m.login(ctx, t, s.New); {
	case err == nil:
		return inventory.OutcomeOK, "read back: the new password works", nil
	case !errors.Is(err, redfish.ErrAuth):
		return inventory.OutcomeUnknown, "", err
	}
	switch err := m.login(ctx, t, s.Old); {
	case err == nil, errors.Is(err, redfish.ErrChangeRequired): // a factory password: taken, and nothing else is
		return inventory.OutcomeFailed, "read back: the old password still works", nil
	case !errors.Is(err, redfish.ErrAuth):
		return inventory.OutcomeUnknown, "", err
	}
	return inventory.OutcomeUnknown, "neither the new nor the old password works", nil
}

func (m *Secure) neither(ctx context.Context, t Turn, id inventory.IntentID, why string) (Result, bool, error) {
	if err := m.Store.Hold(ctx, t.Subject(), inventory.Hold{Name: inventory.HoldCredUnknown, Reason: why}); err != nil {
		return Result{}, false, err
	}
	b := blocker(t, lifecycle.GateSecondLogin, inventory.OwnerTechnician, "conductor.login", t.Node.Address, why)
	return Result{Change: inventory.Change{Settles: id, Outcome: inventory.OutcomeFailed, Detail: why, Blockers: []inventory.Blocker{b}}}, false, nil
}

// orphan reads back a change whose run was broken off: a person broke its lock,
// or a safety latch did. Unsettled, its lock could never be confirmed. A new
// password that works is ours from now on; nothing is sent but the logins.
func (m *Secure) orphan(ctx context.Context, t Turn, i inventory.Intent) (Result, bool, error) {
	var s secureState
	if err := json.Unmarshal(i.Before, &s); err != nil {
		return Result{}, false, fmt.Errorf("intent %s: state before is not readable: %w", i.ID, err)
	}
	outcome, why, err := m.which(ctx, t, s)
	switch {
	case errors.Is(err, redfish.ErrBusy):
		return Result{Wait: m.Poll, Reason: err.Error()}, false, nil
	case err != nil:
		b, err := trouble(t, lifecycle.GateSecondLogin, err)
		if err != nil {
			return Result{}, false, err
		}
		return Result{Change: inventory.Change{Blockers: []inventory.Blocker{*b}}, Wait: m.Poll}, false, nil
	case outcome == inventory.OutcomeUnknown:
		return m.neither(ctx, t, i.ID, why)
	case outcome == inventory.OutcomeOK:
		if err := m.activate(ctx, t, s); err != nil {
			return Result{}, false, err
		}
	}
	return Result{Change: inventory.Change{Settles: i.ID, Outcome: outcome, Detail: why, Due: time.Now()}}, false, nil
}

// login proves one credential by a login of its own, on a new connection.
func (m *Secure) login(ctx context.Context, t Turn, name string) error {
	user, word, err := m.Access.Credential(ctx, name)
	if err != nil {
		return err
	}
	return m.Access.Dialer.Prove(ctx, t.Node.BMC, user, word)
}

// prove files what the second login showed and binds the node to the new secret.
func (m *Secure) prove(ctx context.Context, t Turn, op inventory.Operation, s secureState) (Result, bool, error) {
	if err := m.login(ctx, t, s.New); err != nil {
		return m.held(t, op, s, err)
	}
	if err := m.activate(ctx, t, s); err != nil {
		return Result{}, false, err
	}
	for gate, why := range map[inventory.Gate]string{lifecycle.GateSecondLogin: "a login with the new password was answered", lifecycle.GatePinned: "key " + string(t.Node.BMC.Pin)} {
		if _, err := m.Store.File(ctx, inventory.Evidence{Subject: t.Subject(), Gate: gate, Result: inventory.ResultPass, Producer: inventory.ByMachine, At: time.Now(),
			By: "rackwright/secure", Run: op.Run, Detail: why, Simulated: t.Node.Simulated}); err != nil {
			return Result{}, false, err
		}
	}
	r := Result{Change: inventory.Change{Outcome: inventory.OutcomeOK, Detail: "the BMC is ours", Due: time.Now()}}
	return r, false, Answered(ctx, m.Store, t, inventory.OpSecure, inventory.RequestLine{Result: lineOK})
}

// activate marks a proven secret and binds the node to it. It is repeatable.
func (m *Secure) activate(ctx context.Context, t Turn, s secureState) error {
	c, version, err := m.Access.open(ctx, s.New)
	if err != nil {
		return err
	}
	if c.Phase != phaseActive {
		c.Phase = phaseActive
		if err := m.Access.seal(ctx, s.New, c, version); err != nil {
			return err
		}
	}
	e := t.Node.BMC
	e.Credential = s.New
	return m.Store.Bind(ctx, t.Node.ID, e)
}

// held comes back later and says who must act.
func (m *Secure) held(t Turn, op inventory.Operation, s secureState, cause error) (Result, bool, error) {
	op.Detail = cause.Error()
	r, _, err := keep(op, s, m.Poll)
	if err != nil || errors.Is(cause, redfish.ErrBusy) || errors.Is(cause, ErrLease) {
		return r, false, err
	}
	b, err := trouble(t, lifecycle.GateSecondLogin, cause)
	if err != nil {
		return Result{}, false, err
	}
	r.Blockers = []inventory.Blocker{*b}
	return r, false, nil
}
