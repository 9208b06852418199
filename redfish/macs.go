package redfish

import (
	"regexp"
	"sort"
	"strings"

	gofish "github.com/stmcginnis/gofish/redfish"

	"github.com/rackwright/rackwright/inventory"
)

// hostMAC is one address the service names, and what it is good for.
type hostMAC struct {
	mac      inventory.MAC
	raw      string
	source   string // type of the body that named it
	adapter  string // name of the NetworkAdapter it belongs to; empty: unknown
	iface    *resource
	internal string // why it is no boot port: a link between BMC and host; empty: it is one
}

var (
	pathMAC  = regexp.MustCompile(`MAC\(([0-9A-Fa-f]{12})(?:,|\))`)
	innerNIC = regexp.MustCompile(`(?i)^(hostusb|hmcusb|usb)\d*|tohost|tomanager`)
	vlanName = regexp.MustCompile(`(?i)^vlan\d*$`)
)

// rshim is the prefix of the network gadget between a BlueField and its host
// (tmfifo_net0): every one of them ships with the same two addresses.
const rshim = "00:1a:ca:ff:ff:"

// hostMACs collects the addresses of the node's own ports from every source of
// redfish.md §4.3; a permanent address wins over the current one. On a GB300
// tray BootOptions are the only source.
func (c *collector) hostMACs() []hostMAC {
	var out []hostMAC
	for _, r := range c.tree.order {
		if !c.mine(r) {
			continue
		}
		switch r.kind {
		case "EthernetInterface":
			if c.ofSystem(r) {
				out = append(out, c.interfaceMAC(r)...)
			}
		case "NetworkDeviceFunction":
			if v, ok := read[gofish.NetworkDeviceFunction](c, r, inventory.KindNIC); ok {
				out = append(out, c.portMAC(r, firstText(clean(v.Ethernet.PermanentMACAddress), v.Ethernet.MACAddress))...)
			}
		case "Port":
			if v, ok := read[gofish.Port](c, r, inventory.KindNIC); ok {
				for _, m := range v.Ethernet.AssociatedMACAddresses {
					out = append(out, c.portMAC(r, m)...)
				}
			}
		case "NetworkPort":
			if v, ok := read[gofish.NetworkPort](c, r, inventory.KindNIC); ok {
				for _, m := range v.AssociatedNetworkAddresses {
					out = append(out, c.portMAC(r, m)...)
				}
			}
		case "BootOption":
			out = append(out, bootMAC(r)...)
		}
	}
	return merged(out)
}

// ofSystem: an EthernetInterface is the host's or the BMC's, by what leads to it.
func (c *collector) ofSystem(r *resource) bool {
	for _, o := range r.owners {
		if o.kind == "ComputerSystem" {
			return true
		}
	}
	return false
}

func (c *collector) interfaceMAC(r *resource) []hostMAC {
	v, ok := read[gofish.EthernetInterface](c, r, inventory.KindNIC)
	if !ok {
		return nil
	}
	m, ok := address(firstText(clean(v.PermanentMACAddress), v.MACAddress))
	if !ok {
		return nil
	}
	m.source, m.iface = r.kind, r
	switch {
	case innerNIC.MatchString(idOf(r)) || innerNIC.MatchString(v.Name):
		m.internal = "interface " + idOf(r)
	case isVLAN(r, v):
		return nil // its port names the same address
	case usbBefore(v.UefiDevicePath):
		m.internal = "behind USB"
	}
	return []hostMAC{m}
}

// isVLAN: a virtual interface on top of a port. A port that tags its frames is
// still a port.
func isVLAN(r *resource, v gofish.EthernetInterface) bool {
	return v.VLAN.VLANEnable && v.EthernetInterfaceType == gofish.VirtualEthernetDeviceType || vlanName.MatchString(idOf(r))
}

func (c *collector) portMAC(r *resource, raw string) []hostMAC {
	m, ok := address(raw)
	if !ok {
		return nil
	}
	m.source, m.adapter = r.kind, adapterOf(r)
	return []hostMAC{m}
}

// adapterOf is the NetworkAdapter above a port or function; a function reached
// through a NetworkInterface says it by that one's link.
func adapterOf(r *resource) string {
	for _, o := range r.owners {
		if o.kind == "NetworkAdapter" {
			return o.id
		}
		if o.kind == "NetworkInterface" {
			for _, id := range o.links("Links/NetworkAdapter") {
				return id
			}
		}
	}
	return ""
}

// bootMAC reads MAC(…) of a UEFI device path. A USB( before it is the BMC's own
// network gadget.
func bootMAC(r *resource) []hostMAC {
	path := r.at("UefiDevicePath")
	found := pathMAC.FindStringSubmatch(path)
	if found == nil {
		return nil
	}
	m, ok := address(found[1])
	if !ok {
		return nil
	}
	m.source = r.kind
	if usbBefore(path) {
		m.internal = "behind USB"
	}
	return []hostMAC{m}
}

// usbBefore: USB( before MAC( in a UEFI device path is the BMC's own link to the
// host.
func usbBefore(path string) bool {
	path = strings.ToUpper(path)
	mac, usb := strings.Index(path, "MAC("), strings.Index(path, "USB(")
	return usb >= 0 && (mac < 0 || usb < mac)
}

// address parses one reading; zeros and broadcast are none, and a locally
// administered address was made up by somebody and identifies no port.
func address(raw string) (hostMAC, bool) {
	mac, ok := inventory.ParseMAC(strings.TrimSpace(raw))
	if !ok || inventory.Usable(string(mac)) == "" {
		return hostMAC{}, false
	}
	m := hostMAC{mac: mac, raw: strings.TrimSpace(raw)}
	switch {
	case mac.Hardware()[0]&2 != 0:
		m.internal = "locally administered"
	case strings.HasPrefix(string(mac), rshim):
		m.internal = "the same on every BlueField"
	}
	return m, true
}

// merged keeps each address once: what any source knows of its adapter or of
// its being internal counts.
func merged(list []hostMAC) []hostMAC {
	at := map[inventory.MAC]int{}
	var out []hostMAC
	for _, m := range list {
		i, seen := at[m.mac]
		if !seen {
			at[m.mac] = len(out)
			out = append(out, m)
			continue
		}
		o := &out[i]
		o.adapter, o.internal = firstText(o.adapter, m.adapter), firstText(o.internal, m.internal)
		if o.iface == nil {
			o.iface = m.iface
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].mac < out[j].mac })
	return out
}

// managerMACs are the BMC's own addresses; its links to host and HMC are none.
func (c *collector) managerMACs(manager *resource) []hostMAC {
	var out []hostMAC
	for _, r := range c.tree.order {
		if r.kind != "EthernetInterface" || r.parent != manager {
			continue
		}
		v, ok := read[gofish.EthernetInterface](c, r, inventory.KindBMC)
		if !ok || innerNIC.MatchString(idOf(r)) || innerNIC.MatchString(v.Name) || isVLAN(r, v) {
			continue
		}
		if m, ok := address(firstText(clean(v.PermanentMACAddress), v.MACAddress)); ok {
			out = append(out, m)
		}
	}
	return merged(out)
}
