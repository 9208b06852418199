package imagebuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// ToolStart is how one packed tool started in the booted image.
type ToolStart struct {
	Tool    string `json:"tool"`
	OK      bool   `json:"ok"`
	Version string `json:"version"`
	Exit    int    `json:"exit"`
	Error   string `json:"error"`
}

// checkMark begins the line of the console on which rackagent answers the
// kernel argument rackwright.check.
const checkMark = "RACKWRIGHT-CHECK "

const (
	qemu         = "qemu-system-x86_64"
	checkTimeout = 10 * time.Minute // software emulation on a busy machine
	checkMemory  = "1024"           // MiB
)

// Check boots the image in QEMU, where rackagent starts every packed tool
// once. A tool that cannot start, or is not in the answer, is an error: such an
// image must not be used.
func Check(ctx context.Context, r Result, log *slog.Logger) ([]ToolStart, error) {
	program, err := exec.LookPath(qemu)
	if err != nil {
		return nil, fmt.Errorf("check of the image: %s is not installed (Debian: qemu-system-x86); install it, or build with --check=false: %w", qemu, inventory.ErrNotFound)
	}
	dir, err := os.MkdirTemp("", "rackwright-check-")
	if err != nil {
		return nil, fmt.Errorf("check of the image: %w", err)
	}
	defer os.RemoveAll(dir)
	kernel, initrd := filepath.Join(dir, "kernel"), filepath.Join(dir, "initrd")
	if err := errors.Join(os.WriteFile(kernel, r.Kernel, 0o600), os.WriteFile(initrd, r.Initrd, 0o600)); err != nil {
		return nil, fmt.Errorf("check of the image: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	line := strings.Join(append(r.Args, "console=ttyS0", "loglevel=4", "rackwright.check"), " ")
	cmd := exec.CommandContext(ctx, program, "-machine", "q35,accel=tcg", "-cpu", "max", "-m", checkMemory, "-nographic", "-no-reboot",
		"-nic", "none", "-monitor", "none", "-serial", "stdio", "-kernel", kernel, "-initrd", initrd, "-append", line)
	var console, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &console, &fault, 5*time.Second
	log.Info("boot the image to start every tool once", "machine", qemu)
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("check of the image: %s: %w: %s; the console ends with:\n%s", qemu, errors.Join(err, ctx.Err()), fault.String(), tail(console.String(), 15))
	}
	return judgeCheck(console.String())
}

// judgeCheck reads the answer on the console.
func judgeCheck(console string) ([]ToolStart, error) {
	_, rest, ok := strings.Cut(console, checkMark)
	answer, _, _ := strings.Cut(rest, "\n")
	var list []ToolStart
	if !ok || json.Unmarshal([]byte(strings.TrimSpace(answer)), &list) != nil {
		return nil, fmt.Errorf("check of the image: rackagent did not answer; the console ends with:\n%s", tail(console, 15))
	}
	var faults []error
	started := map[string]bool{}
	for _, t := range list {
		started[t.Tool] = true
		if !t.OK {
			faults = append(faults, fmt.Errorf("%s cannot start (exit %d): %s", t.Tool, t.Exit, t.Error))
		}
	}
	for _, p := range programs() {
		if !started[p.tool] {
			faults = append(faults, fmt.Errorf("%s was not started", p.tool))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return list, fmt.Errorf("check of the image: %w: %w", err, inventory.ErrInvalid)
	}
	return list, nil
}

// tail is the last lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
