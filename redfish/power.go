package redfish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Power states (DSP0268 Resource.PowerState).
const (
	PowerOn          PowerState = "On"
	PowerOff         PowerState = "Off"
	PowerPoweringOn  PowerState = "PoweringOn"
	PowerPoweringOff PowerState = "PoweringOff"
	PowerPaused      PowerState = "Paused"
)

// Power actions (DSP0268 Resource.ResetType).
const (
	ActionOn               PowerAction = "On"
	ActionForceOff         PowerAction = "ForceOff"
	ActionGracefulShutdown PowerAction = "GracefulShutdown"
	ActionForceRestart     PowerAction = "ForceRestart"
	ActionGracefulRestart  PowerAction = "GracefulRestart"
	ActionPowerCycle       PowerAction = "PowerCycle"
	ActionNmi              PowerAction = "Nmi"
)

const (
	resetSystem  = "#ComputerSystem.Reset"
	resetManager = "#Manager.Reset"
)

// Power reads the host's power state. ErrUnsupported where there is no host.
func (b *BMC) Power(ctx context.Context) (PowerState, error) {
	s, err := b.host(ctx, "power")
	if err != nil {
		return "", err
	}
	if s.PowerState == "" {
		return "", b.broker.refuse("power", fmt.Errorf("%w: %s has no PowerState", ErrUnsupported, s.ID), "")
	}
	return s.PowerState, nil
}

// SetPower sends one reset to the host, or nothing if it is to be on and is. It
// does not wait for the state: ask Power. A lost answer is ErrOutcomeUnknown: read
// Power and Mark back. ForceOff is sent to a host that reads Off, too: it may be
// about to come on. A BMC that refuses it then has nothing to do.
//
// An Urgent ForceOff that ReadyOff has prepared is sent at once, whatever the
// state: nothing is read first.
func (b *BMC) SetPower(ctx context.Context, want PowerAction) error {
	op := "set power " + string(want)
	if done, err := b.offAtOnce(ctx, op, want); done {
		return err
	}
	s, err := b.host(ctx, op)
	if err != nil {
		return err
	}
	if want == ActionOn && s.PowerState == PowerOn {
		return nil
	}
	word := want
	if other, ok := b.profile.Resets[want]; ok {
		word = other
	}
	err = b.reset(ctx, op, s.Actions, resetSystem, []string{string(word)})
	var e *Error
	if want == ActionForceOff && s.PowerState == PowerOff && errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && !errors.Is(err, ErrAuth) {
		return nil
	}
	return err
}

// powerSwitch is where and with which word a host is powered off.
type powerSwitch struct{ target, word string }

// ReadyOff looks up how the host is powered off, once: a BMC that takes seconds
// for an answer must not be asked four things while water runs. ErrUnsupported
// where there is no host to power off.
func (b *BMC) ReadyOff(ctx context.Context) error {
	if _, ok := b.switchOff(); ok {
		return nil
	}
	const op = "look up the power-off"
	s, err := b.host(ctx, op)
	if err != nil {
		return err
	}
	word := ActionForceOff
	if other, ok := b.profile.Resets[word]; ok {
		word = other
	}
	a, ok := actionOf(s.Actions, resetSystem)
	if !ok {
		return b.broker.refuse(op, fmt.Errorf("%w: no action %s", ErrUnsupported, resetSystem), "")
	}
	offered, err := b.resetTypes(ctx, op, a)
	if err != nil {
		return err
	}
	if len(offered) > 0 && !slices.Contains(offered, string(word)) {
		return b.broker.refuse(op, fmt.Errorf("%w: it takes %s", ErrUnsupported, strings.Join(offered, ", ")), "")
	}
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	if b.broker.off == nil {
		b.broker.off = map[string]powerSwitch{}
	}
	b.broker.off[b.endpoint.System] = powerSwitch{a.Target, string(word)}
	return nil
}

func (b *BMC) switchOff() (powerSwitch, bool) {
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	s, ok := b.broker.off[b.endpoint.System]
	return s, ok
}

// offAtOnce sends a prepared power-off; done is false where none is prepared, or
// what was prepared is refused: then it is looked up anew.
func (b *BMC) offAtOnce(ctx context.Context, op string, want PowerAction) (done bool, err error) {
	s, ok := b.switchOff()
	if !ok || want != ActionForceOff || !urgent(ctx) {
		return false, nil
	}
	if err := b.open(); err != nil {
		return true, err
	}
	_, err = b.post(ctx, call{op: op}, s.target, map[string]any{"ResetType": s.word})
	var e *Error
	if errors.As(err, &e) && e.Status >= 400 && e.Status < 500 {
		b.broker.mu.Lock()
		delete(b.broker.off, b.endpoint.System)
		b.broker.mu.Unlock()
		return false, nil
	}
	return true, err
}

// reset sends the first of the wanted types that the action takes.
func (b *BMC) reset(ctx context.Context, op string, actions map[string]rawJSON, name string, want []string) error {
	a, ok := actionOf(actions, name)
	if !ok {
		return b.broker.refuse(op, fmt.Errorf("%w: no action %s", ErrUnsupported, name), "")
	}
	offered, err := b.resetTypes(ctx, op, a)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(want, func(w string) bool { return len(offered) == 0 || slices.Contains(offered, w) })
	if i < 0 {
		return b.broker.refuse(op, fmt.Errorf("%w: it takes %s", ErrUnsupported, strings.Join(offered, ", ")), "use one of these, or map it in the profile")
	}
	_, err = b.post(ctx, call{op: op}, a.Target, map[string]any{"ResetType": want[i]})
	return err
}

// Mark is what moves when a host or its BMC was reset. Compare two readings
// after a lost answer; the zero value means that the BMC does not tell.
type Mark struct {
	Host string // LastResetTime of the System, as given
	BMC  string // LastResetTime of its Manager, as given
}

// String is compact enough for firmware.State.Mark; empty if nothing is known.
func (m Mark) String() string {
	if m == (Mark{}) {
		return ""
	}
	return m.Host + "|" + m.BMC
}

// Mark reads the reset times of host and BMC. A service without a host, or
// without one manager that stands out, leaves that half empty.
func (b *BMC) Mark(ctx context.Context) (Mark, error) {
	var m Mark
	s, err := b.host(ctx, "mark")
	switch {
	case err == nil:
		m.Host = s.LastResetTime
	case !errors.Is(err, ErrUnsupported):
		return Mark{}, err
	}
	man, err := b.manager(ctx, "mark")
	switch {
	case err == nil:
		m.BMC = man.LastResetTime
	case !errors.Is(err, ErrUnsupported):
		return Mark{}, err
	}
	return m, nil
}

// managerDoc is what the verbs need of the BMC itself.
type managerDoc struct {
	odata
	LastResetTime string
	Actions       map[string]rawJSON
	Links         struct{ ManagerForServers []odata }
}

// manager reads the Manager of the host: the one the System names, else the one
// whose ManagerForServers holds it, else the only one.
func (b *BMC) manager(ctx context.Context, op string) (*managerDoc, error) {
	c := call{op: op}
	root, err := b.broker.document(ctx)
	if err != nil {
		return nil, err
	}
	var host string
	if root.Systems.ID != "" {
		s, err := b.host(ctx, op)
		if err != nil {
			return nil, err
		}
		host = s.ID
		if len(s.Links.ManagedBy) == 1 {
			var m managerDoc
			return &m, b.broker.read(ctx, c, s.Links.ManagedBy[0].ID, &m)
		}
	}
	all, err := b.broker.members(ctx, c, root.Managers.ID)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		var m managerDoc
		if err := b.broker.loadMember(ctx, c, e, &m); err != nil {
			return nil, err
		}
		if len(all) == 1 || slices.ContainsFunc(m.Links.ManagerForServers, func(o odata) bool { return host != "" && sameURI(o.ID, host) }) {
			return &m, nil
		}
	}
	return nil, b.broker.refuse(op, fmt.Errorf("%w: none of its %d managers says that it manages the host", ErrUnsupported, len(all)), "")
}
