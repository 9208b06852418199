package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rackwright/rackwright/images/burnin/tool"
	"github.com/rackwright/rackwright/inventory"
	"golang.org/x/sys/unix"
)

// ears hears LLDP neighbours on all ports.
type ears struct {
	mu    sync.Mutex
	heard map[string]tool.Neighbour // by interface
}

// nearestBridge is the group address of LLDP (802.1AB-2016 §7.1).
var nearestBridge = [8]byte{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e}

// listen hears until the context ends; a port that cannot be opened does not
// keep the others from being heard.
func (e *ears) listen(ctx context.Context, ports []string) error {
	var wg sync.WaitGroup
	faults := make([]error, len(ports))
	for i, p := range ports {
		wg.Go(func() { faults[i] = e.port(ctx, p) })
	}
	wg.Wait()
	return errors.Join(faults...)
}

func (e *ears) port(ctx context.Context, name string) error {
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("lldp %s: %w", name, err)
	}
	const proto = tool.EtherTypeLLDP>>8 | tool.EtherTypeLLDP&0xff<<8 // network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return fmt.Errorf("lldp %s: packet socket: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), "lldp-"+name)
	defer f.Close()
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: nic.Index}); err != nil {
		return fmt.Errorf("lldp %s: bind: %w", name, err)
	}
	member := unix.PacketMreq{Ifindex: int32(nic.Index), Type: unix.PACKET_MR_MULTICAST, Alen: 6, Address: nearestBridge}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &member); err != nil {
		return fmt.Errorf("lldp %s: group: %w", name, err)
	}
	stop := context.AfterFunc(ctx, func() {
		if err := f.SetReadDeadline(time.Unix(1, 0)); err != nil {
			f.Close()
		}
	})
	defer stop()
	buf := make([]byte, 2048)
	for {
		n, err := f.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("lldp %s: %w", name, err)
		}
		if neighbour, err := tool.LLDP(buf[:n]); err == nil { // a broken frame says nothing
			e.hear(name, neighbour)
		}
	}
}

func (e *ears) hear(port string, n tool.Neighbour) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.heard == nil {
		e.heard = map[string]tool.Neighbour{}
	}
	if n.TTL == 0 {
		delete(e.heard, port)
		return
	}
	e.heard[port] = n
}

// links are the cable ends heard so far, by port.
func (e *ears) links() []inventory.Link {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []inventory.Link
	for port, n := range e.heard {
		chassis := n.Chassis
		if n.System != "" {
			chassis = n.System
		}
		out = append(out, inventory.Link{Port: port, PeerChassis: chassis, PeerPort: n.Port, Source: inventory.SourceLLDP})
	}
	slices.SortFunc(out, func(a, b inventory.Link) int { return strings.Compare(a.Port, b.Port) })
	return out
}
