package pxe

import (
	"context"
	"net/netip"
	"sync"
)

// transfers is the table of running TFTP transfers: one per machine and file.
// The library starts a second one for every repeated request.
type transfers struct {
	mu sync.Mutex
	by map[transferKey]*transfer
	n  int
}

type transferKey struct {
	addr netip.Addr
	name string
}

type transfer struct {
	key     transferKey
	port    uint16
	waiters int
	done    chan struct{} // closed when it ended
	newer   chan struct{} // closed when a newer request took over
}

// mostRepeats bounds repeated requests that wait for the transfer they repeat.
const mostRepeats = 4

// begin enters a transfer. A request from the same port repeats one that runs
// already: it waits for its end and is told so, because an answer now would
// come from a second port in the middle of the first transfer. From another
// port it is a restarted client, and the older transfer ends.
func (t *transfers) begin(ctx context.Context, peer netip.AddrPort, name string) (*transfer, error) {
	t.mu.Lock()
	key := transferKey{peer.Addr(), name}
	old, running := t.by[key]
	if running && old.port == peer.Port() {
		if old.waiters >= mostRepeats {
			t.mu.Unlock()
			return nil, errDuplicate
		}
		old.waiters++
		t.mu.Unlock()
		select {
		case <-old.done:
		case <-ctx.Done():
		}
		return nil, errDuplicate
	}
	defer t.mu.Unlock()
	if t.n >= tftpAtOnce {
		return nil, errBusy
	}
	if running {
		close(old.newer)
	}
	if t.by == nil {
		t.by = map[transferKey]*transfer{}
	}
	now := &transfer{key: key, port: peer.Port(), done: make(chan struct{}), newer: make(chan struct{})}
	t.by[key] = now
	t.n++
	return now, nil
}

func (t *transfers) end(x *transfer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(x.done)
	t.n--
	if t.by[x.key] == x {
		delete(t.by, x.key)
	}
}
