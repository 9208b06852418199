package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"aead.dev/minisign"
	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/inventory"
)

// The rack of real machines: who boots how, and whose drive is bad.
const (
	vmNodes     = 3
	vmPXESlot   = "C01" // its BMC offers no UEFI HTTP boot
	vmBadSlot   = "C03" // C02 and C03 boot by UEFI HTTP
	vmBadSector = 4096  // 2 MiB into the drive; the smoke plan reads 64 MiB
	vmWire      = "10.77.0.1/24"
	vmLimit     = 20 * time.Minute // software emulation, maybe on a busy machine
)

// vmConfig is a real provisioning network on a link that is ours alone, and the
// patience that software emulation needs.
func vmConfig(cfg config.Config) config.Config {
	cfg.Conductor.Poll = 500 * time.Millisecond
	cfg.BurnIn.Boot, cfg.BurnIn.Heartbeat = 6*time.Minute, 4*time.Minute
	cfg.Provisioning = config.Provisioning{Address: "10.77.0.1:8080", Agents: "10.77.0.1:8081", DHCP: "authoritative", Interfaces: []string{virtualrack.Bridge},
		Subnets: []string{"10.77.0.0/24=10.77.0.100-10.77.0.199"}, Programs: virtualrack.BootPrograms, Ports: config.Default().Provisioning.Ports,
		Args: vmArgs(), Advertise: true}
	return cfg
}

// vmArgs are the kernel arguments of emulated machines. An emulator that does
// not get the processor in time misses timer interrupts, which is no fault of
// the machine: without no_timer_check a kernel on a busy host panics at start.
func vmArgs() []string {
	return []string{"console=ttyS0,115200n8", "no_timer_check", "softlockup_panic=0", "mitigations=off", "nokaslr", "random.trust_cpu=on"}
}

// demoVM is the demo with real machines. The image is built with this machine's
// network; everything else runs in a network namespace.
func (a *app) demoVM(c *cobra.Command, o demoOptions) error {
	if o.paper || len(o.faults) > 0 || o.bad > 0 {
		return fmt.Errorf("--vm has its own rack and its own fault, a bad drive in %s: leave --paper, --fault and --bad out: %w", vmBadSlot, errUsage)
	}
	if err := virtualrack.Missing(); err != nil {
		return fmt.Errorf("the demo with real machines needs more than this machine has:\n%w", err)
	}
	if !c.Flags().Changed("limit") {
		o.limit = vmLimit
	}
	if o.image == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("folder of the burn-in image: %w: name one with --image: %w", err, errUsage)
		}
		o.image = filepath.Join(cache, "rackwright", "burnin")
	}
	ctx := c.Context()
	if virtualrack.Isolated() {
		if err := virtualrack.Wire(ctx, netip.MustParsePrefix(vmWire), vmSlots()...); err != nil {
			return err
		}
		return a.demo(ctx, o)
	}
	if err := a.vmImage(ctx, o.image); err != nil {
		return err
	}
	code, err := virtualrack.Isolate(ctx, os.Args[1:], a.out, a.err)
	if err == nil && code != exitOK {
		err = &exited{code}
	}
	return err
}

func vmSlots() []string {
	var out []string
	for _, u := range virtualrack.VM(demoRack, vmNodes).Units {
		out = append(out, u.Slot)
	}
	return out
}

// vmImage builds the burn-in image from Debian's packages, as a user does,
// unless the folder has one with this program's agent.
func (a *app) vmImage(ctx context.Context, dir string) error {
	agent, err := agentOf("")
	if err != nil {
		return err
	}
	if img, err := readImage(dir); err == nil && img.Tools["rackagent"] == string(inventory.DigestOf(agent)) {
		a.say("burn-in image %s is in %s", img.Version, dir)
		return nil
	}
	a.say("building the burn-in image into %s", dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder of the burn-in image: %w", err)
	}
	return a.buildBurnin(ctx, buildFlags{fetch: true, out: dir, name: "burnin"}, config.Default())
}

// vmRack is the rack with a QEMU process behind each BMC.
func vmRack(o demoOptions, log *slog.Logger) (*virtualrack.Rack, error) {
	log = log.With("side", "virtual rack")
	layout := virtualrack.VM(demoRack, vmNodes)
	if err := layout.OnlyPXE(vmPXESlot); err != nil {
		return nil, err
	}
	machines := virtualrack.Machines{Dir: filepath.Join(o.data, "machines"), Tap: virtualrack.TapOf, BadSector: map[string]int64{vmBadSlot: vmBadSector}, Log: log}
	return virtualrack.New(layout, virtualrack.Options{Log: log, Host: machines.Host})
}

// stockVM brings in the real image and the baseline of the machines' BMCs.
func (c *crew) stockVM(ctx context.Context, a *app, o demoOptions, key minisign.PrivateKey) error {
	img, err := readImage(o.image)
	if err != nil {
		return err
	}
	for _, role := range slices.Sorted(maps.Keys(img.Files)) {
		got, err := c.adam.PutBlob(ctx, filepath.Join(o.image, role), nil)
		if err == nil && got.Digest != img.Files[role] {
			err = fmt.Errorf("%s in %s is %s, image.json says %s: remove the folder: %w", role, o.image, got.Digest, img.Files[role], inventory.ErrInvalid)
		}
		if err != nil {
			return err
		}
	}
	var line api.ImageLine
	if line, err = c.adam.PublishImage(ctx, img); err != nil {
		return err
	}
	c.image = line.Digest
	a.say("published image %s %s as %s", line.Name, line.Version, line.Digest)
	return c.baseline(ctx, o.data, key, virtualrack.VMBaselines())
}
