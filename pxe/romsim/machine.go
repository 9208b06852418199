package romsim

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// UserClass is the member of option 77 by which the simulator says what it is.
const UserClass = "rackwright-sim"

// Mode is the program that a machine has in ROM.
type Mode string

// Modes.
const (
	PXE  Mode = "pxe"  // PXE firmware: program by TFTP
	HTTP Mode = "http" // UEFI HTTP boot: program by URL
	IPXE Mode = "ipxe" // iPXE option ROM: script by URL
)

// Processor architectures (option 93, IANA) with real firmware behind them.
const (
	ArchBIOS      uint16 = 0
	ArchAMD64     uint16 = 7
	ArchARM64     uint16 = 11
	ArchAMD64HTTP uint16 = 16
	ArchARM64HTTP uint16 = 19
)

// Machine is one simulated machine. It may boot again and again, one boot at a time.
type Machine struct {
	MAC  inventory.MAC
	UUID string // SMBIOS UUID; empty: none is sent
	Arch uint16 // option 93
	Mode Mode

	// Server is where the relay of this machine forwards to.
	Server netip.AddrPort
	// Relay is the relay's own address, in the subnet that shall be chosen; the
	// socket is opened there, on a port of the system's choice.
	Relay netip.Addr
	// Circuit is option 82.1, the switch port; empty: none.
	Circuit string
	// TFTPPort is where TFTP is served; 0 means 69.
	TFTPPort uint16
	// Given is the address that another DHCP server gives. With it the machine
	// takes boot options from a proxyDHCP server at Server and, where that
	// wants the dialogue, at Proxy. Without Server it only has the dialogue.
	Given netip.Addr
	Proxy netip.AddrPort

	// Timeout is the wait for one answer, 0 means one second; Tries is how often
	// the machine asks, 0 means four.
	Timeout time.Duration
	Tries   int
	Faults  Faults
}

// Faults is what is wrong with a machine or its link. The zero value is a good one.
type Faults struct {
	LoseEvery   int           `json:"loseEvery,omitempty"`   // every n-th datagram that it sends is lost
	DeafEvery   int           `json:"deafEvery,omitempty"`   // every n-th datagram to it is lost
	Twice       bool          `json:"twice,omitempty"`       // the link delivers every datagram twice
	NoRequest   bool          `json:"noRequest,omitempty"`   // takes no offer
	Foreign     netip.Addr    `json:"foreign,omitzero"`      // takes the offer of this other server
	Decline     bool          `json:"decline,omitempty"`     // finds its first address in use
	StopAfter   Stage         `json:"stopAfter,omitempty"`   // goes dark after a stage
	BytesPerSec int           `json:"bytesPerSec,omitempty"` // slow reader of files
	Pause       time.Duration `json:"pause,omitempty"`       // between two stages
}

// Stage is how far a boot came.
type Stage string

// Stages in their order.
const (
	StageOffer   Stage = "offer"
	StageAck     Stage = "ack"
	StageProgram Stage = "program"
	StageScript  Stage = "script"
	StageKernel  Stage = "kernel"
)

// File is something that was fetched whole.
type File struct {
	Name   string           `json:"name"` // TFTP name or URL path without token
	Size   int64            `json:"size"`
	Digest inventory.Digest `json:"digest"`
}

// Result is one boot, as far as it came.
type Result struct {
	Addr    netip.Addr    `json:"addr,omitzero"`
	Lease   time.Duration `json:"lease,omitempty"`
	Program File          `json:"program,omitzero"`
	Script  string        `json:"-"` // holds the token
	Kernel  File          `json:"kernel,omitzero"`
	Initrd  File          `json:"initrd,omitzero"`
	// CommandLine is the kernel's; Server, Run and Token are read from it.
	CommandLine string           `json:"-"`
	Server      string           `json:"server,omitempty"`
	Run         inventory.RunID  `json:"run,omitempty"`
	Token       inventory.Secret `json:"token,omitzero"`
	Image       inventory.Digest `json:"image,omitempty"`
	Console     []string         `json:"console,omitempty"` // what the script printed
	Seen        Counters         `json:"seen"`
}

// Counters are the datagrams and requests of one boot.
type Counters struct {
	Sent, Lost, Received, Naks, Requests int
	Took                                 time.Duration
}

// Why a boot ended before its kernel. Errors wrap one of them.
var (
	ErrNoAnswer = errors.New("no answer from any DHCP server")
	ErrNAK      = errors.New("the DHCP server refused the address")
	ErrDisk     = errors.New("an address without boot options: the machine starts from disk")
	ErrRefused  = errors.New("the server refused")
	ErrDark     = errors.New("the machine went dark: fault of its data")
	ErrScript   = errors.New("the boot script gave up")
	ErrDamaged  = errors.New("a file is not what was announced")
)

// Boot boots once and returns what the machine would hand to its kernel. The
// Result is filled as far as the boot came, also beside an error.
func (m Machine) Boot(ctx context.Context) (Result, error) {
	start := time.Now()
	b := &boot{m: m}
	err := b.run(ctx)
	b.out.Seen.Took = time.Since(start)
	if err != nil {
		return b.out, fmt.Errorf("%s %s: %w", m.Mode, m.MAC, err)
	}
	return b.out, nil
}

// check names what is missing.
func (m Machine) check() error {
	var faults []error
	if m.MAC.Hardware() == nil {
		faults = append(faults, fmt.Errorf("MAC %q", m.MAC))
	}
	if !m.Relay.Is4() || !m.Server.IsValid() && !(m.Given.Is4() && m.Proxy.IsValid()) {
		faults = append(faults, errors.New("relay address and server are needed, or the address given elsewhere and the proxy"))
	}
	switch m.Mode {
	case PXE, HTTP, IPXE:
	default:
		faults = append(faults, fmt.Errorf("mode %q: use pxe, http or ipxe", m.Mode))
	}
	return errors.Join(faults...)
}

// parameters reads what the command line tells the agent.
func (r *Result) parameters() {
	for field := range strings.FieldsSeq(r.CommandLine) {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "rackwright.server":
			r.Server = value
		case "rackwright.run":
			r.Run = inventory.RunID(value)
		case "rackwright.token":
			r.Token = inventory.NewSecret(value)
		case "rackwright.image":
			r.Image = inventory.Digest(value)
		}
	}
}
