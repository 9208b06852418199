package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/agentbin"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/imagebuild"
	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

func (a *app) buildCmd() *cobra.Command {
	c := &cobra.Command{Use: "build", Short: "Build what nodes boot"}
	image := &cobra.Command{Use: "image", Short: "Build a boot image"}
	image.AddCommand(a.buildBurninCmd())
	c.AddCommand(image)
	return c
}

// buildFlags are what a build is asked for.
type buildFlags struct {
	debs, lock, out, agent, name string
	fetch, check                 bool
}

func (a *app) buildBurninCmd() *cobra.Command {
	c := &cobra.Command{Use: "burnin", Short: "Build the burn-in image from Debian packages", Args: exactly(0, "no argument"),
		Long: `Build makes kernel and initramfs of the burn-in image from .deb files: from a
folder (--debs), or fetched with apt-get (--fetch; Debian 12, nothing is
installed). The lock names every package with version and SHA-256; the same
lock gives the same bytes. The image is then booted once in QEMU, where every
packed tool must start; --check=false leaves that out.

The result goes into a folder (--out), or into the record of a site, where the
newest image named "burnin" is the one nodes boot (--data or --config; a SQLite
record must not be served meanwhile).`,
		Example: "  rackwright build image burnin --fetch --lock burnin.lock --out ./image\n  rackwright build image burnin --debs ./debs --lock burnin.lock --data /var/lib/rackwright"}
	var f buildFlags
	load := configured(c)
	c.Flags().StringVar(&f.debs, "debs", "", "folder with .deb files")
	c.Flags().BoolVar(&f.fetch, "fetch", false, "fetch the packages with apt-get download")
	c.Flags().StringVar(&f.lock, "lock", "", "package lock: obeyed when the file is there, written when it is not")
	c.Flags().StringVar(&f.out, "out", "", "write kernel, initrd, image.json and packages.lock into this folder")
	c.Flags().StringVar(&f.agent, "agent", "", "another rackagent than the one inside this program")
	c.Flags().StringVar(&f.name, "name", "burnin", "name of the image in the catalogue")
	c.Flags().BoolVar(&f.check, "check", true, "boot the image in QEMU and start every tool once")
	c.RunE = func(c *cobra.Command, _ []string) error {
		stored := c.Flags().Changed("data") || c.Flags().Changed("config")
		if (f.out == "") == !stored {
			return fmt.Errorf("%w: say where the image goes: --out FOLDER, or --data FOLDER (or --config FILE) for the record of a site", errUsage)
		}
		if (f.debs == "") == !f.fetch {
			return fmt.Errorf("%w: say where the packages come from: --debs FOLDER or --fetch", errUsage)
		}
		cfg, err := load()
		if err != nil {
			return err
		}
		return a.buildBurnin(c.Context(), f, cfg)
	}
	return c
}

func (a *app) buildBurnin(ctx context.Context, f buildFlags, cfg config.Config) (err error) {
	log := slog.New(slog.NewTextHandler(a.err, nil))
	o := imagebuild.Options{Debs: f.debs, Log: log}
	if o.Agent, err = agentOf(f.agent); err != nil {
		return err
	}
	if f.fetch {
		if o.Debs, err = os.MkdirTemp("", "rackwright-debs-"); err != nil {
			return fmt.Errorf("folder for packages: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Debs)) }()
		o.Fetch = &imagebuild.Fetcher{Dir: o.Debs, Log: log}
	}
	fresh := false
	if f.lock != "" {
		l, err := imagebuild.ReadLock(f.lock)
		switch {
		case errors.Is(err, inventory.ErrNotFound):
			fresh = true
		case err != nil:
			return err
		default:
			o.Lock = &l
		}
	}
	r, err := imagebuild.Build(ctx, o)
	if err != nil {
		return err
	}
	log.Info("image is built", "version", r.Version, "kernel", r.KernelRelease, "packages", len(r.Lock.Packages), "files", r.Files,
		"initrd_bytes", len(r.Initrd), "unpacked_bytes", r.Unpacked)
	if f.check {
		started, err := imagebuild.Check(ctx, r, log)
		if err != nil {
			return err
		}
		log.Info("every tool starts in the booted image", "tools", len(started))
	} else {
		log.Warn("the image was not booted: nobody knows whether its tools start")
	}
	if fresh {
		if err := writeLock(f.lock, r.Lock); err != nil {
			return err
		}
	}
	if f.out != "" {
		return a.writeImage(f, r)
	}
	return a.publishImage(ctx, f, cfg, r)
}

func agentOf(file string) ([]byte, error) {
	if file == "" {
		return agentbin.Agent()
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return b, nil
}

func writeLock(file string, l imagebuild.Lock) error {
	raw, err := l.JSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		return fmt.Errorf("package lock: %w", err)
	}
	return nil
}

// writeImage leaves the image in a folder, with its document beside it.
func (a *app) writeImage(f buildFlags, r imagebuild.Result) error {
	img, lock, err := r.Image(f.name)
	if err != nil {
		return err
	}
	doc, err := json.MarshalIndent(img, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return fmt.Errorf("image folder: %w", err)
	}
	for name, content := range map[string][]byte{"kernel": r.Kernel, "initrd": r.Initrd, "image.json": append(doc, '\n'), "packages.lock": lock} {
		if err := os.WriteFile(filepath.Join(f.out, name), content, 0o644); err != nil {
			return fmt.Errorf("image folder: %w", err)
		}
	}
	return a.printImage(img, "", f.out)
}

func (a *app) publishImage(ctx context.Context, f buildFlags, cfg config.Config, r imagebuild.Result) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w: %w", inventory.ErrReadOnly, err)
	}
	record, err := sqlstore.Open(ctx, options(cfg))
	if err != nil {
		return err
	}
	store, err := images.Open(filepath.Join(cfg.Data, "images"), nil)
	if err != nil {
		return errors.Join(err, record.Close())
	}
	ctx = inventory.WithCause(ctx, inventory.Cause{Via: "cli"})
	img, d, err := r.Publish(ctx, &images.Catalogue{Store: store, Documents: record}, f.name)
	if err = errors.Join(err, record.Close()); err != nil {
		return err
	}
	return a.printImage(img, d, cfg.Data)
}

func (a *app) printImage(img images.Image, d images.Digest, where string) error {
	return a.print(table{columns: []string{"image", "version", "document", "kernel", "initrd", "arguments", "where"},
		value: map[string]any{"image": img, "digest": d, "where": where},
		rows:  [][]string{{img.Name, img.Version, orDash(string(d)), string(img.Files["kernel"]), string(img.Files["initrd"]), strings.Join(img.Args, " "), where}}})
}
