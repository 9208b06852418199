package bmcsim

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// BMC is one simulated BMC. All methods are safe for concurrent use.
type BMC struct {
	fleet  *Fleet
	spec   Spec
	pin    string
	addr   string
	server *http.Server
	raw    *listener

	mu       sync.Mutex
	tree     tree
	capture  bool // the tree is a capture: bodies are served as they are
	actions  map[string]func(*call) reply
	pushes   map[string]bool // paths that take an image
	accounts map[string]*account
	sessions map[string]*session // by token
	nextID   int
	machines map[string]*machine // by system path
	update   updateState
	count    counters
	flights  int
	writers  int
	closed   bool
	faults   UpdateFaults
	running  sync.WaitGroup
}

func newBMC(f *Fleet, s Spec, t tree) *BMC {
	b := &BMC{fleet: f, spec: s, tree: t, sessions: map[string]*session{}, faults: s.Update.Faults, count: newCounters()}
	b.accounts = map[string]*account{s.User: {name: s.User, password: s.Password, role: "Administrator", mustChange: s.Factory}}
	b.update = updateState{components: map[string]*component{}}
	for _, fw := range s.Firmware {
		b.update.components[fw.ID] = &component{Firmware: fw}
	}
	b.discover()
	t.pack()
	return b
}

func (b *BMC) start() error {
	at := listenAddr(b.spec.Listen)
	if err := loopback(at); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	b.addr = ln.Addr().String()
	ip := ln.Addr().(*net.TCPAddr).IP
	cert, pin, err := certificate(b.spec.Cert, b.spec.Serial, ip, b.fleet.ca)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	b.pin = pin
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		VerifyConnection: func(tls.ConnectionState) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.count.Handshakes++
			return nil
		}}
	b.raw = &listener{Listener: ln, open: map[net.Conn]bool{}}
	b.server = &http.Server{Handler: b, ErrorLog: slog.NewLogLogger(b.fleet.options.Log.Handler(), slog.LevelDebug), ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }}
	b.running.Go(func() { _ = b.server.Serve(tls.NewListener(b.raw, config)) }) // ends with ErrServerClosed
	if b.spec.PowerOn {
		b.startOn()
	}
	return nil
}

func (b *BMC) close() {
	b.mu.Lock()
	already := b.closed
	b.closed = true
	b.mu.Unlock()
	if already || b.server == nil {
		return
	}
	_ = b.server.Close()
	b.raw.cut()
	b.running.Wait()
}

// Name is the name of the spec.
func (b *BMC) Name() string { return b.spec.Name }

// URL is https://host:port, once the fleet has started.
func (b *BMC) URL() string { return "https://" + b.addr }

// Pin is "sha256:" and the hex digest of the certificate's public key.
func (b *BMC) Pin() string { return b.pin }

// Spec is a copy of what the BMC was made from.
func (b *BMC) Spec() Spec {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spec
}

// Set merges a patch into the body at path, null deletes, and reports whether the
// path exists: the scenario's way to change anything.
func (b *BMC) Set(path string, patch map[string]any) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tree.set(path, patch)
}

// Remove takes a resource out of the tree: links to it stay and answer 404.
func (b *BMC) Remove(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tree.remove(path)
}

// Away makes the BMC answer nothing for d: open connections are reset, new ones
// too, sessions and tasks are lost.
func (b *BMC) Away(d time.Duration) {
	b.mu.Lock()
	b.forget()
	b.mu.Unlock()
	b.raw.away(d)
}

// connKey carries the TLS connection of a request, so that it can be reset.
type connKey struct{}
