package simagent

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/tool"
	"github.com/rackwright/rackwright/inventory"
)

// Machine is the made-up hardware.
type Machine struct {
	Vendor, Product, Serial, UUID, BIOS string
	CPUs                                []CPU
	DIMMs                               []DIMM
	Drives                              []Drive
	NICs                                []NIC
	GPUs                                int // H100 functions on PCI
	AvailableMiB                        int // free memory; 0 means 1024
	Controllers                         int // memory controllers the kernel watches
}

// CPU is one populated socket.
type CPU struct {
	Slot, Model string
	Celsius     int // package temperature; 0 means 55
}

// DIMM is one memory module.
type DIMM struct {
	Slot, Vendor, Part, Serial string
	GiB                        int
}

// Drive is one NVMe drive.
type Drive struct {
	Model, Serial, Firmware string
	Bytes                   int64
	Celsius                 int // 0 means 38
}

// NIC is one network port.
type NIC struct {
	MAC              inventory.MAC
	Driver, Firmware string
	Mbps             int
}

// Fault is something that is wrong with the machine or its image.
type Fault string

// Faults of a simulated machine.
const (
	FaultMemory      Fault = "memory"       // stressapptest finds a miscompare, the kernel logs it
	FaultDrive       Fault = "drive"        // the first drive has an unreadable sector, SMART says passed
	FaultHot         Fault = "hot"          // the first drive is above its temperature limit
	FaultKernel      Fault = "kernel"       // a machine check during the CPU test
	FaultToolMissing Fault = "tool-missing" // the image lacks stress-ng
	FaultToolBroken  Fault = "tool-broken"  // stress-ng lacks a library and ends with 127
	FaultToolSilent  Fault = "tool-silent"  // stressapptest prints nothing and ends with 0
	FaultPartChanged Fault = "part-changed" // a module has another serial at the end
	FaultKernelGap   Fault = "kernel-gap"   // kernel lines were lost
)

// Options are how a simulated node behaves.
type Options struct {
	Server string
	HTTP   *http.Client
	Token  inventory.Secret
	Spool  string // directory
	Faults []Fault
	// Pace is how long each test tool takes, so that people can watch: a smoke
	// run lasts four of them (memory, processors, drives, their health). Zero
	// replays at once; what the tools print is the same either way.
	Pace  time.Duration
	Boot  string // boot id; empty: derived from the machine
	Image inventory.Digest
	Log   *slog.Logger
}

// New builds the agent of a simulated machine; its Run is the product's.
func New(m Machine, o Options) *burnin.Agent {
	s := &state{m: m, faults: o.Faults, pace: o.Pace, kernel: make(chan burnin.KernelLine, 64)}
	if s.m.AvailableMiB == 0 {
		s.m.AvailableMiB = 1024
	}
	boot := o.Boot
	if boot == "" {
		sum := sha256.Sum256([]byte("simulated boot\n" + m.Serial + m.UUID))
		boot = hex.EncodeToString(sum[:16])
	}
	h := burnin.Hello{Agent: "simagent/1 (simulated)", BootID: boot, UUID: m.UUID, Image: o.Image, Simulated: true}
	for _, n := range m.NICs {
		h.MACs = append(h.MACs, n.MAC)
	}
	return &burnin.Agent{Server: o.Server, HTTP: o.HTTP, Token: o.Token, Hello: h, Spool: o.Spool, Log: o.Log,
		Runner: &tool.Box{Starter: s, Host: tool.Host{Root: root(s.m)}}, Kernel: s,
		Settle: time.Millisecond, Retry: 20 * time.Millisecond}
}

// state is the machine while it runs; it implements tool.Starter and
// burnin.KernelLog.
type state struct {
	m      Machine
	faults []Fault
	pace   time.Duration
	kernel chan burnin.KernelLine
	seq    uint64
	tested bool // a load test ran: what changes, has changed
}

func (s *state) has(f Fault) bool { return slices.Contains(s.faults, f) }
