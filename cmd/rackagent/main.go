package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rackwright/rackwright/images/burnin/tool"
)

// version is set by the build (-ldflags -X main.version=…).
var version = "devel"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the run is not with the server, or a tool cannot start
	exitUsage  = 2
)

// spoolDir lies on the RAM disk of the image.
const spoolDir = "/run/rackagent"

func main() {
	os.Exit(start())
}

func start() int {
	if os.Getpid() == 1 {
		return asInit(os.Stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return verb(ctx, os.Args[1:], os.DirFS("/"), os.Stdout, os.Stderr)
}

// verb runs one verb and returns the exit code.
func verb(ctx context.Context, args []string, root fs.FS, stdout, stderr io.Writer) int {
	name := "run"
	if len(args) > 0 {
		name = args[0]
	}
	host := tool.Host{Root: root}
	process := tool.Process{Dir: os.TempDir()}
	var err error
	switch name {
	case "run":
		err = run(ctx, host, process, slog.New(slog.NewTextHandler(stderr, nil)))
	case "prepare":
		err = prepare(host, slog.New(slog.NewTextHandler(stderr, nil)))
	case "tools":
		err = tools(ctx, process, stdout)
	case "inventory":
		err = print(stdout, tool.Collector{Starter: process, Host: host}.Collect(ctx))
	case "lldp":
		err = lldp(ctx, host, stdout)
	case "version":
		_, err = fmt.Fprintln(stdout, "rackagent", version)
	default:
		fmt.Fprintf(stderr, "rackagent: unknown verb %q; known are run, prepare, tools, inventory, lldp, version\n", name)
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(stderr, "rackagent:", err)
		return exitFailed
	}
	return exitOK
}

func print(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// tools starts each packed tool once; the image builder reads the answer.
func tools(ctx context.Context, s tool.Starter, w io.Writer) error {
	list := tool.SelfTest(ctx, s)
	err := print(w, list)
	for _, t := range list {
		if !t.OK {
			err = errors.Join(err, fmt.Errorf("%s cannot start: %s", t.Tool, t.Error))
		}
	}
	return err
}

// lldp listens once for a whole announcement period.
func lldp(ctx context.Context, host tool.Host, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 35*time.Second)
	defer cancel()
	ears := &ears{}
	if err := ears.listen(ctx, ports(host)); err != nil {
		return err
	}
	return print(w, ears.links())
}
