package pxe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
)

// advertise answers IPv6 router solicitations with "no router here" on every
// interface. It only saves waiting: an interface without IPv6 is logged, not fatal.
func (s *Service) advertise(ctx context.Context) error {
	var g errgroup.Group
	for _, name := range s.cfg.Interfaces {
		g.Go(func() error {
			if err := answerRouters(ctx, name); err != nil && ctx.Err() == nil {
				s.log.Warn("no router advertisements: stock iPXE waits up to 16 s per boot", "interface", name, "err", err)
			}
			return nil
		})
	}
	return g.Wait()
}

// answerRouters serves one interface until the context ends.
func answerRouters(ctx context.Context, name string) error {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	lc := net.ListenConfig{Control: bindTo(name)}
	conn, err := lc.ListenPacket(ctx, "ip6:ipv6-icmp", "::")
	if err != nil {
		return fmt.Errorf("ICMPv6 socket on %s (needs CAP_NET_RAW): %w", name, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	pc := ipv6.NewPacketConn(conn)
	// RFC 4861 §6.1.2: hosts drop advertisements whose hop limit is not 255.
	if err := errors.Join(pc.SetMulticastHopLimit(255), pc.SetHopLimit(255), pc.SetMulticastInterface(ifi),
		pc.JoinGroup(ifi, &net.UDPAddr{IP: net.IPv6linklocalallrouters})); err != nil {
		return fmt.Errorf("ICMPv6 socket on %s: %w", name, err)
	}
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	if err := pc.SetICMPFilter(&filter); err != nil {
		return fmt.Errorf("ICMPv6 filter on %s: %w", name, err)
	}
	buf := make([]byte, maxDatagram)
	for {
		n, _, _, err := pc.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ICMPv6 on %s: %w", name, err)
		}
		if !RouterSolicitation(buf[:n]) {
			continue
		}
		all := &net.IPAddr{IP: net.IPv6linklocalallnodes, Zone: name}
		if _, err := pc.WriteTo(RouterAdvertisement(ifi.HardwareAddr), nil, all); err != nil {
			return fmt.Errorf("router advertisement on %s: %w", name, err)
		}
	}
}
