package redfish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Times of one request (redfish.md §2.1): the first call after a BMC boot has
// been seen to take 49 s.
const (
	connectTimeout = 5 * time.Second
	tlsTimeout     = 15 * time.Second
	silenceTimeout = 60 * time.Second // without a byte in either direction
	expectTimeout  = 2 * time.Second
)

// smallBody goes out in one piece with its headers (net/http does that for
// bodies it knows to be in memory), so that half a command never leaves.
const smallBody = 64 << 10

var errSilent = errors.New("no byte within the time limit")

// wireError is a request without a usable answer. Sent says whether a byte of
// it may have reached the BMC.
type wireError struct {
	sent bool
	err  error
}

func (e *wireError) Error() string { return e.err.Error() }
func (e *wireError) Unwrap() error { return e.err }

// guardError is a write that the caller's guard stopped: definitely unsent.
type guardError struct{ err error }

func (e *guardError) Error() string { return "the guard stopped the write: " + e.err.Error() }
func (e *guardError) Unwrap() error { return e.err }

// wire is the last round tripper: HTTP/1.1 over our own connections, watched
// for silence, with a gate in front of the first byte.
type wire struct{ transport *http.Transport }

func newWire(conf *tls.Config, handshakes *rate.Limiter, perBMC int) *wire {
	d := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	plain := func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &gateConn{Conn: conn}, nil
	}
	secure := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := handshakes.Wait(ctx); err != nil {
			return nil, err
		}
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		tc := tls.Client(conn, conf)
		ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
		defer cancel()
		if err := tc.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // the handshake error is the one that matters
			return nil, fmt.Errorf("tls: %w", err)
		}
		return &gateConn{Conn: tc}, nil
	}
	return &wire{&http.Transport{ // no Proxy, no compression, no HTTP/2: nothing of the environment
		DialContext: plain, DialTLSContext: secure, DisableCompression: true,
		MaxConnsPerHost: perBMC, MaxIdleConnsPerHost: perBMC, IdleConnTimeout: 10 * time.Minute,
		ExpectContinueTimeout: expectTimeout, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
}

// RoundTrip sends the request once. The gate of its call is asked when the
// first byte is handed to the socket: not earlier, because connecting may take
// 20 s and a lease runs meanwhile.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	f := &flight{ctx: ctx, gate: gate(req), dog: newWatchdog(func() { cancel(errSilent) })}
	out := req.Clone(httptrace.WithClientTrace(ctx, f.trace()))
	out.Header.Set("Accept-Encoding", "identity")
	if out.Body != nil && out.ContentLength > smallBody {
		out.Body = &watched{ReadCloser: out.Body, dog: f.dog}
	}
	resp, err := w.transport.RoundTrip(out)
	if err != nil {
		f.dog.stop()
		cause := context.Cause(ctx)
		cancel(nil)
		if refused := f.refused.Load(); refused != nil {
			return nil, &wireError{err: &guardError{*refused}}
		}
		if cause != nil {
			err = cause
		}
		return nil, &wireError{sent: f.sent.Load(), err: err}
	}
	resp.Body = &watched{ReadCloser: resp.Body, dog: f.dog, done: func() { cancel(nil) }}
	return resp, nil
}

// flight is one request on the wire.
type flight struct {
	ctx     context.Context //nolint:containedctx // lives for one RoundTrip; the gate runs on the connection's goroutine
	gate    func(context.Context) error
	dog     *watchdog
	sent    atomic.Bool
	refused atomic.Pointer[error]
}

func (f *flight) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			f.dog.kick()
			if g, ok := info.Conn.(*gateConn); ok {
				g.arm(f.open, func() { f.sent.Store(false) })
			} else {
				f.sent.Store(true) // a connection we did not make: assume the worst
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { f.dog.kick() },
	}
}

// open runs before the first byte. WroteHeaders would fire when the headers
// reach a buffer, so it cannot tell a refused write from a sent one; this can.
func (f *flight) open() error {
	if err := context.Cause(f.ctx); err != nil {
		return err
	}
	if f.gate != nil {
		if err := f.gate(f.ctx); err != nil {
			f.refused.Store(&err)
			return err
		}
	}
	f.sent.Store(true)
	return nil
}

// gateConn asks a question before the first byte of each request.
type gateConn struct {
	net.Conn
	mu     sync.Mutex
	gate   func() error
	unsent func()
}

func (c *gateConn) arm(gate func() error, unsent func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gate, c.unsent = gate, unsent
}

// Write implements net.Conn.
func (c *gateConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	gate, unsent := c.gate, c.unsent
	c.gate = nil
	c.mu.Unlock()
	if gate == nil {
		return c.Conn.Write(p)
	}
	if err := gate(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if n == 0 && err != nil {
		unsent() // the peer had closed: not even one whole TLS record left
	}
	return n, err
}

// watchdog barks when nothing moved for silenceTimeout. It sleeps until the
// first kick, so connecting has its own limits.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer
	bark  func()
	over  bool
}

func newWatchdog(bark func()) *watchdog { return &watchdog{bark: bark} }

func (d *watchdog) kick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.over:
	case d.timer == nil:
		d.timer = time.AfterFunc(silenceTimeout, d.bark)
	default:
		d.timer.Reset(silenceTimeout)
	}
}

func (d *watchdog) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.timer != nil {
		d.timer.Stop()
	}
}

// watched kicks the dog with every read; done ends the request with the body.
type watched struct {
	io.ReadCloser
	dog  *watchdog
	done func()
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.dog.kick()
	return w.ReadCloser.Read(p)
}

// Close implements io.Closer.
func (w *watched) Close() error {
	err := w.ReadCloser.Close()
	if w.done != nil {
		w.dog.stop()
		w.done()
	}
	return err
}
