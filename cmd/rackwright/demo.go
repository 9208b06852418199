package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	data    string
	keep    bool
	address string
	limit   time.Duration
	attacks bool
}

func (a *app) demoCmd() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{Use: "demo", Short: "Bring a rack from manifest to signed package on this machine, no root, nothing left behind", Args: exactly(0, "no argument"),
		Example: "  rackwright demo\n  rackwright demo --keep --data ./demo"}
	f := c.Flags()
	f.StringVar(&o.data, "data", "", "folder for the demo; default: a temporary one")
	f.BoolVar(&o.keep, "keep", false, "keep serving afterwards, until interrupted")
	f.StringVar(&o.address, "address", "127.0.0.1:0", "where the demo's pages are")
	f.BoolVar(&o.attacks, "attacks", false, "print each attack of the list with its answer")
	f.DurationVar(&o.limit, "limit", 3*time.Minute, "give up after this long")
	c.RunE = func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), o) }
	return c
}

// demo starts a real server with a demo key and lets a crew of demo people work
// on it through the API, as people would.
func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	if o.data == "" {
		if o.data, err = os.MkdirTemp("", "rackwright-demo-"); err != nil {
			return fmt.Errorf("folder of the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.data)) }()
	}
	cfg := config.Default()
	cfg.Site, cfg.Data, cfg.Management.Address = "demo", o.data, o.address
	cfg.Conductor.Poll = 100 * time.Millisecond
	logFile, err := os.OpenFile(filepath.Join(o.data, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of the demo: %w", err)
	}
	defer logFile.Close()
	srv, err := server.New(ctx, server.Options{Config: cfg, Version: version(), Simulated: true, Log: slog.New(slog.NewTextHandler(logFile, nil))})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Run(serving) }()
	defer func() {
		stop()
		if serr := <-done; serr != nil {
			err = errors.Join(err, serr)
		}
	}()
	hired, err := hire(ctx, srv)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "SIMULATED rack; pages: https://%s/  (token of the viewer: %s)\n", srv.Address(), hired.viewer)
	limited, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	err = a.journey(limited, hired, o)
	if o.keep {
		fmt.Fprintln(a.err, "still serving; stop it with Ctrl-C")
		select {
		case <-ctx.Done():
		case serr := <-done:
			done <- nil
			return errors.Join(err, serr)
		}
	}
	return err
}

// crew are the people of the demo, each a client with a token of its own.
type crew struct {
	tess, fay, vera, ada, adam *client.Client // technician, facilities, vendor, acceptor, admin
	viewer                     string
	server                     *server.Server
}

// demoRack is the rack the crew works on; vendor and acceptor are bound to it.
const demoRack = "A12"

func hire(ctx context.Context, srv *server.Server) (*crew, error) {
	c := &crew{server: srv}
	ctx = inventory.WithCause(ctx, inventory.Cause{By: "admin", Via: "cli"})
	until := time.Now().Add(24 * time.Hour)
	bound := []inventory.RackID{demoRack}
	for _, p := range []struct {
		id, name string
		grant    inventory.Grant
		into     **client.Client
	}{
		{"tess", "Tess Technician", inventory.Grant{Role: inventory.RoleTechnician}, &c.tess},
		{"fay", "Fay Facilities", inventory.Grant{Role: inventory.RoleFacilities}, &c.fay},
		{"vera", "Vera Vendor", inventory.Grant{Role: inventory.RoleVendor, Racks: bound, Until: until}, &c.vera},
		{"ada", "Ada Acceptor", inventory.Grant{Role: inventory.RoleAcceptor, Racks: bound}, &c.ada},
		{"adam", "Adam Admin", inventory.Grant{Role: inventory.RoleAdmin}, &c.adam},
		{"vic", "Vic Viewer", inventory.Grant{Role: inventory.RoleViewer}, nil},
	} {
		person := inventory.Person{ID: inventory.PersonID(p.id), Name: p.name, Grants: []inventory.Grant{p.grant}}
		if err := srv.Store().SavePerson(ctx, person); err != nil {
			return nil, err
		}
		secret, token, err := auth.NewToken(person, person.Grants, until, "demo", time.Now())
		if err != nil {
			return nil, err
		}
		if err := srv.Store().SaveToken(ctx, token); err != nil {
			return nil, err
		}
		if p.into == nil {
			c.viewer = secret.Reveal()
			continue
		}
		if *p.into, err = client.New(client.Login{Server: "https://" + srv.Address(), Pin: srv.Pin(), Token: secret}); err != nil {
			return nil, err
		}
	}
	return c, nil
}
