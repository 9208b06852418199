package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"aead.dev/minisign"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/inventory"
)

// stage starts rack, server and crew. Whatever it started ends when it fails.
func (a *app) stage(ctx context.Context, o demoOptions, faults []virtualrack.Fault, log *slog.Logger) (_ *stage, err error) {
	s := &stage{ended: make(chan struct{}), stop: func() {}}
	defer func() {
		if err != nil && s.rack != nil {
			err = errors.Join(err, s.rack.Close())
		}
	}()
	cfg := demoConfig(o)
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("key of the demo's baselines: %w", err)
	}
	key, err := public.MarshalText()
	if err != nil {
		return nil, fmt.Errorf("key of the demo's baselines: %w", err)
	}
	cfg.Firmware.Keys = []string{string(key)}
	if o.vm {
		if s.rack, err = vmRack(o, log); err != nil {
			return nil, err
		}
	} else if !o.paper {
		if err := demoPrograms(cfg.Provisioning.Programs); err != nil {
			return nil, err
		}
		s.rack, err = virtualrack.New(virtualrack.HGX(demoRack), virtualrack.Options{Faults: faults, Log: log.With("side", "virtual rack"), Spool: filepath.Join(o.data, "machines")})
		if err != nil {
			return nil, err
		}
	}
	if s.rack != nil {
		if err := s.rack.Start(); err != nil {
			return nil, err
		}
	}
	if s.server, err = server.New(ctx, server.Options{Config: cfg, Version: version(), Simulated: true, Log: log}); err != nil {
		return nil, err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() {
		defer close(s.ended)
		s.result = s.server.Run(serving)
	}()
	if s.crew, err = hire(ctx, s.server); err != nil {
		stop()
		<-s.ended
		return nil, err
	}
	if o.paper {
		return s, nil
	}
	at := s.server.BootAddrs()
	s.rack.Connect(virtualrack.Network{DHCP: at.DHCP, Relay: netip.MustParseAddr(demoRelay), TFTP: at.TFTP.Port()})
	if o.vm {
		err = s.crew.stockVM(ctx, a, o, private)
	} else {
		err = s.crew.stock(ctx, o.data, private)
	}
	if err != nil {
		stop()
		<-s.ended
	}
	return s, err
}

// demoPrograms writes what the simulated ROMs fetch as their boot program; they
// check it and do not run it.
func demoPrograms(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("boot programs of the demo: %w", err)
	}
	for _, name := range []string{"snponly.efi", "undionly.kpxe", "ipxe.efi"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("MZ SIMULATED boot program "+name+"\n"), 0o600); err != nil {
			return fmt.Errorf("boot programs of the demo: %w", err)
		}
	}
	return nil
}

// stock brings in what a site has before the truck comes: a boot image, firmware
// packages and the signed baselines that name them.
func (c *crew) stock(ctx context.Context, dir string, key minisign.PrivateKey) error {
	files := map[string]inventory.Digest{}
	for _, kind := range []string{"kernel", "initrd"} {
		d, err := upload(ctx, c.adam, dir, kind, []byte("SIMULATED "+kind+" of the demo's burn-in image\n"))
		if err != nil {
			return err
		}
		files[kind] = d
	}
	if _, err := c.adam.PublishImage(ctx, api.Image{Name: "burnin", Version: "demo", Arch: "amd64", Files: files, Simulated: true}); err != nil {
		return err
	}
	return c.baseline(ctx, dir, key, virtualrack.Baselines())
}

// baseline imports firmware packages and the signed baselines that name them.
func (c *crew) baseline(ctx context.Context, dir string, key minisign.PrivateKey, list []virtualrack.Baseline) error {
	for _, b := range list {
		d, err := upload(ctx, c.adam, dir, b.Profile, b.Package())
		if err != nil {
			return err
		}
		text := b.Document(d)
		if _, err := c.adam.ImportBaseline(ctx, text, minisign.Sign(key, text)); err != nil {
			return err
		}
		c.baselines = append(c.baselines, b.Name)
	}
	return nil
}

func upload(ctx context.Context, who *client.Client, dir, name string, content []byte) (inventory.Digest, error) {
	file := filepath.Join(dir, name+".blob")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return "", fmt.Errorf("file of the demo: %w", err)
	}
	got, err := who.PutBlob(ctx, file, nil)
	if err == nil && got.Digest != inventory.DigestOf(bytes.Clone(content)) {
		err = fmt.Errorf("blob %s was stored as %s: %w", name, got.Digest, inventory.ErrInvalid)
	}
	return got.Digest, err
}
