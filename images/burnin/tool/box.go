package tool

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
)

// Command is one program start. File, when set, is a file in the attempt's own
// directory that the program writes and that is read afterwards.
type Command struct {
	Name    string
	Args    []string
	Timeout time.Duration // when its process group is ended
	File    string
}

// Argv is the command as a list.
func (c Command) Argv() []string { return append([]string{c.Name}, c.Args...) }

// Captured is everything one start left behind.
type Captured struct {
	Stdout, Stderr, File []byte
	Truncated            bool // more was written than is kept
	Exit                 int
	Missing, TimedOut    bool
	Signal, Error        string
	Digest               inventory.Digest // of the program file
	Took                 time.Duration
}

// Starter starts programs: [Process] in the image, recorded output in a
// simulated machine.
type Starter interface {
	Start(ctx context.Context, c Command) Captured
}

// Input is what a parser gets. Planned is the amount the step asked for, in the
// unit the parser documents.
type Input struct {
	Captured
	Target  burnin.Entity
	Planned float64
}

// Reading is what a parser understood.
type Reading struct {
	Version string
	Values  []burnin.Value
}

func (r *Reading) add(metric, unit string, e burnin.Entity, v float64) {
	r.Values = append(r.Values, burnin.Value{Metric: metric, Entity: e, Unit: unit, Value: v})
}

var errEmpty = errors.New("the tool printed nothing")

// row is one external tool.
type row struct {
	prepare func(h Host, t burnin.Test, target burnin.Entity) (Command, float64, error)
	parse   func(Input) (Reading, error)
	accept  func(exit int) bool // exit codes that may stand beside good values
}

// rows are the external tools of this release.
func rows() map[string]row {
	return map[string]row{
		burnin.ToolStressapptest: {stressapptestCommand, Stressapptest, onlyZero},
		burnin.ToolMemtester:     {memtesterCommand, Memtester, onlyZero},
		burnin.ToolStressNG:      {stressNGCommand, StressNG, onlyZero},
		burnin.ToolFio:           {fioCommand, Fio, onlyZero},
		burnin.ToolSmart:         {smartCommand, Smartctl, smartExit},
		burnin.ToolNVMe:          {nvmeCommand, NVMe, onlyZero},
		burnin.ToolIperf3:        {iperf3Command, Iperf3, onlyZero},
	}
}

func onlyZero(exit int) bool { return exit == 0 }

// Box runs the steps of a plan on one machine.
type Box struct {
	Starter Starter
	Host    Host
	Links   func() []inventory.Link // see Collector
}

// Run starts the tool of a step once.
func (b *Box) Run(ctx context.Context, t burnin.Test, target burnin.Entity) burnin.Outcome {
	switch t.Tool {
	case burnin.ToolInventory:
		return b.inventory(ctx)
	case burnin.ToolCounters:
		return b.counters()
	}
	r, ok := rows()[t.Tool]
	if !ok {
		return burnin.Outcome{Exec: burnin.Exec{Missing: true, Exit: 127, Error: "this image has no tool " + t.Tool}}
	}
	if t.Destructive {
		if err := b.Host.mayWrite(t, target); err != nil {
			return burnin.Outcome{Exec: burnin.Exec{Error: err.Error(), Exit: -1}}
		}
	}
	cmd, planned, err := r.prepare(b.Host, t, target)
	if err != nil {
		return burnin.Outcome{Exec: burnin.Exec{Error: err.Error(), Exit: -1}}
	}
	cmd.Timeout = t.Timeout.D()
	got := b.Starter.Start(ctx, cmd)
	out := burnin.Outcome{Artifacts: artifacts(got), Exec: burnin.Exec{Argv: cmd.Argv(), ToolDigest: got.Digest, Exit: got.Exit,
		Accepted: r.accept(got.Exit), Missing: got.Missing, TimedOut: got.TimedOut, Signal: got.Signal, Error: got.Error, Took: got.Took}}
	if got.Missing || got.Error != "" {
		return out
	}
	reading, err := r.parse(Input{Captured: got, Target: target, Planned: planned})
	out.Values, out.Exec.Version = reading.Values, reading.Version
	if err != nil {
		out.Fault = err.Error()
	}
	if err := b.Host.still(target, cmd); err != nil {
		out.Fault = err.Error()
	}
	return out
}

// artifacts packs what was captured; the digest is of the plain bytes.
func artifacts(c Captured) []burnin.Artifact {
	var out []burnin.Artifact
	for _, a := range []struct {
		name string
		data []byte
	}{{"stdout", c.Stdout}, {"stderr", c.Stderr}, {"file", c.File}} {
		if len(a.data) > 0 {
			out = append(out, artifact(a.name, a.data, c.Truncated))
		}
	}
	return out
}

func artifact(name string, data []byte, truncated bool) burnin.Artifact {
	a := burnin.Artifact{Name: name, Digest: inventory.DigestOf(data), Bytes: len(data), Truncated: truncated}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err == nil { // a bytes.Buffer does not fail
		a.Gzip = packed.Bytes()
	}
	return a
}

func node() burnin.Entity { return burnin.Entity{} }

func wrong(tool, format string, args ...any) error {
	return fmt.Errorf("%s: %s", tool, fmt.Sprintf(format, args...))
}
