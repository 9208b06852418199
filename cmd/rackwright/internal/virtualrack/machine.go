package virtualrack

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rackwright/rackwright/images/burnin/simagent"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/pxe/romsim"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// Network is where the machines of a rack find their servers.
type Network struct {
	DHCP  netip.AddrPort // where the rack's relay forwards to
	Relay netip.Addr     // the relay's address, in the subnet that is served
	TFTP  uint16         // port
}

// machine is one simulated host: a boot ROM that speaks real packets, then the
// agent that the image would hold. It implements bmcsim.Host.
type machine struct {
	rack   *Rack
	unit   Unit
	bmc    *bmcsim.BMC
	faults []simagent.Fault
	spool  string
	log    *slog.Logger

	mu      sync.Mutex
	network Network
	cancel  context.CancelFunc
	over    chan struct{} // closed when the present boot has ended
	boots   int
}

func newMachine(r *Rack, u Unit, bmc *bmcsim.BMC, o Options, faults []simagent.Fault) *machine {
	return &machine{rack: r, unit: u, bmc: bmc, faults: faults, spool: filepath.Join(o.Spool, u.Slot), log: o.Log.With("machine", u.Slot)}
}

func (m *machine) connect(n Network) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.network = n
}

// PowerOn implements bmcsim.Host.
func (m *machine) PowerOn(_ context.Context, b bmcsim.Boot) error { m.start(b); return nil }

// PowerOff implements bmcsim.Host. Power off in the middle of a test kills the
// agent, as it would.
func (m *machine) PowerOff(context.Context, bool) error { m.stop(); return nil }

// Reset implements bmcsim.Host.
func (m *machine) Reset(_ context.Context, b bmcsim.Boot) error {
	m.stop()
	m.start(b)
	return nil
}

// stop ends what runs and waits for it.
func (m *machine) stop() {
	m.mu.Lock()
	cancel, over := m.cancel, m.over
	m.cancel = nil
	m.mu.Unlock()
	if cancel != nil {
		cancel()
		<-over
	}
}

func (m *machine) start(b bmcsim.Boot) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	m.mu.Lock()
	m.cancel, m.over = cancel, over
	m.boots++
	n, network := m.boots, m.network
	m.mu.Unlock()
	m.rack.running.Go(func() {
		defer close(over)
		if err := m.run(ctx, b, network, n); err != nil && !errors.Is(err, context.Canceled) {
			m.log.Warn("simulated machine stopped", "boot", n, "target", b.Target, "err", err)
		}
	})
}

// rom is the boot ROM that a boot override asks for.
func rom(target string) (romsim.Mode, uint16, bool) {
	switch target {
	case "UefiHttp":
		return romsim.HTTP, romsim.ArchAMD64HTTP, true
	case "Pxe":
		return romsim.PXE, romsim.ArchAMD64, true
	}
	return "", 0, false
}

// run boots once and, when the network gave an image, is its agent.
func (m *machine) run(ctx context.Context, b bmcsim.Boot, n Network, boot int) error {
	mode, arch, network := rom(b.Target)
	if !network || !n.DHCP.IsValid() {
		m.bmc.Progress("OSRunning") // from disk: nothing of ours
		return nil
	}
	m.bmc.Progress("OSBootStarted")
	out, err := romsim.Machine{MAC: m.unit.bootMAC(), UUID: m.unit.Spec.UUID, Arch: arch, Mode: mode, Server: n.DHCP, Relay: n.Relay, TFTPPort: n.TFTP}.Boot(ctx)
	if err != nil {
		return err
	}
	m.bmc.Progress("OSRunning")
	client, err := pinned(out.CommandLine)
	if err != nil {
		return err
	}
	if m.unit.leaks {
		if err := m.bmc.SetLeak(leakDetector, "Critical"); err != nil {
			return err
		}
		<-ctx.Done() // the board is wet and runs nothing any more
		return ctx.Err()
	}
	agent := simagent.New(m.hardware(), simagent.Options{Server: out.Server, HTTP: client, Token: out.Token, Spool: filepath.Join(m.spool, fmt.Sprint(boot)), Faults: m.faults,
		Boot: fmt.Sprintf("%s-%d", m.unit.Spec.UUID, boot), Image: out.Image, Log: m.log})
	return agent.Run(ctx)
}

// pinned trusts the one key that the command line names, as rackagent does.
func pinned(line string) (*http.Client, error) {
	var pin inventory.Digest
	for field := range strings.FieldsSeq(line) {
		if v, ok := strings.CutPrefix(field, "rackwright.pin="); ok {
			var err error
			if pin, err = inventory.ParseDigest(v); err != nil {
				return nil, fmt.Errorf("command line: %w", err)
			}
		}
	}
	t := &http.Transport{MaxIdleConns: 2, IdleConnTimeout: time.Minute}
	if pin != "" {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			if got := inventory.DigestOf(s.PeerCertificates[0].RawSubjectPublicKeyInfo); got != pin {
				return fmt.Errorf("server's key is %s, pinned is %s", got, pin)
			}
			return nil
		}}
	}
	return &http.Client{Transport: t}, nil
}

// hardware is what the booted machine sees of itself: the parts of its BMC's tree.
func (m *machine) hardware() simagent.Machine {
	s := m.unit.Spec
	out := simagent.Machine{Vendor: s.Vendor, Product: s.Model, Serial: s.Serial, UUID: s.UUID, BIOS: "1.06.02"}
	for _, p := range s.Parts {
		switch p.Kind {
		case "cpu":
			out.CPUs = append(out.CPUs, simagent.CPU{Slot: p.Slot, Model: p.Model})
		case "dimm":
			out.DIMMs = append(out.DIMMs, simagent.DIMM{Slot: p.Slot, Vendor: p.Vendor, Part: p.Model, Serial: p.Serial, GiB: int(p.Size / 1024)})
		case "drive":
			out.Drives = append(out.Drives, simagent.Drive{Model: p.Model, Serial: p.Serial, Firmware: p.Firmware, Bytes: p.Size})
		case "nic":
			for _, text := range p.MACs {
				if mac, ok := inventory.ParseMAC(text); ok {
					out.NICs = append(out.NICs, simagent.NIC{MAC: mac, Driver: "mlx5_core", Firmware: p.Firmware, Mbps: 400000})
				}
			}
		case "gpu":
			out.GPUs++
		}
	}
	return out
}
