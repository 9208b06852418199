package bmcsim

import (
	"net/http"
	"path"
	"time"
)

// resetManager answers Manager.Reset: the answer is sent, then the BMC is away.
func (c *call) resetManager(manager string) reply {
	var in struct{ ResetType string }
	if out, ok := c.decode(&in); !ok {
		return out
	}
	if in.ResetType != "ForceRestart" && in.ResetType != "GracefulRestart" {
		return failure(http.StatusBadRequest, "Base.1.18.ActionParameterNotSupported", "The parameter ResetType with the value "+in.ResetType+" is not supported by the target resource.", "ResetType", in.ResetType)
	}
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.Resets[path.Base(manager)+" "+in.ResetType]++
	b.restartBMC(BMCReset, "the BMC was reset")
	return reply{status: http.StatusNoContent, after: b.leaveSoon}
}

// restartBMC is what a restart of the BMC does to its memory. The caller holds the lock.
func (b *BMC) restartBMC(verb, why string) {
	b.interruptBank(why, verb)
	b.activate(verb)
	b.forget()
	for _, p := range sorted(b.tree) {
		if path.Dir(p) == managers && !b.tree[p].collection {
			b.tree.set(p, object{"LastResetTime": stamp(time.Now())})
		}
	}
}

// leaveSoon lets the answer out and then resets all connections for the profile's time.
func (b *BMC) leaveSoon() {
	b.running.Go(func() {
		if pause(b.fleet.ctx, 30*time.Millisecond) {
			b.raw.away(b.spec.Timing.BMCReset)
		}
	})
}

// selfReset is a BMC that restarts on its own after an update. The caller holds the lock.
func (b *BMC) selfReset() {
	b.count.Resets["BMC Self"]++
	b.restartBMC(BMCReset, "the BMC restarted itself")
	b.leaveSoon()
}

// auxPower answers NvidiaChassis.AuxPowerReset: the host must be off (nico#909).
func (c *call) auxPower() reply {
	var in struct{ ResetType string }
	if out, ok := c.decode(&in); !ok {
		return out
	}
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if in.ResetType != "AuxPowerCycle" {
		return failure(http.StatusBadRequest, "Base.1.18.ActionParameterNotSupported", "The parameter ResetType with the value "+in.ResetType+" is not supported by the target resource.", "ResetType", in.ResetType)
	}
	for _, m := range b.machines {
		if m.power != powerOff {
			return failure(http.StatusBadRequest, "Base.1.18.ChassisPowerStateOffRequired", "The Chassis must be powered off to perform this operation.", path.Base(c.path))
		}
	}
	b.count.Resets["Chassis AuxPowerCycle"]++
	b.restartBMC(ACCycle, "standby power was cut")
	b.restore(map[*machine]bool{})
	return reply{status: http.StatusNoContent, after: b.leaveSoon}
}

// dark is a loss of standby power without a request. It takes the lock.
func (b *BMC) dark() {
	b.mu.Lock()
	b.restartBMC(ACCycle, "standby power was cut")
	b.mu.Unlock()
	b.raw.away(b.spec.Timing.BMCReset)
}
