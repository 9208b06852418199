package bmcsim

import "context"

// ACCycle cuts the supply of the whole machine and gives it back: the host is off
// at once, the BMC is away, staged versions become active, and PowerRestorePolicy
// says whether the host starts again. It is what a shelf or PDU does.
func (b *BMC) ACCycle() {
	b.mu.Lock()
	was := map[*machine]bool{}
	for _, p := range sorted(b.machines) {
		m := b.machines[p]
		was[m] = m.power == powerOn || m.power == poweringOn
		if was[m] {
			b.turn(m, powerOff, func(ctx context.Context) { b.pull(ctx, m) })
		}
	}
	b.count.Resets["AC Self"]++
	b.restartBMC(ACCycle, "AC power was cut")
	b.restore(was)
	b.mu.Unlock()
	b.raw.away(b.spec.Timing.BMCReset)
}

// pull stops the machine behind a BMC that has lost power.
func (b *BMC) pull(ctx context.Context, m *machine) {
	b.mu.Lock()
	host := m.host
	b.mu.Unlock()
	if host == nil {
		return
	}
	if err := host.PowerOff(ctx, false); err != nil && ctx.Err() == nil {
		b.mu.Lock()
		b.hostFailed(m, err)
		b.mu.Unlock()
	}
}

// restore applies PowerRestorePolicy behind whatever is under way. The caller holds the lock.
func (b *BMC) restore(was map[*machine]bool) {
	for _, p := range sorted(b.machines) {
		m := b.machines[p]
		policy := str(b.tree[m.system].doc(), "PowerRestorePolicy")
		if policy != "AlwaysOn" && (policy != "LastState" || !was[m]) {
			continue
		}
		before := m.last
		b.running.Go(func() {
			if before != nil {
				<-before
			}
			if !pause(b.fleet.ctx, b.spec.Timing.BMCReset) {
				return
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if m.power == powerOff {
				b.turn(m, poweringOn, func(ctx context.Context) { b.turnOn(ctx, m, "On") })
			}
		})
	}
}
