package virtualrack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// Machines makes the QEMU machines of a rack. Give its Host to Options.Host.
type Machines struct {
	Dir string // a folder per machine: firmware variables, drives, console.log
	// Tap is the network device of a slot's machine, on the provisioning link.
	Tap func(slot string) string
	// BadSector makes a sector of the first drive in a slot unreadable.
	BadSector map[string]int64
	Log       *slog.Logger
}

// Host prepares the machine of a unit; it runs when its BMC switches it on.
func (o Machines) Host(u Unit, bmc *bmcsim.BMC) (bmcsim.Host, error) {
	m := &vm{unit: u, bmc: bmc, dir: filepath.Join(o.Dir, u.Slot), tap: o.Tap(u.Slot), bad: o.BadSector[u.Slot], log: o.Log.With("machine", u.Slot)}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of a machine: %w", err)
	}
	vars, err := os.ReadFile(ovmfVars)
	if err != nil {
		return nil, fmt.Errorf("firmware of a machine: %w: apt-get install ovmf", err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, fileVars), vars, 0o600); err != nil {
		return nil, fmt.Errorf("firmware of a machine: %w", err)
	}
	for _, d := range u.drives() {
		f, err := os.OpenFile(filepath.Join(m.dir, driveFile(d)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("drive of a machine: %w", err)
		}
		if err := errors.Join(f.Truncate(d.Size), f.Close()); err != nil {
			return nil, fmt.Errorf("drive of a machine: %w", err)
		}
	}
	return m, nil
}

// vm is one QEMU process: the machine behind one BMC. It implements bmcsim.Host.
type vm struct {
	unit Unit
	bmc  *bmcsim.BMC
	dir  string
	tap  string
	bad  int64
	log  *slog.Logger

	mu  sync.Mutex
	run *process // nil: switched off
}

// process is one run of QEMU, from power-on to power-off.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer // read after gone
	gone   chan struct{}
	off    bool // we ended it; the vm's lock guards it
	qmp    *control
}

func (m *vm) badSector(d bmcsim.Part) int64 {
	if list := m.unit.drives(); m.bad > 0 && list[0].Slot == d.Slot {
		return m.bad
	}
	return 0
}

// PowerOn implements bmcsim.Host.
func (m *vm) PowerOn(ctx context.Context, b bmcsim.Boot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.start(ctx, b)
}

// powerButton is how long a system may take to react to the power button.
const powerButton = 5 * time.Second

// PowerOff implements bmcsim.Host. A graceful one presses the power button
// first; a system that does not react is switched off, as BMCs do.
func (m *vm) PowerOff(ctx context.Context, graceful bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stop(ctx, graceful)
}

// Reset implements bmcsim.Host. The boot override decides the new process's
// command line, so a reset is a new process over the same drives and variables.
func (m *vm) Reset(ctx context.Context, b bmcsim.Boot) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.stop(ctx, false); err != nil {
		return err
	}
	return m.start(ctx, b)
}

// Close ends the machine with its rack.
func (m *vm) Close() error { return m.PowerOff(context.Background(), false) }

// start starts QEMU. The caller holds the lock.
func (m *vm) start(ctx context.Context, b bmcsim.Boot) error {
	if m.run != nil {
		return nil // it is on
	}
	args, err := m.arguments(b)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(m.dir, fileQMP)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("machine %s: %w", m.unit.Slot, err)
	}
	seen := m.consoleSize()
	p := &process{cmd: exec.Command(qemuProgram, args...), gone: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = m.dir, &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // never outlives this program
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("machine %s: %w: apt-get install qemu-system-x86", m.unit.Slot, err)
	}
	p.qmp, err = dial(ctx, p.cmd.Process.Pid)
	if err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // killed: its status says nothing
		return fmt.Errorf("machine %s: %w: %s", m.unit.Slot, err, bytes.TrimSpace(p.output.Bytes()))
	}
	m.run = p
	m.log.Info("machine is on", "pid", p.cmd.Process.Pid, "verb", b.Verb, "target", b.Target)
	m.bmc.Progress("OSBootStarted")
	go m.tend(p)
	go m.watch(p, seen)
	return nil
}

// stop ends QEMU and waits for its end. The caller holds the lock.
func (m *vm) stop(ctx context.Context, graceful bool) error {
	p := m.run
	if p == nil {
		return nil
	}
	p.off, m.run = true, nil
	if graceful {
		if err := p.qmp.run("system_powerdown"); err != nil {
			m.log.Warn("power button", "err", err)
		}
		select {
		case <-p.gone:
		case <-ctx.Done():
		case <-time.After(powerButton):
		}
	}
	_ = p.cmd.Process.Kill() // this machine, by its handle; it may have ended already
	<-p.gone
	m.log.Info("machine is off", "pid", p.cmd.Process.Pid)
	return nil
}

// tend waits for the end of a process. A restart from within is a boot without
// override, which counted once; anything else that nobody asked for is off.
func (m *vm) tend(p *process) {
	why := p.qmp.wait()
	err := p.cmd.Wait()
	close(p.gone)
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.off {
		return
	}
	m.run = nil
	m.log.Info("machine ended by itself", "reason", why, "status", fmt.Sprint(err), "output", p.output.String())
	if why == "guest-reset" || why == "guest-panic" {
		if err = m.start(context.Background(), bmcsim.Boot{Verb: why, Target: "None"}); err == nil {
			return
		}
		m.log.Error("machine does not start again", "err", err)
	}
	m.bmc.SwitchedOff()
}
