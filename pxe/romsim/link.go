package romsim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// link is a UDP socket of the machine with the faults of its cable.
type link struct {
	conn   *net.UDPConn
	faults *Faults
	seen   *Counters
	sent   int
	got    int
	second []byte // a datagram that is delivered twice
	from   netip.AddrPort
}

func openLink(ctx context.Context, at netip.Addr, f *Faults, seen *Counters) (*link, error) {
	c, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		return nil, fmt.Errorf("simulated link: %w", err)
	}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		return nil, fmt.Errorf("simulated link: socket of type %T", c)
	}
	return &link{conn: udp, faults: f, seen: seen}, nil
}

func (l *link) close() { _ = l.conn.Close() }

func lost(n, every int) bool { return every > 0 && n%every == 0 }

func (l *link) send(data []byte, to netip.AddrPort) error {
	times := 1
	if l.faults.Twice {
		times = 2
	}
	for range times {
		l.sent++
		l.seen.Sent++
		if lost(l.sent, l.faults.LoseEvery) {
			l.seen.Lost++
			continue
		}
		if _, err := l.conn.WriteToUDPAddrPort(data, to); err != nil {
			return fmt.Errorf("send to %s: %w", to, err)
		}
	}
	return nil
}

// receive waits for one datagram until the deadline.
func (l *link) receive(ctx context.Context, until time.Time) ([]byte, netip.AddrPort, error) {
	if l.second != nil {
		data := l.second
		l.second = nil
		return data, l.from, nil
	}
	buf := make([]byte, 2048)
	for {
		if err := ctx.Err(); err != nil {
			return nil, netip.AddrPort{}, err
		}
		if err := l.conn.SetReadDeadline(until); err != nil {
			return nil, netip.AddrPort{}, err
		}
		n, from, err := l.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return nil, from, err
		}
		l.got++
		l.seen.Received++
		if lost(l.got, l.faults.DeafEvery) {
			l.seen.Lost++
			continue
		}
		if l.faults.Twice {
			l.second, l.from = append([]byte(nil), buf[:n]...), from
		}
		return buf[:n], from, nil
	}
}
