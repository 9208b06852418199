package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/tool"
	"github.com/rackwright/rackwright/inventory"
	"golang.org/x/sys/unix"
)

// orders are what the kernel command line says.
type orders struct {
	server string
	token  inventory.Secret
	image  inventory.Digest
	pin    inventory.Digest
}

// commandLine reads our parameters. Every fault is told at once.
func commandLine(text string) (orders, error) {
	var o orders
	var faults []error
	for field := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(field, "=")
		var err error
		switch name {
		case "rackwright.server":
			o.server = value
		case "rackwright.token":
			o.token = inventory.NewSecret(value)
		case "rackwright.image":
			o.image, err = inventory.ParseDigest(value)
		case "rackwright.pin":
			o.pin, err = inventory.ParseDigest(value)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	if u, err := url.Parse(o.server); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		faults = append(faults, fmt.Errorf("rackwright.server=%q: want http://host:port or https://host:port", o.server))
	}
	if o.token.Reveal() == "" {
		faults = append(faults, errors.New("rackwright.token is missing"))
	}
	if err := errors.Join(faults...); err != nil {
		return orders{}, fmt.Errorf("kernel command line: %w", err)
	}
	return o, nil
}

// client trusts the pinned public key and nothing else; without a pin the
// image's roots decide.
func (o orders) client() *http.Client {
	transport := &http.Transport{Proxy: nil, TLSHandshakeTimeout: 20 * time.Second, IdleConnTimeout: time.Minute}
	if o.pin != "" {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // the pin is checked instead of a chain
			VerifyConnection: func(s tls.ConnectionState) error {
				if got := inventory.DigestOf(s.PeerCertificates[0].RawSubjectPublicKeyInfo); got != o.pin {
					return fmt.Errorf("server's public key is %s, pinned is %s", got, o.pin)
				}
				return nil
			}}
	}
	return &http.Client{Transport: transport}
}

// run is the agent's life.
func run(ctx context.Context, host tool.Host, starter tool.Starter, log *slog.Logger) error {
	cmdline, err := fs.ReadFile(host.Root, "proc/cmdline")
	if err != nil {
		return fmt.Errorf("kernel command line: %w", err)
	}
	if checkOnly(string(cmdline)) {
		return check(ctx, starter, os.Stdout)
	}
	o, err := commandLine(string(cmdline))
	if err != nil {
		return err
	}
	h, err := introduce(host)
	if err != nil {
		return err
	}
	h.Image = o.image
	// Stressors lock the memory they test; the default limit is 8 MiB.
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}); err != nil {
		log.Warn("memory lock limit stays", "error", err)
	}
	ears := &ears{}
	go func() {
		if err := ears.listen(ctx, ports(host)); err != nil {
			log.Warn("nobody listens for LLDP", "error", err)
		}
	}()
	log.Info("agent starts", "server", o.server, "boot", h.BootID, "virtual", h.Simulated, "version", version)
	a := &burnin.Agent{Server: o.server, HTTP: o.client(), Token: o.token, Hello: h, Spool: spoolDir, Log: log,
		Runner: &tool.Box{Starter: starter, Host: host, Links: ears.links}, Kernel: kmsg{path: "/dev/kmsg", host: host}}
	return a.Run(ctx)
}

// introduce reads who this machine is. A virtual machine is simulated hardware:
// what it proves must never be signed as real.
func introduce(host tool.Host) (burnin.Hello, error) {
	text := func(name string) string {
		b, err := fs.ReadFile(host.Root, name)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	h := burnin.Hello{Agent: "rackagent/" + version, BootID: text("proc/sys/kernel/random/boot_id"), UUID: text("sys/class/dmi/id/product_uuid")}
	if h.BootID == "" {
		return h, errors.New("/proc/sys/kernel/random/boot_id cannot be read: is /proc mounted?")
	}
	for _, p := range ports(host) {
		if mac, ok := inventory.ParseMAC(text(path.Join("sys/class/net", p, "address"))); ok {
			h.MACs = append(h.MACs, mac)
		}
	}
	for line := range strings.Lines(text("proc/cpuinfo")) {
		if strings.HasPrefix(line, "flags") && strings.Contains(line+" ", " hypervisor ") {
			h.Simulated = true
		}
	}
	return h, nil
}

// ports are the interfaces with hardware behind them.
func ports(host tool.Host) []string {
	list, err := fs.ReadDir(host.Root, "sys/class/net")
	if err != nil {
		return nil // no network at all; the hello will say no MAC
	}
	var out []string
	for _, e := range list {
		if _, err := fs.Stat(host.Root, path.Join("sys/class/net", e.Name(), "device/uevent")); err == nil {
			out = append(out, e.Name())
		}
	}
	return out
}
