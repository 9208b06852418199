package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

// check is one line of doctor.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func (a *app) doctorCmd() *cobra.Command {
	c := &cobra.Command{Use: "doctor", Short: "Look for what keeps a server from working here: configuration, folder, keys, disk, ports, certificate, record", Args: exactly(0, "no argument"),
		Long:    "Doctor looks at this machine with the configuration that serve would use. It changes nothing. A server that runs here already is found and asked.",
		Example: "  rackwright doctor --data ./data"}
	load := configured(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		checks := diagnose(c.Context(), cfg)
		t := table{columns: []string{"check", "result", "detail", "fix"}, value: checks}
		bad := 0
		for _, x := range checks {
			result := "ok"
			if !x.OK {
				result = "WRONG"
				bad++
			}
			t.rows = append(t.rows, []string{x.Name, result, x.Detail, orDash(x.Fix)})
		}
		if err := a.print(t); err != nil {
			return err
		}
		if bad > 0 {
			return &findings{what: fmt.Sprintf("%d of %d checks are wrong", bad, len(checks))}
		}
		return nil
	}
	return c
}

const leastFree = 1 << 30 // bytes

// diagnose asks one question a line. It makes nothing that serve would make.
func diagnose(ctx context.Context, cfg config.Config) []check {
	out := []check{{Name: "configuration", OK: true, Detail: "site " + cfg.Site}}
	add := func(name, detail string, err error, fix string) {
		c := check{Name: name, OK: err == nil, Detail: detail}
		if err != nil {
			c.Detail, c.Fix = err.Error(), fix
			if errors.Is(err, fs.ErrPermission) && name != "data folder" { // it may be sound, and is somebody else's
				c.Fix = "Ask again as the user who runs the server (ls -ld " + cfg.Data + "); change nothing before."
			}
		}
		out = append(out, c)
	}
	detail, err := writable(cfg.Data)
	add("data folder", detail, err, "Make it writable for this user: chown, chmod, or mount -o remount,rw.")
	detail, err = roomy(cfg.Data)
	add("free space", detail, err, "Free at least 1 GiB.")
	add("keys", kept(filepath.Join(cfg.Data, "keys")), private(filepath.Join(cfg.Data, "keys")), "Run chmod 600 on the file.")
	detail, err = lasting(cfg)
	add("certificate", detail, err, "Renew management.certificate, or remove keys/management.* to let the next start make one.")
	detail, err = heldRecord(ctx, cfg)
	if errors.Is(err, inventory.ErrHeld) { // not asked further: whoever has it open has found it sound
		detail, err = "open in a server: "+strings.TrimPrefix(err.Error(), "open record: "), nil
	}
	add("record", detail, err, "Run rackwright fsck; restore a backup, or start the release that wrote it.")
	ours := running(ctx, cfg)
	detail, err = free(cfg.Management.Address, ours)
	add("management port", detail, err, "Stop what uses it (ss -ltnp), or set another management.address.")
	if cfg.Provisioning.Address != "" {
		detail, err = free(cfg.Provisioning.Address, ours)
		add("provisioning port", detail, err, "Stop what uses it (ss -ltnp), or set another provisioning.address.")
	}
	return out
}

// nearest is the folder itself or the first parent that exists.
func nearest(dir string) string {
	dir, err := filepath.Abs(dir)
	for err == nil {
		if _, serr := os.Stat(dir); !errors.Is(serr, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

func writable(dir string) (string, error) {
	f, err := os.CreateTemp(nearest(dir), ".doctor")
	if err != nil {
		return "", err
	}
	detail := dir
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		detail += " (serve makes it)"
	}
	return detail, errors.Join(f.Close(), os.Remove(f.Name()))
}

func roomy(dir string) (string, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(nearest(dir), &disk); err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	left := disk.Bavail * uint64(disk.Bsize)
	if left < leastFree {
		return "", fmt.Errorf("only %d MiB are free", left>>20)
	}
	return fmt.Sprintf("%d MiB", left>>20), nil
}

// kept says whether there are keys at all: after a restore without them serve
// would make new ones, and no sealed password could be opened.
func kept(dir string) string {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "none (serve makes them; after a restore put the old ones back first)"
	}
	return "private"
}

// private: every key file is for this user only.
func private(dir string) error {
	var faults []error
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return fs.SkipAll // serve makes them
		}
		if err != nil || d.IsDir() || filepath.Ext(path) == ".crt" {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			faults = append(faults, fmt.Errorf("%s can be read by others (mode %04o)", path, info.Mode().Perm()))
		}
		return err
	})
	return errors.Join(append(faults, err)...)
}

// certificate is the one that serve shows; ErrNotExist: serve makes it.
func certificate(cfg config.Config) (tls.Certificate, error) {
	crt, key := cfg.Management.Certificate, cfg.Management.Key
	if crt == "" {
		crt, key = filepath.Join(cfg.Data, "keys", "management.crt"), filepath.Join(cfg.Data, "keys", "management.key")
		if _, err := os.Stat(crt); err != nil {
			return tls.Certificate{}, err
		}
	}
	return tls.LoadX509KeyPair(crt, key)
}

func lasting(cfg config.Config) (string, error) {
	pair, err := certificate(cfg)
	if errors.Is(err, fs.ErrNotExist) && cfg.Management.Certificate == "" {
		return "serve makes one", nil
	}
	if err != nil {
		return "", err
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return "", err
	}
	if left := time.Until(leaf.NotAfter); left < 30*24*time.Hour {
		return "", fmt.Errorf("it ends %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return "until " + leaf.NotAfter.UTC().Format(time.DateOnly), nil
}

func heldRecord(ctx context.Context, cfg config.Config) (string, error) {
	s, err := openRecord(ctx, cfg)
	if errors.Is(err, inventory.ErrNotFound) {
		return "serve makes one", nil
	}
	if errors.Is(err, sqlstore.ErrOlder) {
		return err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	faults, err := s.Check(ctx)
	if err == nil && len(faults) > 0 {
		err = errors.New(strings.Join(faults, "; "))
	}
	return fmt.Sprintf("sound, schema %d", sqlstore.Schema), errors.Join(err, s.Close())
}

// running: our own server answers on the management address, which is known by
// its certificate. Nothing secret is sent.
func running(ctx context.Context, cfg config.Config) bool {
	pair, err := certificate(cfg)
	if err != nil {
		return false // its own line says why
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
	c, err := d.DialContext(ctx, "tcp", cfg.Management.Address)
	if err != nil {
		return false
	}
	defer c.Close()
	peers := c.(*tls.Conn).ConnectionState().PeerCertificates
	return len(peers) > 0 && bytes.Equal(peers[0].Raw, pair.Certificate[0])
}

// free: the port can be had, or our running server has it.
func free(address string, running bool) (string, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return address, l.Close()
	case running:
		return address + " (the running server's)", nil
	}
	return "", err
}
