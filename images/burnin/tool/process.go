package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Process starts real programs: own process group, an empty directory per
// start, no standard input, fixed locale, limited capture.
type Process struct {
	Dir   string        // where the per-start directories are made; a RAM disk
	Grace time.Duration // between TERM and KILL; 0 means 10 s
	Limit int           // bytes kept of each stream, half from each end; 0 means 1 MiB
}

const (
	defaultGrace = 10 * time.Second
	defaultLimit = 1 << 20
	searchPath   = "/usr/sbin:/usr/bin:/sbin:/bin"
)

// Start implements [Starter].
func (p Process) Start(ctx context.Context, c Command) Captured {
	file, err := lookPath(c.Name)
	if err != nil {
		return Captured{Missing: true, Exit: 127}
	}
	digest, err := fileDigest(file)
	if err != nil {
		return Captured{Error: err.Error(), Exit: -1}
	}
	dir, err := os.MkdirTemp(p.Dir, "attempt-")
	if err != nil {
		return Captured{Error: fmt.Sprintf("directory for %s: %v", c.Name, err), Exit: -1}
	}
	defer os.RemoveAll(dir)
	got := p.run(ctx, c, file, dir)
	got.Digest = digest
	if c.File != "" && got.Error == "" {
		b, err := readLimited(filepath.Join(dir, c.File), p.limit())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			got.Error = err.Error()
		}
		got.File = b
	}
	return got
}

// run waits for the whole group: a stressor that outlives its parent would
// load the next step.
func (p Process) run(ctx context.Context, c Command, file, dir string) Captured {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	stdout, stderr := &window{limit: p.limit()}, &window{limit: p.limit()}
	cmd := exec.Command(file, c.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stdout, stderr
	cmd.Env = []string{"PATH=" + searchPath, "LC_ALL=C", "LANG=C", "TZ=UTC", "HOME=" + dir, "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = p.grace()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return Captured{Error: fmt.Sprintf("start %s: %v", c.Name, err), Exit: -1}
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var err error
	ended := false
	select {
	case err = <-done:
	case <-ctx.Done():
		ended = true
		err = p.stop(cmd.Process.Pid, done)
	}
	kill(cmd.Process.Pid, syscall.SIGKILL) // what the leader left behind
	got := Captured{Stdout: stdout.bytes(), Stderr: stderr.bytes(), Truncated: stdout.cut() || stderr.cut(), Took: time.Since(began),
		TimedOut: ended && errors.Is(ctx.Err(), context.DeadlineExceeded), Exit: cmd.ProcessState.ExitCode()}
	if ended && !got.TimedOut {
		got.Error = "the run was stopped"
	}
	var left *exec.ExitError
	switch {
	case errors.As(err, &left):
		if ws, ok := left.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			got.Signal = ws.Signal().String()
		}
	case err != nil:
		got.Error = fmt.Sprintf("wait for %s: %v", c.Name, err)
	}
	return got
}

func (p Process) stop(pid int, done chan error) error {
	kill(pid, syscall.SIGTERM)
	select {
	case err := <-done:
		return err
	case <-time.After(p.grace()):
		kill(pid, syscall.SIGKILL)
		return <-done
	}
}

// kill signals a process group; a group that is gone already is what was wanted.
func kill(pid int, sig syscall.Signal) { _ = syscall.Kill(-pid, sig) }

func (p Process) grace() time.Duration {
	if p.Grace > 0 {
		return p.Grace
	}
	return defaultGrace
}

func (p Process) limit() int {
	if p.Limit > 0 {
		return p.Limit
	}
	return defaultLimit
}

// lookPath searches the fixed path only; the agent's own environment is the
// kernel's and says nothing about where tools are.
func lookPath(name string) (string, error) {
	for _, dir := range filepath.SplitList(searchPath) {
		full := filepath.Join(dir, name)
		if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return full, nil
		}
	}
	return "", fmt.Errorf("%s is not in %s: %w", name, searchPath, os.ErrNotExist)
}

func fileDigest(path string) (inventory.Digest, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", path, err)
	}
	return inventory.DigestOf(b), nil
}

func readLimited(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("output file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("output file %s is larger than %d bytes", filepath.Base(path), limit)
	}
	return b, err
}

// window keeps the first and the last half of a stream.
type window struct {
	limit      int
	head, tail bytes.Buffer
	dropped    int
}

// cutMark stands where bytes were dropped; no parser accepts it.
const cutMark = "\n[... output dropped ...]\n"

// Write implements io.Writer and never fails: a full window must not kill the tool.
func (w *window) Write(b []byte) (int, error) {
	n := len(b)
	if room := w.limit/2 - w.head.Len(); room > 0 {
		k := min(room, len(b))
		w.head.Write(b[:k])
		b = b[k:]
	}
	w.tail.Write(b)
	if over := w.tail.Len() - w.limit/2; over > 0 {
		w.tail.Next(over)
		w.dropped += over
	}
	return n, nil
}

func (w *window) cut() bool { return w.dropped > 0 }

func (w *window) bytes() []byte {
	out := append([]byte{}, w.head.Bytes()...)
	if w.dropped > 0 {
		out = append(out, cutMark...)
	}
	return append(out, w.tail.Bytes()...)
}
