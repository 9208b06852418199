package pxe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// Addrs are the sockets as opened, one of each kind; zero when not opened.
type Addrs struct{ DHCP, Proxy, TFTP, HTTP netip.AddrPort }

// dhcpSocket is one UDP socket, bound to one interface where one is named.
type dhcpSocket struct {
	conn  *net.UDPConn
	pc    *ipv4.PacketConn
	iface string
	proxy bool // port 4011
}

type sockets struct {
	dhcp []*dhcpSocket
	tftp []*net.UDPConn
	http net.Listener
}

func (s *sockets) close() {
	for _, d := range s.dhcp {
		_ = d.conn.Close()
	}
	for _, t := range s.tftp {
		_ = t.Close()
	}
	if s.http != nil {
		_ = s.http.Close()
	}
}

// Listen opens every socket, so that a taken port is a start error. Calling it
// twice is harmless.
func (s *Service) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets != nil {
		return nil
	}
	out := &sockets{}
	if err := s.open(ctx, out); err != nil {
		out.close()
		return err
	}
	s.sockets = out
	return nil
}

func (s *Service) open(ctx context.Context, out *sockets) error {
	if s.cfg.HTTPPort != NoHTTP {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", hostPort(s.cfg.Listen, s.cfg.HTTPPort))
		if err != nil {
			return portError("HTTP boot", "tcp", s.cfg.HTTPPort, "", err)
		}
		out.http = l
	}
	mode := s.cfg.Policy.Mode
	if mode == ModeOff {
		return nil
	}
	ifaces := s.cfg.Interfaces
	if len(ifaces) == 0 {
		ifaces = []string{""}
	}
	for _, iface := range ifaces {
		for _, want := range []struct {
			open  bool
			port  int
			proxy bool
		}{{mode != ModeProxy4011, s.cfg.DHCPPort, false}, {mode != ModeAuthoritative, s.cfg.ProxyPort, true}} {
			if !want.open {
				continue
			}
			conn, err := listenUDP(ctx, s.cfg.Listen, want.port, iface)
			if err != nil {
				return portError("DHCP", "udp", want.port, iface, err)
			}
			d := &dhcpSocket{conn: conn, pc: ipv4.NewPacketConn(conn), iface: iface, proxy: want.proxy}
			out.dhcp = append(out.dhcp, d)
			if err := d.pc.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true); err != nil {
				return fmt.Errorf("pxe: DHCP socket: %w", err)
			}
		}
		t, err := listenUDP(ctx, s.cfg.Listen, s.cfg.TFTPPort, iface)
		if err != nil {
			return portError("TFTP", "udp", s.cfg.TFTPPort, iface, err)
		}
		out.tftp = append(out.tftp, t)
		// The library asks for these only when it serves: a request that came
		// before would be answered with blocks of 512 bytes, from any address.
		if err := ipv4.NewPacketConn(t).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true); err != nil {
			return fmt.Errorf("pxe: TFTP socket: %w", err)
		}
	}
	return nil
}

// bindTo keeps a socket to one interface; empty: to none.
func bindTo(iface string) func(_, _ string, raw syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		if iface == "" {
			return nil
		}
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), iface) }); err != nil {
			return err
		}
		return failed
	}
}

// listenUDP opens an own socket: the library's sets SO_REUSEPORT, so that a
// second DHCP server would start silently beside ours.
func listenUDP(ctx context.Context, addr netip.Addr, port int, iface string) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: bindTo(iface)}
	c, err := lc.ListenPacket(ctx, "udp4", hostPort(addr, port))
	if err != nil {
		return nil, err
	}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("socket of type %T", c), c.Close())
	}
	return udp, nil
}

func hostPort(addr netip.Addr, port int) string {
	return netip.AddrPortFrom(addr, uint16(max(port, 0))).String()
}

// portError says what is in the way and what to do.
func portError(what, proto string, port int, iface string, err error) error {
	where := fmt.Sprintf("%s port %s/%d", what, proto, max(port, 0))
	if iface != "" {
		where += " on " + iface
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("pxe: %s is in use: stop the other server (ss -lunpt names it) or configure another port: %w", where, err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("pxe: %s: no permission: give the program CAP_NET_BIND_SERVICE and CAP_NET_RAW or configure a port above 1023: %w", where, err)
	case errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("pxe: %s: no such interface (ip link lists them): %w", where, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("pxe: %s: the listen address is not on this machine: %w", where, err)
	}
	return fmt.Errorf("pxe: %s: %w", where, err)
}

// Addrs returns the opened sockets; zero values before [Service.Listen].
func (s *Service) Addrs() Addrs {
	s.mu.Lock()
	defer s.mu.Unlock()
	var a Addrs
	if s.sockets == nil {
		return a
	}
	for _, d := range s.sockets.dhcp {
		if d.proxy {
			a.Proxy = addrPort(d.conn.LocalAddr())
		} else {
			a.DHCP = addrPort(d.conn.LocalAddr())
		}
	}
	for _, t := range s.sockets.tftp {
		a.TFTP = addrPort(t.LocalAddr())
	}
	if s.sockets.http != nil {
		a.HTTP = addrPort(s.sockets.http.Addr())
	}
	return a
}

func (s *Service) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets != nil {
		s.sockets.close()
	}
}

func addrPort(a net.Addr) netip.AddrPort { return parsePort(a.String()) }

// parsePort reads the text of an address; a text that is none gives the zero value.
func parsePort(text string) netip.AddrPort {
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
