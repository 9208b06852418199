package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Subnet is one line of provisioning.subnets. First and Last are zero where no
// address is given out.
type Subnet struct {
	Network     netip.Prefix
	First, Last netip.Addr
}

// ParseSubnet reads 10.0.0.0/24=10.0.0.100-10.0.0.200 or 10.0.0.0/24.
func ParseSubnet(text string) (Subnet, error) {
	network, pool, has := strings.Cut(text, "=")
	p, err := netip.ParsePrefix(network)
	if err != nil || !p.Addr().Is4() || p.Masked() != p {
		return Subnet{}, fmt.Errorf("%q: write 10.0.0.0/24=10.0.0.100-10.0.0.200, host bits zero", text)
	}
	s := Subnet{Network: p}
	if !has {
		return s, nil
	}
	first, last, ok := strings.Cut(pool, "-")
	a, err1 := netip.ParseAddr(first)
	b, err2 := netip.ParseAddr(last)
	if !ok || err1 != nil || err2 != nil || !p.Contains(a) || !p.Contains(b) || b.Less(a) {
		return Subnet{}, fmt.Errorf("%q: the pool is two addresses inside the network, the first not after the last", text)
	}
	s.First, s.Last = a, b
	return s, nil
}

// Host is the address machines reach this server under.
func (p Provisioning) Host() netip.Addr {
	ap, err := netip.ParseAddrPort(p.Address)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

// AgentAddress is where the agents' listener is.
func (p Provisioning) AgentAddress() string {
	if p.Agents != "" {
		return p.Agents
	}
	return netip.AddrPortFrom(p.Host(), 8081).String()
}

func (p Provisioning) faults(management string) []error {
	var out []error
	fault := func(key, format string, args ...any) {
		out = append(out, fmt.Errorf("provisioning.%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for key, a := range map[string]string{"address": p.Address, "agents": p.Agents} {
		if a == "" {
			continue
		}
		ap, err := netip.ParseAddrPort(a)
		if err != nil || !ap.Addr().Is4() || ap.Addr().IsUnspecified() {
			fault(key, "%q: write the IPv4 address and port that machines reach, such as 10.0.0.1:8080", a)
		}
		if a == management && ap.Port() != 0 {
			fault(key, "it equals management.address; machines and people never share a listener")
		}
	}
	if p.Address != "" && p.Address == p.Agents && !strings.HasSuffix(p.Address, ":0") {
		fault("agents", "it equals provisioning.address; boot files and agents have a listener each")
	}
	if !slices.Contains([]string{"off", "proxy", "proxy-4011-only", "authoritative"}, p.DHCP) {
		fault("dhcp", "%q: use off, proxy, proxy-4011-only or authoritative", p.DHCP)
	}
	if p.DHCP != "off" && p.Address == "" {
		fault("address", "DHCP %s needs the address that machines reach", p.DHCP)
	}
	if p.DHCP == "authoritative" && len(p.Subnets) == 0 {
		fault("subnets", "an authoritative server needs at least one subnet with a pool")
	}
	for _, text := range p.Subnets {
		if _, err := ParseSubnet(text); err != nil {
			fault("subnets", "%v", err)
		}
	}
	for key, port := range map[string]int{"dhcp": p.Ports.DHCP, "proxy": p.Ports.Proxy, "tftp": p.Ports.TFTP} {
		if port < 0 || port > 65535 {
			fault("ports."+key, "%d: use 0 to 65535", port)
		}
	}
	slices.SortFunc(out, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return out
}
