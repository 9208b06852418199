package bmcsim

import (
	"context"
)

// SetUpdateFaults replaces the faults of the coming updates.
func (b *BMC) SetUpdateFaults(f UpdateFaults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = f
}

func (b *BMC) takeFaults() UpdateFaults {
	f := b.faults
	if f.Count == 1 {
		b.faults = UpdateFaults{}
	} else if f.Count > 1 {
		b.faults.Count--
	}
	return f
}

// write plays the bank write: 20 steps of the profile's time, with the faults.
func (b *BMC) write(ctx context.Context, j *job) {
	const steps = 20
	for i := 1; i <= steps; i++ {
		if !pause(ctx, b.spec.Timing.Update/steps) {
			return
		}
		over, hold := b.step(ctx, j, 100*i/steps)
		if over {
			return
		}
		if hold == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-hold:
		}
	}
}

// step moves a write to percent; over: it has ended; hold: it waits for Release.
func (b *BMC) step(ctx context.Context, j *job, percent int) (over bool, hold chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := j.faults
	switch {
	case ctx.Err() != nil:
		return true, nil
	case f.FailAt > 0 && percent >= f.FailAt:
		b.update.job = nil
		b.say(j.task, "Exception", f.FailAt, info("Update.1.2.ApplyFailed", "Installation of the image failed."))
		return true, nil
	case f.HoldAt > 0 && percent >= f.HoldAt:
		b.say(j.task, "Running", f.HoldAt, nil)
		j.faults.HoldAt, j.release = 0, make(chan struct{})
		return false, j.release
	case f.TaskLostAt > 0 && percent >= f.TaskLostAt:
		b.written(j)
		b.selfReset()
		return true, nil
	case percent < 100:
		b.say(j.task, "Running", percent, nil)
		return false, nil
	}
	b.written(j)
	j.task.once = f.MonitorOnce
	last := b.lastWord(j)
	if f.Pause && str(last, "MessageId") == awaitToActivate {
		b.say(j.task, "Stopping", 100, last)
		b.update.paused = append(b.update.paused, j.task)
		return true, nil
	}
	b.say(j.task, "Completed", 100, last)
	if f.ReapOnDone {
		b.dropTask(j.task)
	}
	return true, nil
}

// Release lets an update go on that a fault holds; false: none is held.
func (b *BMC) Release() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.update.job
	if j == nil || j.release == nil {
		return false
	}
	close(j.release)
	j.release = nil
	return true
}

func (b *BMC) lastWord(j *job) object {
	for id := range j.writes {
		if b.update.components[id].staged != "" {
			return info(awaitToActivate, "Awaiting for an action to proceed with activating the image.", id)
		}
	}
	return info("Update.1.2.UpdateSuccessful", "The update was successful.")
}
