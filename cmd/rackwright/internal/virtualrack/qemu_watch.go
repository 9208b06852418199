package virtualrack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

// control is the QMP connection of one QEMU process.
type control struct {
	monitor *qmp.SocketMonitor
	events  <-chan qmp.Event
}

// qmpPatience is how long a QEMU that starts may take to listen.
const qmpPatience = 20 * time.Second

// dial connects to the QMP socket of a process in its folder. The way through
// /proc keeps the name of the socket shorter than the kernel's limit.
func dial(ctx context.Context, pid int) (*control, error) {
	ctx, cancel := context.WithTimeout(ctx, qmpPatience)
	defer cancel()
	file := fmt.Sprintf("/proc/%d/cwd/%s", pid, fileQMP)
	for {
		monitor, err := qmp.NewSocketMonitor("unix", file, time.Second)
		if err == nil {
			if err = monitor.Connect(); err == nil {
				c := &control{monitor: monitor}
				c.events, err = monitor.Events(ctx)
				return c, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("QMP of process %d: %w: %w", pid, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// run runs one command without arguments.
func (c *control) run(name string) error {
	text, err := json.Marshal(qmp.Command{Execute: name})
	if err != nil {
		return fmt.Errorf("QMP %s: %w", name, err)
	}
	if _, err := c.monitor.Run(text); err != nil {
		return fmt.Errorf("QMP %s: %w", name, err)
	}
	return nil
}

// wait reads events until the process closes the connection and returns why it
// ended: QEMU's ShutdownCause, such as guest-reset.
func (c *control) wait() string {
	why := "process ended"
	for e := range c.events {
		if e.Event == "SHUTDOWN" {
			why = fmt.Sprint(e.Data["reason"])
		}
	}
	return why
}

func (m *vm) consoleSize() int64 {
	info, err := os.Stat(filepath.Join(m.dir, fileConsole))
	if err != nil {
		return 0
	}
	return info.Size()
}

// kernelSpeaks is the first line of every Linux kernel.
const kernelSpeaks = "Linux version "

// watch follows the console from where this process began, and tells the BMC
// when a kernel speaks there.
func (m *vm) watch(p *process, from int64) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var tail []byte
	for {
		select {
		case <-p.gone:
			return
		case <-tick.C:
		}
		f, err := os.Open(filepath.Join(m.dir, fileConsole))
		if err != nil {
			continue // QEMU has not written yet
		}
		more, err := io.ReadAll(io.NewSectionReader(f, from, 1<<20))
		_ = f.Close() // it was only read
		if err != nil {
			m.log.Warn("console cannot be read", "err", err)
			return
		}
		from += int64(len(more))
		tail = append(tail, more...)
		if bytes.Contains(tail, []byte(kernelSpeaks)) {
			m.bmc.Progress("OSRunning")
			return
		}
		tail = tail[max(0, len(tail)-len(kernelSpeaks)):]
	}
}
