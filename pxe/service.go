package pxe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Machines is the part of the record that knows who a sender is.
type Machines interface {
	Find(context.Context, inventory.Hint) (inventory.Node, error) // ErrNotFound: nobody expects it
	Sight(context.Context, inventory.Sighting) error
}

// Store is what this room needs from the record.
type Store interface {
	Machines
	inventory.Bindings
	inventory.Boots
}

// Images names boot images; *images.Catalogue implements it.
type Images interface {
	Image(context.Context, string) (images.Image, images.Digest, error)
	ByDigest(context.Context, images.Digest) (images.Image, error)
}

// Blobs serves the files of an image by digest; *images.Store implements it.
type Blobs interface {
	Serve(http.ResponseWriter, *http.Request, images.Digest, string)
}

// Ephemeral as a port lets the system choose one: see [Service.Addrs].
const Ephemeral = -1

// NoHTTP as HTTPPort opens no HTTP listener: [Service.Handler] is mounted
// elsewhere, and Endpoints.HTTP says where machines reach it.
const NoHTTP = -2

// Ports where firmware looks, and where HTTP is unless configured.
const (
	portDHCP  = 67
	portProxy = 4011
	portTFTP  = 69
	portHTTP  = 8080
)

// Config is one provisioning network. Ports: 0 is the well-known one.
type Config struct {
	// Policy.Mode says what part the server plays; the rest of Policy falls back to [DefaultPolicy].
	Policy Policy
	// Interfaces get one DHCP socket each. Without any, one socket on Listen
	// answers what relays send (and direct clients of its interface).
	Interfaces []string
	Listen     netip.Addr // default 0.0.0.0
	DHCPPort   int
	ProxyPort  int
	TFTPPort   int
	HTTPPort   int
	Scopes     []Scope
	// Endpoints.HTTP may be empty: server address and the port that was opened.
	Endpoints Endpoints
	// Known are other DHCP servers of this site; a REQUEST for them is not foreign.
	Known []netip.Addr
	// Args are kernel arguments by node profile, consoles first of all; "" is for all others.
	Args map[string][]string
	// Advertise answers IPv6 router solicitations on Interfaces, which saves
	// stock iPXE its wait for a router. Only where the link is ours alone.
	Advertise bool
}

// Deps are the parts that a Service stands on.
type Deps struct {
	Store    Store
	Images   Images
	Blobs    Blobs
	Programs Programs
	Key      inventory.Secret // of the site; boot tokens are derived from it
	Log      *slog.Logger
}

// Service answers machines on one provisioning network. Make it with [New];
// it may run once.
type Service struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	ledger   *ledgerWriter
	seen     *seen
	links    links
	tftp     transfers
	bindings bindings
	counts   counts

	mu      sync.Mutex
	sockets *sockets
}

// New checks the whole configuration and reports all faults together. It
// opens nothing.
func New(cfg Config, d Deps) (*Service, error) {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf("pxe: "+format, args...)) }
	def := DefaultPolicy(cfg.Policy.Mode)
	fill(&cfg, def)
	if !slices.Contains([]Mode{ModeAuthoritative, ModeProxy, ModeProxy4011, ModeOff}, cfg.Policy.Mode) {
		bad("mode %q: use authoritative, proxy, proxy-4011-only or off", cfg.Policy.Mode)
	}
	if !cfg.Endpoints.Server.Is4() || cfg.Endpoints.Server.IsUnspecified() {
		bad("server address %s: set the IPv4 address that machines reach this server under", cfg.Endpoints.Server)
	}
	if cfg.HTTPPort == NoHTTP && cfg.Endpoints.HTTP == "" {
		bad("no HTTP listener and no HTTP endpoint: say at which host:port the boot handler is mounted")
	}
	if cfg.Policy.Mode == ModeAuthoritative && len(cfg.Scopes) == 0 {
		bad("no scope: an authoritative server needs at least one subnet with a pool")
	}
	for i, s := range cfg.Scopes {
		if err := s.Check(cfg.Policy.Mode); err != nil {
			faults = append(faults, fmt.Errorf("pxe: %w", err))
		}
		for _, other := range cfg.Scopes[:i] {
			if s.Subnet.Overlaps(other.Subnet) {
				bad("scopes %s and %s overlap", other.Subnet, s.Subnet)
			}
		}
	}
	if d.Store == nil || d.Images == nil || d.Blobs == nil || d.Log == nil {
		bad("store, images, blobs and log are needed")
	}
	if len(d.Key.Reveal()) < 16 {
		bad("the token key has %d bytes: at least 16", len(d.Key.Reveal()))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	// A program that is not there is never advertised.
	programs := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(cfg.Policy.Programs)) {
		name := cfg.Policy.Programs[key]
		if _, ok := d.Programs.files[name]; ok {
			programs[key] = name
			continue
		}
		d.Log.Info("no boot program, such machines start from disk", "machine", key, "program", name)
	}
	cfg.Policy.Programs = programs
	return &Service{cfg: cfg, deps: d, log: d.Log, ledger: newLedger(d.Store, d.Log), seen: newSeen()}, nil
}

func fill(cfg *Config, def Policy) {
	p := &cfg.Policy
	if p.Unknown == "" {
		p.Unknown = def.Unknown
	}
	if p.Programs == nil {
		p.Programs = def.Programs
	}
	if p.Loops == 0 {
		p.Loops = def.Loops
	}
	if p.ChainWindow == 0 {
		p.ChainWindow = def.ChainWindow
	}
	if p.ChainQuiet == 0 {
		p.ChainQuiet = def.ChainQuiet
	}
	if !cfg.Listen.IsValid() {
		cfg.Listen = netip.IPv4Unspecified()
	}
	for _, port := range []struct {
		at   *int
		well int
	}{{&cfg.DHCPPort, portDHCP}, {&cfg.ProxyPort, portProxy}, {&cfg.TFTPPort, portTFTP}, {&cfg.HTTPPort, portHTTP}} {
		if *port.at == 0 {
			*port.at = port.well
		}
	}
}

// Run serves until the context ends, then drains. It calls Listen when nobody
// has. The error names the port that could not be opened.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	defer s.close()
	writing, written := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { defer close(ended); s.ledger.run(writing) }()
	defer func() { written(); <-ended }() // after the servers: their last answers have lines, too
	g, ctx := errgroup.WithContext(ctx)
	if s.cfg.Policy.Mode != ModeOff {
		for _, c := range s.sockets.dhcp {
			g.Go(func() error { return s.serveDHCP(ctx, c) })
		}
		for _, c := range s.sockets.tftp {
			g.Go(func() error { return s.serveTFTP(ctx, c) })
		}
		if s.cfg.Advertise {
			g.Go(func() error { return s.advertise(ctx) })
		}
	}
	g.Go(func() error { return s.serveHTTP(ctx) })
	g.Go(func() error { return s.tell(ctx) })
	s.log.Info("network boot is served", "mode", s.cfg.Policy.Mode, "addrs", s.Addrs(), "scopes", len(s.cfg.Scopes))
	return g.Wait()
}

// facts reads what the record knows. A failed read is an error: the caller
// stays silent rather than guess.
func (s *Service) facts(ctx context.Context, h inventory.Hint) (Facts, error) {
	now := time.Now()
	f := Facts{Now: now}
	n, err := s.deps.Store.Find(ctx, h)
	switch {
	case errors.Is(err, inventory.ErrNotFound):
		return f, nil
	case err != nil:
		return f, fmt.Errorf("who is %s: %w", h.MAC, err)
	}
	f.Node, f.Token = &n, TokenDigest(NodeToken(s.deps.Key, h.MAC, n))
	if f.Lines, err = s.ledger.lines(ctx, h, now.Add(-ledgerWindow)); err != nil {
		return f, fmt.Errorf("boot ledger of %s: %w", h.MAC, err)
	}
	return f, nil
}

// ledgerWindow is how far back a decision looks.
const ledgerWindow = 24 * time.Hour

func (s *Service) endpoints() Endpoints {
	e := s.cfg.Endpoints
	if e.HTTP == "" {
		e.HTTP = netip.AddrPortFrom(e.Server, s.Addrs().HTTP.Port()).String()
	}
	return e
}
