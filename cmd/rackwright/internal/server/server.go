package server

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/conductor"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/web"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/redfish"
)

// Options are what the process adds to the configuration.
type Options struct {
	Config    config.Config
	Version   string
	Simulated bool // sign with a demo key; everything issued says SIMULATED
	Log       *slog.Logger
	// NewAdmin makes a token for the first admin at this start too: who owns the data
	// folder is never locked out of it.
	NewAdmin bool
	// NewKeys lets a record without its keys be served with new ones: what was sealed
	// with the old ones is lost.
	NewKeys bool
	// Store wraps the record, for tests that watch or interrupt its commits.
	Store func(inventory.Store) inventory.Store
}

// Server is one running process.
type Server struct {
	o         Options
	record    *sqlstore.Store
	store     inventory.Store
	keys      *auth.Keys
	images    *images.Store
	catalogue *images.Catalogue
	conductor *conductor.Conductor
	dialer    *redfish.Dialer
	safety    *conductor.Safety
	scout     *conductor.Scout // nil: no networks are named
	api       *api.Service
	cert      tls.Certificate
	pin       string

	management net.Listener
	machines   provisioning
	book       *burnin.Book
	// Bootstrap is the admin token of the first start, or of one with NewAdmin.
	Bootstrap inventory.Secret
}

// New opens everything and listens; it serves nothing yet. Whatever it opened
// is closed again when it fails.
func New(ctx context.Context, o Options) (*Server, error) {
	s := &Server{o: o}
	if o.Log == nil {
		s.o.Log = slog.New(slog.DiscardHandler)
	}
	for _, open := range []func(context.Context) error{s.openData, s.openRecord, s.openKeys, s.openManagement, s.openProvisioning, s.firstStart, s.wire} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Server) openData(context.Context) error {
	if err := os.MkdirAll(s.o.Config.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w: %w", inventory.ErrReadOnly, err)
	}
	return nil
}

func (s *Server) openRecord(ctx context.Context) error {
	c := s.o.Config
	dsn := c.Database
	if dsn == "" {
		dsn = filepath.Join(c.Data, "record.db")
	}
	var err error
	s.record, err = sqlstore.Open(ctx, sqlstore.Options{DSN: dsn, Site: c.Site, Lease: c.Conductor.Lease, Grace: c.Conductor.Grace, Log: s.o.Log})
	if err != nil {
		return err
	}
	s.store = s.record
	if s.o.Store != nil {
		s.store = s.o.Store(s.record)
	}
	return nil
}

func (s *Server) openKeys(ctx context.Context) error {
	err := s.keysAtHand(ctx)
	if err != nil {
		return err
	}
	if s.keys, err = auth.OpenKeys(filepath.Join(s.o.Config.Data, "keys"), s.o.Simulated); err != nil {
		return err
	}
	if s.images, err = images.Open(filepath.Join(s.o.Config.Data, "images"), nil); err != nil {
		return err
	}
	s.catalogue = &images.Catalogue{Documents: s.store, Store: s.images}
	s.cert, s.pin, err = certificate(s.o.Config)
	return err
}

// keysAtHand refuses a record on disk that was served before and has lost its
// keys, as after a restore: with new ones every sealed password would be lost for
// good, and nobody would be told. Servers of one PostgreSQL have folders of their own.
func (s *Server) keysAtHand(ctx context.Context) error {
	dir := filepath.Join(s.o.Config.Data, "keys")
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || s.o.NewKeys || s.o.Config.Database != "" {
		return nil // what cannot be read is OpenKeys' matter
	}
	people, err := s.store.Persons(ctx)
	if err != nil || len(people) == 0 {
		return err
	}
	return fmt.Errorf("%s holds a record, but %s is missing: put the keys that were kept apart there; without them every sealed BMC password is lost, and serve --new-keys says that this is known: %w",
		s.o.Config.Data, dir, inventory.ErrInvalid)
}

func (s *Server) openManagement(context.Context) error {
	var err error
	s.management, err = listen("management.address", s.o.Config.Management.Address)
	return err
}

// listen names the setting, so that a port in use says where to change it.
func listen(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("%s %s: this machine has no such address (ip a): %w", key, address, err)
	}
	if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s %s: %w; write HOST:PORT with a port of 1 to 65535 that this user may use", key, address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w; stop what uses the port (ss -ltnp), or set another %s", key, address, err, key)
	}
	return l, nil
}

// firstStart makes the admin and shows a token once, when there is nobody yet, or
// when whoever starts the server asks for it.
func (s *Server) firstStart(ctx context.Context) error {
	people, err := s.store.Persons(ctx)
	if err != nil || len(people) > 0 && !s.o.NewAdmin {
		return err
	}
	why := "first start"
	if len(people) > 0 {
		why = "asked for at start"
	}
	p := inventory.Person{ID: "admin", Name: "Administrator", Grants: []inventory.Grant{{Role: inventory.RoleAdmin}}}
	secret, token, err := auth.NewToken(p, p.Grants, time.Now().Add(24*time.Hour), why, time.Now())
	if err != nil {
		return err
	}
	ctx = inventory.WithCause(ctx, inventory.Cause{By: "admin", Via: "cli"})
	if err := s.store.SavePerson(ctx, p); err != nil {
		return err
	}
	if err := s.store.SaveToken(ctx, token); err != nil {
		return err
	}
	s.Bootstrap = secret
	return nil
}

// Address is where the management listener really listens.
func (s *Server) Address() string { return s.management.Addr().String() }

// Pin is the SHA-256 of the management key, hex; people compare it at login.
func (s *Server) Pin() string { return s.pin }

// Store is the record, for what shares the process (the demo, doctor).
func (s *Server) Store() inventory.Store { return s.store }

// Run serves until the context ends. Turns under way finish; then everything
// is closed.
func (s *Server) Run(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("/v1/", s.api.Handler())
	pages := &web.Pages{API: s.api, Log: s.o.Log.With("room", "web")}
	mux.Handle("/", pages.Handler())
	people := s.http(mux)
	people.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12} // HTTP/2: many tabs, one connection
	servers := map[*http.Server]net.Listener{people: s.management}
	if s.machines.agents != nil {
		srv, l := s.agentServer()
		servers[srv] = l
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for srv, l := range servers {
		srv.BaseContext = func(net.Listener) context.Context { return ctx }
		go func() {
			serve := srv.Serve
			if srv.TLSConfig != nil {
				serve = func(l net.Listener) error { return srv.ServeTLS(l, "", "") }
			}
			if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("serve %s: %w", l.Addr(), err))
			}
		}()
	}
	var beside sync.WaitGroup
	if s.machines.boot != nil {
		beside.Go(func() {
			if err := s.machines.boot.Run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	if s.scout != nil {
		beside.Go(func() { s.scout.Run(ctx) })
	}
	sessions, logout := context.WithCancel(context.WithoutCancel(ctx)) // the BMCs' sessions outlive the last turn
	beside.Go(func() {
		if err := s.dialer.Run(sessions); err != nil {
			s.o.Log.Error("BMC sessions", "err", err)
		}
	})
	watching, blind := context.WithCancel(context.WithoutCancel(ctx)) // turns under way may flash on after the end was asked for
	var watch sync.WaitGroup
	watch.Go(func() { s.safety.Run(watching) })
	err := s.conductor.Run(ctx)
	blind()
	watch.Wait()
	logout()
	beside.Wait()
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	for srv := range servers {
		if serr := srv.Shutdown(stop); serr != nil {
			_ = srv.Close() // streams never end by themselves
		}
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return errors.Join(err, s.Close())
}

func (s *Server) http(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)}
}

// Close releases listeners and record.
func (s *Server) Close() error {
	var faults []error
	for _, l := range []net.Listener{s.management, s.machines.agents} {
		if l != nil {
			if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				faults = append(faults, err)
			}
		}
	}
	if s.record != nil {
		faults = append(faults, s.record.Close())
	}
	return errors.Join(faults...)
}

// DemoKey is the signing key of a simulated server, for the demo's attack list;
// a real server gives nil.
func (s *Server) DemoKey() ed25519.PrivateKey {
	if !s.keys.Simulated {
		return nil
	}
	return s.keys.Signing
}
