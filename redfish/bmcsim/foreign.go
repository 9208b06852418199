package bmcsim

import (
	"context"
	"fmt"
	"path"
	"time"
)

// Foreign starts an update that no client of ours asked for: a second updater. It
// keeps the service busy and shows a task, but is no flash in the counters.
func (b *BMC) Foreign(component, version string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.update.components[component] == nil:
		return fmt.Errorf("bmcsim: %s has no component %q", b.spec.Name, component)
	case b.update.job != nil || b.update.uploading:
		return fmt.Errorf("bmcsim: %s is updating already", b.spec.Name)
	}
	ctx, cancel := context.WithCancel(b.fleet.ctx)
	j := &job{task: b.newTask("Firmware update"), writes: map[string]string{component: version}, cancel: cancel}
	b.update.job = j
	b.say(j.task, "Running", 0, nil)
	b.running.Go(func() { defer cancel(); b.write(ctx, j) })
	return nil
}

// wake completes tasks that were paused until their version became active. The
// caller holds the lock.
func (b *BMC) wake() {
	for _, c := range b.update.components {
		if c.staged != "" {
			return
		}
	}
	for _, t := range b.update.paused {
		if b.update.tasks[t.id] == t {
			b.say(t, "Completed", 100, info("Update.1.2.UpdateSuccessful", "The update was successful."))
		}
	}
	b.update.paused = nil
}

// copyBank lets the roots of trust be busy for a while. The caller holds the lock.
func (b *BMC) copyBank(d time.Duration) {
	if d <= 0 {
		return
	}
	show := func(status string) {
		for _, p := range sorted(b.tree) {
			if path.Dir(p) == chassis && str(b.tree[p].doc(), "Oem", "Nvidia", "BackgroundCopyStatus") != "" {
				b.tree.set(p, object{"Oem": object{"Nvidia": object{"BackgroundCopyStatus": status}}})
			}
		}
	}
	show("InProgress")
	b.running.Go(func() {
		if !pause(b.fleet.ctx, d) {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		show("Completed")
	})
}
