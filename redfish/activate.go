package redfish

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Activation verbs every profile has, as far as the BMC offers the reset.
const (
	activateNone       = "none"
	activateBMCReset   = "bmc-reset"
	activateHostReset  = "host-reset"
	activatePowerCycle = "power-cycle"
)

// ErrHostOn: this activation needs the host to be off first; nothing was sent.
var ErrHostOn = errors.New("the host must be off first")

// Activate performs one activation verb: "none", "bmc-reset", "host-reset",
// "power-cycle", or one of the profile ("ac-cycle"). A host that is off is
// started instead of reset. It does not wait. After a
// verb that restarts the BMC its session and connections are dropped; silence
// follows. A lost answer is ErrOutcomeUnknown:
// compare Mark before anything is sent again.
func (b *BMC) Activate(ctx context.Context, verb string) error {
	op := "activate " + verb
	if a, ok := b.profile.Activations[verb]; ok {
		return b.activate(ctx, op, a)
	}
	switch verb {
	case "", activateNone:
		return nil
	case activateHostReset, activatePowerCycle:
		s, err := b.host(ctx, op)
		if err != nil {
			return err
		}
		want := ActionForceRestart
		switch {
		case s.PowerState == PowerOff: // nothing to reset: the start itself loads what is staged
			want = ActionOn
		case verb == activatePowerCycle:
			want = ActionPowerCycle
		}
		if other, ok := b.profile.Resets[want]; ok {
			want = other
		}
		return b.reset(ctx, op, s.Actions, resetSystem, []string{string(want)})
	case activateBMCReset:
		m, err := b.manager(ctx, op)
		if err != nil {
			return err
		}
		return b.away(b.reset(ctx, op, m.Actions, resetManager, []string{"GracefulRestart", "ForceRestart"}))
	}
	return b.broker.refuse(op, fmt.Errorf("%w: profile %s has no such activation", ErrUnsupported, b.profile.Name),
		"an AC cycle that the BMC cannot do is done at the PDU or by hand")
}

// away drops session and connections if the BMC is, or may be, restarting.
func (b *BMC) away(err error) error {
	if err == nil || errors.Is(err, ErrOutcomeUnknown) {
		b.broker.forget()
	}
	return err
}

func (b *BMC) activate(ctx context.Context, op string, a Activation) error {
	if a.HostOff {
		state, err := b.Power(ctx)
		if err != nil {
			return err
		}
		if state != PowerOff {
			return b.broker.refuse(op, fmt.Errorf("%w: it is %s", ErrHostOn, state), "power the host off, then activate")
		}
	}
	var actions map[string]rawJSON
	switch a.On {
	case "system":
		s, err := b.host(ctx, op)
		if err != nil {
			return err
		}
		actions = s.Actions
	case "manager":
		m, err := b.manager(ctx, op)
		if err != nil {
			return err
		}
		actions = m.Actions
	default:
		var r struct{ Actions map[string]rawJSON }
		if err := b.read(ctx, op, a.On, &r); err != nil {
			return err
		}
		actions = r.Actions
	}
	target, ok := actionOf(actions, a.Action)
	if !ok {
		return b.broker.refuse(op, fmt.Errorf("%w: %s has no action %s", ErrUnsupported, a.On, strings.TrimPrefix(a.Action, "#")), "correct the profile of this model")
	}
	body := a.Body
	if body == nil {
		body = map[string]any{}
	}
	_, err := b.post(ctx, call{op: op}, target.Target, body)
	if a.BMCAway {
		return b.away(err)
	}
	return err
}
