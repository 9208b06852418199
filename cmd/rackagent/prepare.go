package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/images/burnin/tool"
	"golang.org/x/sys/unix"
)

const (
	scanPause     = 300 * time.Millisecond // drives and ports appear some time after their driver
	leasePatience = time.Minute
)

// prepare is the machine's part of the boot: drivers, then the network. It
// fails only when the image itself is wrong; what one device lacks is logged,
// and the inventory tells the rest.
func prepare(host tool.Host, log *slog.Logger) error {
	name, err := release()
	if err != nil {
		return err
	}
	d, err := newDrivers(host.Root, name, log)
	if err != nil {
		return err
	}
	d.settle(func() { time.Sleep(scanPause) })
	log.Info("drivers are loaded", "kernel", name, "modules", len(d.done))
	cmdline, err := fs.ReadFile(host.Root, "proc/cmdline")
	if err != nil {
		return fmt.Errorf("kernel command line: %w", err)
	}
	if checkOnly(string(cmdline)) {
		return nil // the image builder's boot has no network
	}
	addressed(lease(host, string(cmdline), log), leasePatience, log)
	return nil
}

// checkOnly: the image builder boots with this argument to start every tool once.
func checkOnly(cmdline string) bool {
	return slices.Contains(strings.Fields(cmdline), "rackwright.check")
}

// checkMark begins the line that the image builder reads from the console.
const checkMark = "RACKWRIGHT-CHECK "

// check starts every packed tool once, prints the answer on one line and
// switches the machine off.
func check(ctx context.Context, s tool.Starter, console io.Writer) error {
	line, err := json.Marshal(tool.SelfTest(ctx, s))
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if _, err := fmt.Fprintf(console, "\n%s%s\n", checkMark, line); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	time.Sleep(time.Second) // the serial line has sent it then
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}
