package bmcsim

import "context"

// Boot is how a machine starts: what the boot override and the boot order say.
type Boot struct {
	System string // path of the System
	Verb   string // ResetType that led here; "On" for a start from off
	Target string // None Pxe Hdd Cd Usb BiosSetup UefiHttp UefiBootNext; None: by boot order
	Once   bool   // the override was for this boot only and is gone now
	Mode   string // UEFI
	URI    string // HttpBootUri, only for UefiHttp
	Option string // id of the BootOption that comes first: by BootNext, target or order
	Device string // its UefiDevicePath: holds the MAC
}

// Host is a machine behind a BMC: a QEMU process, or a simulated ROM and agent.
// Calls come one at a time, never with the BMC's lock held, and end when the verb
// has taken effect; ctx ends when the fleet closes or a newer verb overrules. An
// error leaves the host off and its health Critical.
// Progress is reported back by BMC.Progress.
type Host interface {
	PowerOn(ctx context.Context, boot Boot) error
	PowerOff(ctx context.Context, graceful bool) error
	Reset(ctx context.Context, boot Boot) error
}

// SetHost puts a machine behind the (first) System, before the first power-on.
func (b *BMC) SetHost(h Host) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.firstMachine(); m != nil {
		m.host = h
	}
}

// Progress sets BootProgress.LastState, as the machine's firmware and system report
// it: OSBootStarted, OSRunning and so on. It is ignored while the host is off.
func (b *BMC) Progress(state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.firstMachine(); m != nil && m.power == powerOn {
		b.progress(m, state)
	}
}

// SwitchedOff says that the machine behind the (first) System went off by itself:
// its system shut down, or its process ended. A transition under way is left alone.
func (b *BMC) SwitchedOff() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.firstMachine(); m != nil && m.power == powerOn {
		b.setPower(m, powerOff)
	}
}

// Power is the PowerState of the (first) System.
func (b *BMC) Power() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.firstMachine(); m != nil {
		return m.power
	}
	return ""
}

// Boots are the starts of the (first) System so far.
func (b *BMC) Boots() []Boot {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.firstMachine(); m != nil {
		return append([]Boot(nil), m.boots...)
	}
	return nil
}

func (b *BMC) firstMachine() *machine {
	for _, p := range sorted(b.machines) {
		return b.machines[p]
	}
	return nil
}
