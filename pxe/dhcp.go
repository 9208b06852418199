package pxe

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

// Workers of one DHCP socket. A machine always has the same worker, so its
// packets are answered in the order in which they came.
const (
	dhcpWorkers = 8
	dhcpQueue   = 128 // packets a worker may be behind; more are dropped, clients repeat
	maxDatagram = 2048
)

// datagram is one packet as it came in.
type datagram struct {
	data    []byte
	from    netip.AddrPort
	local   netip.Addr // address it was sent to; invalid for a broadcast or when unknown
	ifindex int
}

// serveDHCP reads one socket until the context ends, then answers what it has read.
func (s *Service) serveDHCP(ctx context.Context, c *dhcpSocket) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var wg sync.WaitGroup
	queues := make([]chan datagram, dhcpWorkers)
	for i := range queues {
		queues[i] = make(chan datagram, dhcpQueue)
		wg.Go(func() {
			for d := range queues[i] {
				s.handleDHCP(context.WithoutCancel(ctx), c, d)
			}
		})
	}
	defer wg.Wait()
	defer func() {
		for _, q := range queues {
			close(q)
		}
	}()
	buf := make([]byte, maxDatagram)
	for {
		n, cm, src, err := c.pc.ReadFrom(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("pxe: DHCP socket on %q: %w", c.iface, err)
			}
			continue // an ICMP error of an earlier answer: says nothing about the next packet
		}
		d := datagram{data: append([]byte(nil), buf[:n]...), from: udpAddr(src)}
		if cm != nil { // nil is legal
			d.ifindex = cm.IfIndex
			if a, ok := netip.AddrFromSlice(cm.Dst.To4()); ok && !a.IsMulticast() && a != broadcast4 {
				d.local = a
			}
		}
		select {
		case queues[workerOf(d.data)] <- d:
		default:
			s.counts.add(BranchDropped)
		}
	}
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// workerOf hashes the hardware address field (RFC 2131 §2: bytes 28 to 33).
func workerOf(packet []byte) int {
	if len(packet) < 34 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write(packet[28:34])
	return int(h.Sum32() % dhcpWorkers)
}

func udpAddr(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := u.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// handleDHCP answers one packet. Whatever a packet does, the next one is answered.
func (s *Service) handleDHCP(ctx context.Context, c *dhcpSocket, d datagram) {
	defer func() {
		if r := recover(); r != nil {
			s.counts.add(BranchPanic)
			s.log.Error("dhcp packet not answered: this is a fault of ours", "panic", r, "from", d.from, "bytes", len(d.data), "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, packetBudget)
	defer cancel()
	p, err := ParsePacket(d.data)
	if err != nil {
		s.counts.add(BranchMalformed)
		s.log.Debug("dhcp packet refused", "from", d.from, "err", err)
		return
	}
	at := s.arrival(c, d, p)
	r, err := Classify(p, at)
	if err != nil {
		s.counts.add(BranchMalformed)
		s.log.Debug("dhcp packet refused", "from", d.from, "err", err)
		return
	}
	if !s.seen.allow(r.MAC) {
		s.counts.add(BranchLimited)
		return
	}
	x := &exchange{s: s, sock: c, in: d, p: p, r: r}
	if err := x.answer(ctx); err != nil {
		s.counts.add(BranchRecordFailed)
		s.log.Warn("dhcp packet not answered", "mac", r.MAC, "type", p.MessageType(), "err", err)
	}
}

// packetBudget is longer than any commit and shorter than a client's patience.
const packetBudget = 5 * time.Second

// send transmits a reply where RFC 2131 §4.1 wants it, from the address that
// the client or relay used.
func (x *exchange) send(out []byte, to netip.AddrPort) error {
	cm := &ipv4.ControlMessage{}
	if x.in.local.IsValid() {
		cm.Src = ip(x.in.local)
	}
	if to.Addr() == broadcast4 {
		cm.IfIndex = x.in.ifindex
	}
	if _, err := x.sock.pc.WriteTo(out, cm, net.UDPAddrFromAddrPort(to)); err != nil {
		return fmt.Errorf("send to %s: %w", to, err)
	}
	return nil
}
