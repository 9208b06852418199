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
