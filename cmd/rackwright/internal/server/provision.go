package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/pxe"
)

// provisioning is the machines' side of the server: network boot, and the
// agents of the booted image. It knows no person, no page and no API.
type provisioning struct {
	boot   *pxe.Service
	agents net.Listener
	ingest *burnin.Ingest
}

// openProvisioning opens the machines' listeners. Without an address there is
// no network boot, and burn-in cannot run.
func (s *Server) openProvisioning(ctx context.Context) error {
	c := s.o.Config.Provisioning
	if c.Address == "" {
		return nil
	}
	agents, err := listen("provisioning.agents", c.AgentAddress())
	if err != nil {
		return err
	}
	s.machines.agents = agents
	tokens, err := s.keys.Derive("boot tokens")
	if err != nil {
		return err
	}
	cfg, err := bootConfig(c)
	if err != nil {
		return err
	}
	cfg.Endpoints.API, cfg.Endpoints.Pin = "https://"+agents.Addr().String(), inventory.Digest("sha256:"+s.pin)
	programs, err := s.programs(c, cfg)
	if err != nil {
		return err
	}
	s.machines.boot, err = pxe.New(cfg, pxe.Deps{Store: s.store, Images: s.catalogue, Blobs: s.images, Programs: programs, Key: tokens, Log: s.o.Log.With("room", "pxe")})
	if err != nil {
		return err
	}
	if err := s.machines.boot.Listen(ctx); err != nil {
		return fmt.Errorf("provisioning.address %s: %w", c.Address, err)
	}
	return s.openIngest(tokens)
}

// openIngest builds the agents' desk. Boot tokens are redeemed through pxe, so
// that the boot ledger knows that the machine has arrived.
func (s *Server) openIngest(tokens inventory.Secret) error {
	key, err := s.keys.Derive("agent credentials")
	if err != nil {
		return err
	}
	s.book = &burnin.Book{Store: ledger{s.store, s.machines.boot}, Token: func(h inventory.Hint, run inventory.RunID, attempt int) inventory.Secret {
		return pxe.BootToken(tokens, h.MAC, run, attempt)
	}}
	s.machines.ingest = &burnin.Ingest{Desk: s.book, Key: key, Log: s.o.Log.With("room", "burnin")}
	return nil
}

// ledger redeems through network boot and is the record in all else.
type ledger struct {
	inventory.Store
	boot *pxe.Service
}

// Redeem implements inventory.Boots.
func (l ledger) Redeem(ctx context.Context, token inventory.Digest, h inventory.Hint) error {
	return l.boot.Redeem(ctx, token, h)
}

// programs reads the boot programs; a folder that is not there means that only
// machines with iPXE in their ROM can boot, and says so.
func (s *Server) programs(c config.Provisioning, cfg pxe.Config) (pxe.Programs, error) {
	var names []string
	for _, name := range pxe.DefaultPolicy(cfg.Policy.Mode).Programs {
		names = append(names, name)
	}
	p, err := pxe.LoadPrograms(c.Programs, names...)
	if errors.Is(err, fs.ErrNotExist) {
		s.o.Log.Warn("no boot programs; only machines with iPXE in their ROM can boot", "folder", c.Programs, "fix", "apt-get install ipxe, or set provisioning.programs")
		return pxe.NewPrograms(nil), nil
	}
	return p, err
}

func bootConfig(c config.Provisioning) (pxe.Config, error) {
	at, err := netip.ParseAddrPort(c.Address)
	if err != nil {
		return pxe.Config{}, fmt.Errorf("provisioning.address %q: %w: %w", c.Address, config.ErrInvalid, err)
	}
	cfg := pxe.Config{Policy: pxe.Policy{Mode: pxe.Mode(c.DHCP)}, Interfaces: c.Interfaces, DHCPPort: free(c.Ports.DHCP), ProxyPort: free(c.Ports.Proxy),
		TFTPPort: free(c.Ports.TFTP), HTTPPort: free(int(at.Port())), Endpoints: pxe.Endpoints{Server: at.Addr()}, Args: map[string][]string{"": c.Args}, Advertise: c.Advertise}
	if len(c.Interfaces) == 0 {
		cfg.Listen = at.Addr()
	}
	for _, text := range c.Subnets {
		n, err := config.ParseSubnet(text)
		if err != nil {
			return cfg, fmt.Errorf("provisioning.subnets: %w: %w", config.ErrInvalid, err)
		}
		cfg.Scopes = append(cfg.Scopes, pxe.Scope{Subnet: n.Network, First: n.First, Last: n.Last})
	}
	return cfg, nil
}

// free maps "any free port" of the configuration to pxe's.
func free(port int) int {
	if port == 0 {
		return pxe.Ephemeral
	}
	return port
}

// agentServer serves the agents' protocol over TLS with the site's key, which
// the boot script pins.
func (s *Server) agentServer() (*http.Server, net.Listener) {
	mux := http.NewServeMux()
	mux.Handle(burnin.Prefix+"/", s.machines.ingest)
	return s.http(mux), tls.NewListener(s.machines.agents, &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
}

// BootAddrs is where network boot listens; zero without it.
func (s *Server) BootAddrs() pxe.Addrs {
	if s.machines.boot == nil {
		return pxe.Addrs{}
	}
	return s.machines.boot.Addrs()
}

// BootToken is the token of the boot that a node's operation wants now; empty
// when it wants none. It is for tests that search for it where it must not be.
func (s *Server) BootToken(n inventory.Node) string {
	if s.book == nil || n.Operation == nil || n.Operation.Boot == nil || len(n.MACs) == 0 {
		return ""
	}
	return s.book.Token(inventory.Hint{MAC: n.MACs[0]}, n.Operation.Boot.Run, n.Operation.Boot.Attempt).Reveal()
}
