package bmcsim

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// component is one flash part with what waits in its other bank.
type component struct {
	Firmware
	staged string
	needs  string // the word that makes staged active
}

type updateState struct {
	components map[string]*component
	job        *job
	uploading  bool
	tasks      map[string]*task
	next       int
	paused     []*task // wait for the reset that makes their version active
}

const awaitToActivate = "Update.1.2.AwaitToActivate"

// job is one bank write under way.
type job struct {
	task    *task
	writes  map[string]string // component id → version
	params  parameters
	faults  UpdateFaults
	cancel  context.CancelFunc
	release chan struct{} // closed by Release, while a fault holds the write
}

// accept starts the bank write of a sound image: this is a flash. The caller holds the lock.
func (b *BMC) accept(img image, p parameters) reply {
	writes, out := b.resolve(img, p)
	if out.status != 0 {
		b.count.RefusedPayloads++
		return out
	}
	t := b.newTask("Firmware update")
	b.startWrite(t, img, writes, p)
	if b.update.job.faults.NoTask {
		b.dropTask(t)
		return empty(http.StatusNoContent)
	}
	return b.accepted(t)
}

// startWrite counts the flash and runs the write. The caller holds the lock.
func (b *BMC) startWrite(t *task, img image, writes map[string]string, p parameters) {
	var list []string
	for _, id := range sorted(writes) {
		list = append(list, id+" "+writes[id])
	}
	b.count.Flashes = append(b.count.Flashes, Flash{BMC: b.spec.Name, Task: t.path, Components: list, Digest: img.digest, At: time.Now()})
	ctx, cancel := context.WithCancel(b.fleet.ctx)
	j := &job{task: t, writes: writes, params: p, faults: b.takeFaults(), cancel: cancel}
	b.update.job = j
	b.say(t, "Running", 0, info("Update.1.2.TargetDetermined", "The target of the update was determined.", list...))
	b.running.Go(func() { defer cancel(); b.write(ctx, j) })
}

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

// resolve says which component gets which version.
func (b *BMC) resolve(img image, p parameters) (map[string]string, reply) {
	for _, t := range p.Targets {
		if b.tree[clean(t)] == nil {
			return nil, failure(http.StatusBadRequest, "Base.1.18.ResourceNotFound", "The object at 'Targets' is invalid: "+t, t)
		}
	}
	out := map[string]string{}
	for id, c := range b.update.components {
		for _, pair := range img.pairs {
			if glob(pair[0], id) && !c.Fixed && c.aimed(p.Targets) {
				out[id] = pair[1]
				break
			}
		}
	}
	if len(out) == 0 {
		return nil, failure(http.StatusBadRequest, "Update.1.2.UpdateNotApplicable", "The image does not apply to a component of the targets.")
	}
	return out, reply{}
}

// aimed is true where a list of targets includes the component: by its own path, the
// path of the resource it belongs to, or the chassis of the whole baseboard. No
// target is every component that the image names.
func (c *component) aimed(targets []string) bool {
	if len(targets) == 0 {
		return true
	}
	for _, t := range targets {
		t = clean(t)
		board := t == chassis+"/HGX_Chassis_0" && strings.HasPrefix(c.ID, "HGX_")
		if t == inventory+"/"+c.ID || t == c.Related || board {
			return true
		}
	}
	return false
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
