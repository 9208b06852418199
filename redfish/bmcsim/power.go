package bmcsim

import (
	"context"
	"net/http"
	"path"
	"slices"
	"time"
)

const (
	powerOn      = "On"
	powerOff     = "Off"
	poweringOn   = "PoweringOn"
	poweringOff  = "PoweringOff"
	progressNone = "None"
)

// machine is the power state machine of one System. The BMC's lock guards it.
type machine struct {
	system    string
	settings  string   // path of @Redfish.Settings where boot override lives there
	followers []string // Systems and Chassis whose PowerState follows
	power     string
	host      Host
	cancel    context.CancelFunc // of the transition under way
	last      chan struct{}      // closed when the transition before is over
	boots     []Boot
}

// resetSystem answers ComputerSystem.Reset.
func (c *call) resetSystem(m *machine) reply {
	var in struct{ ResetType string }
	if out, ok := c.decode(&in); !ok {
		return out
	}
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case in.ResetType == "":
		return failure(http.StatusBadRequest, "Base.1.18.ActionParameterMissing", "The action Reset requires the parameter ResetType to be present in the request body.", "Reset", "ResetType")
	case !slices.Contains(resetTypes(), in.ResetType):
		return failure(http.StatusBadRequest, "Base.1.18.ActionParameterNotSupported", "The parameter ResetType with the value "+in.ResetType+" is not supported by the target resource.", "ResetType", in.ResetType)
	}
	return b.verb(m, in.ResetType)
}

// verb starts a transition. The caller holds the lock.
func (b *BMC) verb(m *machine, verb string) reply {
	moving := m.power == poweringOn || m.power == poweringOff
	on := m.power == powerOn
	switch {
	case moving && verb != "ForceOff":
		return failure(http.StatusConflict, "Base.1.18.ResourceInUse", "The change to the requested resource failed because the resource is in use or in transition.")
	case verb == "On" && on, (verb == "ForceOff" || verb == "GracefulShutdown") && m.power == powerOff:
		return empty(http.StatusNoContent) // already so
	case verb != "On" && verb != "ForceOff" && !on:
		return failure(http.StatusConflict, "iLO.2.14.InvalidOperationForSystemState", "The operation was not successful due to the current power state.")
	}
	b.count.Resets[path.Base(m.system)+" "+verb]++
	if verb == "Nmi" {
		return empty(http.StatusNoContent)
	}
	b.tree.set(m.system, object{"LastResetTime": stamp(time.Now())})
	b.interruptBank("the host was reset", HostReset)
	switch verb {
	case "On":
		b.turn(m, poweringOn, func(ctx context.Context) { b.turnOn(ctx, m, verb) })
	case "ForceOff", "GracefulShutdown":
		b.turn(m, poweringOff, func(ctx context.Context) { b.turnOff(ctx, m, verb == "GracefulShutdown") })
	case "PowerCycle":
		b.turn(m, poweringOff, func(ctx context.Context) { b.turnOff(ctx, m, false); b.turnOn(ctx, m, verb) })
	case "FullPowerCycle":
		b.turn(m, poweringOff, func(ctx context.Context) { b.turnOff(ctx, m, false); b.dark(); b.turnOn(ctx, m, verb) })
	default:
		b.turn(m, powerOn, func(ctx context.Context) { b.restart(ctx, m, verb) })
	}
	return empty(http.StatusNoContent)
}

// turn overrules a transition under way and runs the next one behind it.
func (b *BMC) turn(m *machine, state string, run func(context.Context)) {
	if m.cancel != nil {
		m.cancel()
	}
	ctx, cancel := context.WithCancel(b.fleet.ctx)
	before, done := m.last, make(chan struct{})
	m.cancel, m.last = cancel, done
	b.setPower(m, state)
	b.running.Go(func() {
		defer close(done)
		defer cancel()
		if before != nil {
			<-before
		}
		if ctx.Err() == nil {
			run(ctx)
		}
	})
}

// setPower writes the state everywhere it shows. The caller holds the lock.
func (b *BMC) setPower(m *machine, state string) {
	m.power = state
	b.tree.set(m.system, object{"PowerState": state})
	for _, p := range m.followers {
		b.tree.set(p, object{"PowerState": state})
	}
	if state != powerOn {
		b.tree.set(m.system, object{"Status": object{"State": "Disabled"}})
		b.progress(m, progressNone)
		return
	}
	b.tree.set(m.system, object{"Status": object{"State": "Enabled", "Health": "OK"}})
}

func (b *BMC) progress(m *machine, state string) {
	b.tree.set(m.system, object{"BootProgress": object{"LastState": state, "LastStateTime": stamp(time.Now())}})
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (b *BMC) turnOn(ctx context.Context, m *machine, verb string) {
	b.mu.Lock()
	if ctx.Err() != nil {
		b.mu.Unlock()
		return
	}
	b.setPower(m, poweringOn)
	b.mu.Unlock()
	if pause(ctx, b.spec.Timing.PowerOn) {
		b.boot(ctx, m, verb, func(h Host, boot Boot) error { return h.PowerOn(ctx, boot) })
	}
}

func (b *BMC) restart(ctx context.Context, m *machine, verb string) {
	b.boot(ctx, m, verb, func(h Host, boot Boot) error { return h.Reset(ctx, boot) })
}

func (b *BMC) turnOff(ctx context.Context, m *machine, graceful bool) {
	b.mu.Lock()
	host := m.host
	b.mu.Unlock()
	wait := b.spec.Timing.PowerOff
	if !graceful {
		wait /= 10
	}
	if !pause(ctx, wait) {
		return
	}
	var err error
	if host != nil {
		err = host.PowerOff(ctx, graceful)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		b.hostFailed(m, err)
	}
	b.setPower(m, powerOff)
}

// hostFailed shows that the machine behind the BMC did not obey. The caller holds the lock.
func (b *BMC) hostFailed(m *machine, err error) {
	b.count.HostErrors++
	b.fleet.options.Log.Error("host did not obey", "bmc", b.spec.Name, "system", m.system, "error", err)
	b.tree.set(m.system, object{"Status": object{"Health": "Critical"}})
}
