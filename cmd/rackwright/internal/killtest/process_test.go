package killtest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/config"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/server"
	"github.com/rackwright/rackwright/inventory"
)

const orderEnv = "RACKWRIGHT_KILL_ORDER"

// order is what one server process is told.
type order struct {
	Config config.Config
	Kill   int    // at this commit of the process; 0: never
	Name   string // or at the first commit whose name begins so
	Phase  string // before or after
	Spare  bool   // see killer
	Lie    string // what the record hides from the server, for tests of the tests
	Log    string // file of the commits
	Debug  string // file of the server's log
}

// ready is the one line that a serving process prints.
type ready struct{ Address, Pin string }

// TestServerProcess is the server of the matrix: the product's composition root
// with the killer around its record. It runs only when told to.
func TestServerProcess(t *testing.T) {
	raw := os.Getenv(orderEnv)
	if raw == "" {
		t.Skip("run by the kill matrix only")
	}
	var o order
	if err := json.Unmarshal([]byte(raw), &o); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	debug, err := os.OpenFile(o.Debug, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	k := &killer{at: o.Kill, name: o.Name, phase: o.Phase, spare: o.Spare, log: log}
	ctx, stop := context.WithCancel(context.Background())
	srv, err := server.New(ctx, server.Options{Config: o.Config, Version: "kill-test", Simulated: true,
		Log:   slog.New(slog.NewTextHandler(debug, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Store: func(s inventory.Store) inventory.Store { k.Store = lie(o.Lie, s); return k }})
	if err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(ready{srv.Address(), srv.Pin()})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("ready %s\n", line)
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); stop() }() // the test has gone, or wants a clean end
	if err := srv.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// process is one server process as its parent sees it.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ready ready
	over  chan struct{} // closed when it has ended
	err   error         // how it ended; read after over
	out   strings.Builder
}

// start runs a server process. A process that was killed before it was ready
// is no error: over is closed then.
func start(t *testing.T, o order) *process {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0], "-test.run", "^TestServerProcess$", "-test.timeout", "10m"), over: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), orderEnv+"="+string(raw), "GOMAXPROCS=2")
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	debug, err := os.OpenFile(o.Debug, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer debug.Close()
	p.cmd.Stderr = debug
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				if err := json.Unmarshal([]byte(text), &p.ready); err == nil {
					close(up)
				}
				continue
			}
			p.out.WriteString(lines.Text() + "\n")
		}
		p.err = p.cmd.Wait()
		close(p.over)
	}()
	select {
	case <-up:
	case <-p.over:
	case <-time.After(60 * time.Second):
		p.kill()
		t.Fatalf("the server process is not ready after 60 s: %s", p.out.String())
	}
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// killed reports whether the process ended by SIGKILL.
func (p *process) killed() bool {
	var exit *exec.ExitError
	if !p.ended() || !errors.As(p.err, &exit) {
		return false
	}
	s, ok := exit.Sys().(syscall.WaitStatus)
	return ok && s.Signaled() && s.Signal() == syscall.SIGKILL
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.over
}

// stop asks for a clean end.
func (p *process) stop() error {
	_ = p.stdin.Close()
	select {
	case <-p.over:
	case <-time.After(30 * time.Second):
		p.kill()
		return fmt.Errorf("the server did not end in 30 s: %s", p.out.String())
	}
	if p.err != nil {
		return fmt.Errorf("the server ended badly: %w: %s", p.err, p.out.String())
	}
	return nil
}

func (p *process) client(token inventory.Secret) (*client.Client, error) {
	return client.New(client.Login{Server: "https://" + p.ready.Address, Pin: p.ready.Pin, Token: token})
}

// commits reads a log of commits: a number and a name each.
func commits(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}
