package tool

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
)

// Collector reads the in-band inventory: SMBIOS through dmidecode, PCI through
// lspci, drives and ports from /sys. What cannot be read is a fault that names
// the classes it leaves unproven.
type Collector struct {
	Starter Starter
	Host    Host
	Links   func() []inventory.Link // cable ends heard so far; nil: nobody listens
}

const readTimeout = time.Minute

// Collect reads everything once. The observation has no node and no time yet.
func (c Collector) Collect(ctx context.Context) inventory.Observation {
	o := inventory.Observation{Source: inventory.SourceInband}
	fault := func(path string, err error, kinds ...inventory.Kind) {
		for _, k := range kinds {
			o.Faults = append(o.Faults, inventory.ReadFault{Path: path, Reason: err.Error(), Kind: k})
		}
	}
	if out, err := c.run(ctx, "dmidecode"); err != nil {
		fault("dmidecode", err, inventory.KindChassis, inventory.KindBIOS, inventory.KindCPU, inventory.KindDIMM)
	} else if list, err := Dmidecode(out); err != nil {
		fault("dmidecode", err, inventory.KindChassis, inventory.KindBIOS, inventory.KindCPU, inventory.KindDIMM)
	} else {
		o.Components = append(o.Components, DMIComponents(list)...)
	}
	if out, err := c.run(ctx, "lspci", "-Dvmmnn"); err != nil {
		fault("lspci", err, inventory.KindGPU, inventory.KindTrainium)
	} else if list, err := Lspci(out); err != nil {
		fault("lspci", err, inventory.KindGPU, inventory.KindTrainium)
	} else {
		o.Components = append(o.Components, c.accelerators(list)...)
	}
	for _, d := range c.Host.Drives() {
		part := inventory.Component{Key: inventory.Key{Kind: inventory.KindDrive, Slot: c.place("sys/block/"+d.Name+"/device", d.Name)},
			Model: d.Model, Serial: d.Serial, Firmware: d.Firmware, SizeMiB: d.Bytes >> 20, State: inventory.StatePresent}
		o.Components = append(o.Components, part)
		if d.Serial == "" {
			fault("sys/block/"+d.Name, fmt.Errorf("the drive tells no serial"), inventory.KindDrive)
		}
	}
	o.Components = append(o.Components, c.ports(ctx, fault)...)
	c.edac(&o)
	if c.Links != nil {
		o.Links = c.Links()
	}
	return o
}

func (c Collector) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	got := c.Starter.Start(ctx, Command{Name: name, Args: args, Timeout: readTimeout})
	switch {
	case got.Missing:
		return nil, fmt.Errorf("%s is not in this image", name)
	case got.Error != "" || got.TimedOut || got.Truncated:
		return nil, fmt.Errorf("%s: error %q, timed out %t, cut %t", name, got.Error, got.TimedOut, got.Truncated)
	case got.Exit != 0:
		return nil, fmt.Errorf("%s ended with %d: %.200s", name, got.Exit, got.Stderr)
	}
	return got.Stdout, nil
}

func (c Collector) accelerators(list []PCI) []inventory.Component {
	var out []inventory.Component
	for _, p := range list {
		if kind, ok := p.Accelerator(); ok {
			out = append(out, inventory.Component{Key: inventory.Key{Kind: kind, Slot: p.Slot}, Vendor: p.Vendor, Model: p.Device,
				State: inventory.StatePresent, Facts: c.link("sys/bus/pci/devices/" + p.Slot)})
		}
	}
	return out
}

// link reads width and speed of a PCIe function as facts.
func (c Collector) link(dir string) map[string]string {
	facts := map[string]string{}
	for fact, file := range map[string]string{"pcie_width": "current_link_width", "pcie_width_max": "max_link_width",
		"pcie_speed": "current_link_speed", "pcie_speed_max": "max_link_speed"} {
		if v := c.Host.text(path.Join(dir, file)); v != "" {
			facts[fact] = v
		}
	}
	return facts
}

// place is the PCI address of a device, which does not move between boots; a
// device that is not on PCI keeps its kernel name.
func (c Collector) place(dir, name string) string {
	for range 3 { // NVMe: block device, controller, function
		for line := range strings.Lines(c.Host.text(dir + "/uevent")) {
			if bdf, ok := strings.CutPrefix(strings.TrimSpace(line), "PCI_SLOT_NAME="); ok {
				return bdf
			}
		}
		dir += "/device"
	}
	return name
}

// ports are the network interfaces with hardware behind them.
func (c Collector) ports(ctx context.Context, fault func(string, error, ...inventory.Kind)) []inventory.Component {
	var out []inventory.Component
	for _, name := range c.Host.names("sys/class/net") {
		dir := path.Join("sys/class/net", name)
		mac, ok := inventory.ParseMAC(c.Host.text(dir + "/address"))
		if !ok || c.Host.text(dir+"/device/uevent") == "" {
			continue
		}
		slot := c.place(dir+"/device", name)
		part := inventory.Component{Key: inventory.Key{Kind: inventory.KindNIC, Slot: slot}, State: inventory.StatePresent,
			IDs:   []inventory.Identifier{{Kind: inventory.IDMAC, Raw: string(mac), Norm: inventory.Normalise(string(mac)), Source: inventory.SourceInband, Trusted: true}},
			Facts: map[string]string{"interface": name, "link": firstOf(c.Host.text(dir+"/operstate"), "unknown")}}
		if n, err := strconv.Atoi(c.Host.text(dir + "/speed")); err == nil && n > 0 {
			part.Facts["speed_mbps"] = strconv.Itoa(n)
		}
		if info, err := c.run(ctx, "ethtool", "-i", name); err != nil {
			fault("ethtool "+name, err, inventory.KindNIC)
		} else if i, err := EthtoolInfo(info); err != nil {
			fault("ethtool "+name, err, inventory.KindNIC)
		} else {
			part.Model, part.Firmware = i.Driver, i.Firmware
		}
		out = append(out, part)
	}
	return out
}

// edac notes on the chassis how many memory controllers the kernel watches.
func (c Collector) edac(o *inventory.Observation) {
	for i := range o.Components {
		if o.Components[i].Kind == inventory.KindChassis {
			o.Components[i].Facts = map[string]string{burnin.FactEDAC: strconv.Itoa(len(c.Host.controllers()))}
			return
		}
	}
}

// Observe implements burnin.Runner.
func (b *Box) Observe(ctx context.Context) inventory.Observation {
	return Collector{Starter: b.Starter, Host: b.Host, Links: b.Links}.Collect(ctx)
}

// inventory is the step that takes the fingerprint.
func (b *Box) inventory(ctx context.Context) burnin.Outcome {
	o := b.Observe(ctx)
	var r Reading
	r.add("parts", "count", node(), float64(len(o.Components)))
	r.add("read_faults", "count", node(), float64(len(o.Faults)))
	out := burnin.Outcome{Exec: burnin.Exec{Accepted: true}, Values: r.Values, Observation: &o}
	// Without SMBIOS two readings would agree on what neither of them saw.
	blind := slices.ContainsFunc(o.Faults, func(f inventory.ReadFault) bool { return f.Kind == inventory.KindChassis })
	if len(o.Components) > 0 && !blind {
		out.Fingerprint = string(inventory.Fingerprint(o.Components))
	}
	return out
}
