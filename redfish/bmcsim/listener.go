package bmcsim

import (
	"net"
	"sync"
	"time"
)

// listener knows its open connections and can refuse to serve for a while.
type listener struct {
	net.Listener
	mu    sync.Mutex
	open  map[net.Conn]bool
	until time.Time
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		gone := time.Now().Before(l.until)
		t := &tracked{Conn: c, from: l}
		if !gone {
			l.open[t] = true
		}
		l.mu.Unlock()
		if !gone {
			return t, nil
		}
		abort(c)
	}
}

// cut resets every open connection.
func (l *listener) cut() {
	l.mu.Lock()
	conns := make([]net.Conn, 0, len(l.open))
	for c := range l.open {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		abort(c)
	}
}

func (l *listener) away(d time.Duration) {
	l.mu.Lock()
	l.until = time.Now().Add(d)
	l.mu.Unlock()
	l.cut()
}

// tracked forgets itself when it is closed.
type tracked struct {
	net.Conn
	from *listener
}

func (t *tracked) Close() error {
	t.from.mu.Lock()
	delete(t.from.open, t)
	t.from.mu.Unlock()
	return t.Conn.Close()
}

// abort closes with a TCP reset instead of an orderly end.
func abort(c net.Conn) {
	under := c
	if t, ok := c.(*tracked); ok {
		under = t.Conn
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
