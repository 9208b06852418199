package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	data    string
	keep    bool
	paper   bool
	address string
	limit   time.Duration
	attacks bool
	faults  []string
	bad     int
	quick   bool // no attack list; for tests that run several demos
	vm      bool // real machines in QEMU
	image   string
}

func (a *app) demoCmd() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{Use: "demo", Short: "Bring a virtual rack from manifest to signed package on this machine, no root, nothing left behind", Args: exactly(0, "no argument"),
		Long: "The rack is simulated: BMCs, boot ROMs and agents speak the real protocols on loopback. Everything it issues says SIMULATED.\n\n" +
			"Faults, each in a simulator: " + faultHelp(),
		Example: "  rackwright demo\n  rackwright demo --fault missing-dimm --fault memory\n  rackwright demo --fault all\n  rackwright demo --bad 3          # one more than the rack type tolerates: exit 5\n  rackwright demo --keep --data ./demo"}
	f := c.Flags()
	f.StringVar(&o.data, "data", "", "folder for the demo; default: a temporary one")
	f.BoolVar(&o.keep, "keep", false, "keep serving afterwards, until interrupted")
	f.BoolVar(&o.paper, "paper", false, "a rack without machines: every gate by a signed checklist")
	f.StringVar(&o.address, "address", "127.0.0.1:0", "where the demo's pages are")
	f.BoolVar(&o.attacks, "attacks", false, "print each attack of the list with its answer")
	f.DurationVar(&o.limit, "limit", 3*time.Minute, "give up after this long")
	f.StringSliceVar(&o.faults, "fault", nil, "what is wrong with the rack as delivered; all for every one but leak and wet-tray")
	f.BoolVar(&o.quick, "quick", false, "leave the attack list out")
	f.IntVar(&o.bad, "bad", 0, "this many nodes with bad memory")
	f.BoolVar(&o.vm, "vm", false, "three QEMU machines with real firmware and a real burn-in image behind the simulated BMCs (Debian, root)")
	f.StringVar(&o.image, "image", "", "with --vm: folder of the burn-in image, built there when it is not; default: in the user's cache")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.vm {
			return a.demoVM(c, o)
		}
		return a.demo(c.Context(), o)
	}
	return c
}

// demoRack is the rack the crew works on; vendor and acceptor are bound to it.
const demoRack = "A12"

// where each fault of the demo sits.
var demoFaults = map[virtualrack.FaultKind]virtualrack.Fault{
	virtualrack.FaultMissingDIMM: {Kind: virtualrack.FaultMissingDIMM, Slot: "C03"},
	virtualrack.FaultSwapped:     {Kind: virtualrack.FaultSwapped, Slot: "C05", Other: "C06"},
	virtualrack.FaultOldGPU:      {Kind: virtualrack.FaultOldGPU, Slot: "C02"},
	virtualrack.FaultTaskLost:    {Kind: virtualrack.FaultTaskLost, Slot: "C04"},
	virtualrack.FaultMemory:      {Kind: virtualrack.FaultMemory, Slot: "C07"},
	virtualrack.FaultLeak:        {Kind: virtualrack.FaultLeak, Slot: "C08"},
	virtualrack.FaultWet:         {Kind: virtualrack.FaultWet, Slot: "C08"},
}

func faultHelp() string {
	var names []string
	for _, k := range virtualrack.FaultKinds() {
		f := demoFaults[k]
		names = append(names, strings.TrimSuffix(fmt.Sprintf("%s (%s %s", k, f.Slot, f.Other), " ")+")")
	}
	return strings.Join(names, ", ")
}

// chosen turns the flags into faults.
func (o demoOptions) chosen() ([]virtualrack.Fault, error) {
	var out []virtualrack.Fault
	for _, name := range o.faults {
		if name == "all" {
			for _, k := range virtualrack.FaultKinds() {
				if k != virtualrack.FaultLeak && k != virtualrack.FaultWet { // a third tray out is more than the rack type tolerates
					out = append(out, demoFaults[k])
				}
			}
			continue
		}
		f, ok := demoFaults[virtualrack.FaultKind(name)]
		if !ok {
			return nil, fmt.Errorf("fault %q: use all, or one of %s: %w", name, faultHelp(), errUsage)
		}
		out = append(out, f)
	}
	if o.bad < 0 || o.bad > 8 {
		return nil, fmt.Errorf("bad %d: the rack has 8 nodes: %w", o.bad, errUsage)
	}
	for i := range o.bad {
		out = append(out, virtualrack.Fault{Kind: virtualrack.FaultMemory, Slot: fmt.Sprintf("C%02d", 8-i)})
	}
	return out, nil
}

// demo starts a real server with a demo key beside a virtual rack and lets a
// crew of demo people work on it through the API, as people would.
func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	faults, err := o.chosen()
	if err != nil {
		return err
	}
	if o.data == "" {
		if o.data, err = os.MkdirTemp("", "rackwright-demo-"); err != nil {
			return fmt.Errorf("folder of the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.data)) }()
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("folder of the demo: %w", err)
	}
	logFile, err := os.OpenFile(filepath.Join(o.data, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of the demo: %w", err)
	}
	defer logFile.Close()
	log := slog.New(slog.NewTextHandler(logFile, nil))
	stage, err := a.stage(ctx, o, faults, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	fmt.Fprintf(a.err, "SIMULATED rack; pages: https://%s/  (token of the viewer: %s)\nkey pin %s\n", stage.server.Address(), stage.crew.viewer, stage.server.Pin())
	limited, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	err = a.journey(limited, stage, o)
	if o.keep {
		fmt.Fprintln(a.err, "still serving; stop it with Ctrl-C")
		select {
		case <-ctx.Done():
		case <-stage.ended:
		}
	}
	return err
}

// demoConfig is the configuration of the demo: loopback only, free ports, the
// rhythm of a demo. The defaults of a real server are asserted elsewhere.
func demoConfig(o demoOptions) config.Config {
	cfg := config.Default()
	cfg.Site, cfg.Data, cfg.Management.Address = "demo", o.data, o.address
	cfg.Conductor.Poll, cfg.Conductor.Settle = 100*time.Millisecond, 500*time.Millisecond
	cfg.Redfish.Again, cfg.Firmware.Quiet = 2*time.Second, 3*time.Second
	cfg.BurnIn.Plan, cfg.BurnIn.Boot, cfg.BurnIn.Heartbeat = "smoke", 30*time.Second, 20*time.Second
	if slices.Contains(o.faults, string(virtualrack.FaultLeak)) {
		cfg.Redfish.Watch = time.Second
	}
	if o.paper {
		return cfg
	}
	if o.vm {
		return vmConfig(cfg)
	}
	cfg.Provisioning = config.Provisioning{Address: "127.0.0.1:0", Agents: "127.0.0.1:0", DHCP: "authoritative",
		Subnets: []string{demoSubnet + "=" + demoPool}, Programs: filepath.Join(o.data, "programs")}
	return cfg
}

// The demo's provisioning network: all of 127.0.0.0/8 is this machine.
const (
	demoSubnet = "127.77.0.0/24"
	demoPool   = "127.77.0.10-127.77.0.250"
	demoRelay  = "127.77.0.1"
)

// stage is everything that runs beside the crew.
type stage struct {
	server *server.Server
	rack   *virtualrack.Rack // nil on paper
	crew   *crew
	stop   context.CancelFunc
	ended  chan struct{}
	result error
}

// close ends the server, then the rack: BMC sessions are logged out first.
func (s *stage) close() error {
	s.stop()
	<-s.ended
	err := s.result
	if s.rack != nil {
		err = errors.Join(err, s.rack.Close())
	}
	return err
}
