package main

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"github.com/rackwright/rackwright/images/burnin/tool"
	"github.com/rackwright/rackwright/inventory"
	"golang.org/x/sys/unix"
)

// dhcp is the client of the image and the script that sets what it was leased.
const (
	dhcpClient = "/usr/sbin/udhcpc"
	dhcpScript = "/usr/share/rackwright/udhcpc"
)

// bootPorts are the interfaces to ask for a lease on: the one whose MAC the
// boot program wrote into BOOTIF (PXELINUX's form, 01-aa-bb-…), else all.
func bootPorts(host tool.Host, cmdline string) []string {
	all := ports(host)
	for field := range strings.FieldsSeq(cmdline) {
		text, ok := strings.CutPrefix(field, "BOOTIF=01-")
		if !ok {
			continue
		}
		want, ok := inventory.ParseMAC(strings.ReplaceAll(text, "-", ":"))
		for _, p := range all {
			b, err := fs.ReadFile(host.Root, path.Join("sys/class/net", p, "address"))
			if mac, good := inventory.ParseMAC(strings.TrimSpace(string(b))); err == nil && good && ok && mac == want {
				return []string{p}
			}
		}
	}
	return all
}

// up switches an interface on: LLDP is heard on all of them, leased or not.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("switch %s on: %w", name, err)
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("switch %s on: %w", name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
		return fmt.Errorf("switch %s on: %w", name, err)
	}
	r.SetUint16(r.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r); err != nil {
		return fmt.Errorf("switch %s on: %w", name, err)
	}
	return nil
}

// lease starts a DHCP client per boot port; it renews for the whole burn-in and
// never gives up: with many nodes at once the first answers come late
// (performance.md §2). The clients outlive this process.
func lease(host tool.Host, cmdline string, log *slog.Logger) []string {
	for _, p := range append(ports(host), "lo") {
		if err := up(p); err != nil {
			log.Warn("network port", "error", err)
		}
	}
	list := bootPorts(host, cmdline)
	for _, p := range list {
		child, err := os.StartProcess(dhcpClient, []string{"udhcpc", "-f", "-i", p, "-s", dhcpScript, "-t", "5", "-T", "1", "-A", "2"},
			&os.ProcAttr{Dir: "/", Env: []string{"PATH=/usr/sbin:/usr/bin"}, Files: []*os.File{nil, nil, nil}, Sys: &unix.SysProcAttr{Setsid: true}})
		if err != nil {
			log.Warn("DHCP client does not start", "port", p, "error", err)
			continue
		}
		if err := child.Release(); err != nil {
			log.Warn("DHCP client", "port", p, "error", err)
		}
	}
	return list
}

// addressed waits until one of the ports has an IPv4 address, or the time is
// over; the agent then tries all the same and says what fails.
func addressed(list []string, limit time.Duration, log *slog.Logger) {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, p := range list {
			nic, err := net.InterfaceByName(p)
			if err != nil {
				continue
			}
			addrs, err := nic.Addrs()
			if err != nil {
				continue
			}
			for _, a := range addrs {
				if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
					log.Info("network is up", "port", p, "address", n.String())
					return
				}
			}
		}
	}
	log.Warn("no port has got an address yet", "ports", strings.Join(list, " "))
}
