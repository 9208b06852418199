package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// naming turns a subject into what people call it.
type naming func(inventory.Subject) string

// addresses asks for names only when the first one is needed. A name that
// cannot be had is shown as the id: it is right, only harder to read.
func addresses(ctx context.Context, cl *client.Client) naming {
	var known map[inventory.Subject]string
	return func(on inventory.Subject) string {
		if known == nil {
			known = map[inventory.Subject]string{}
			nodes, err := cl.Nodes(ctx, "", "", "")
			for _, n := range nodes {
				known[inventory.NodeSubject(n.ID)] = n.Address
			}
			racks, rerr := cl.Racks(ctx)
			for _, r := range racks {
				known[inventory.RackSubject(r.ID)] = r.Name
			}
			if err != nil || rerr != nil {
				return on.String()
			}
		}
		if name, ok := known[on]; ok {
			return name
		}
		return on.String()
	}
}

// addressesIn are the names of a rack that was read already.
func addressesIn(d api.RackDetail) naming {
	known := map[inventory.Subject]string{inventory.RackSubject(d.ID): d.Name}
	for _, s := range d.Slots {
		known[inventory.NodeSubject(s.Node.ID)] = s.Node.Address
	}
	return func(on inventory.Subject) string {
		if name, ok := known[on]; ok {
			return name
		}
		return on.String()
	}
}

func requestTable(req inventory.Request, name naming) table {
	t := table{columns: []string{"run", "operation", "state", "target", "result", "detail"}, value: req}
	state := string(req.State)
	if req.Run == "" {
		state = "dry run"
	}
	for _, l := range req.Lines {
		t.rows = append(t.rows, []string{string(req.Run), string(req.Op), state, name(l.Subject), orDash(l.Result), orDash(l.Detail)})
	}
	if len(t.rows) == 0 {
		t.rows = [][]string{{string(req.Run), string(req.Op), state, "-", "-", "-"}}
	}
	return t
}

func (a *app) waitCmd() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{Use: "wait RUN", Short: "Wait until a request is done: exit 0 all ok, 8 some not, 5 none, 7 timeout", Args: exactly(1, "a run"),
		Example: "  rackwright wait 01J… --timeout 26h\n  rackwright wait 01J… -o json"}
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up after this long (exit 7); the work goes on")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		return a.wait(c.Context(), cl, args[0], timeout)
	}
	return c
}

// wait polls a request. A pipe gets one line a change; a terminal gets one
// line that stays, and the changes above it.
func (a *app) wait(ctx context.Context, cl *client.Client, run string, timeout time.Duration) error {
	limited := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	name := addresses(ctx, cl)
	bar := progress{a: a, live: isTTY(a.err)}
	defer bar.end()
	seen := map[inventory.Subject]string{}
	state := inventory.RequestState("unknown")
	for {
		d, err := cl.Run(limited, run)
		if limited.Err() != nil {
			return fmt.Errorf("request %s is still %s; it goes on without us: %w", run, state, limited.Err())
		}
		if err != nil {
			return err
		}
		if d.Request == nil {
			return fmt.Errorf("%w: %s is one run, not a request; watch its rack", errUsage, run)
		}
		state = d.Request.State
		for _, l := range d.Request.Lines {
			if now := strings.TrimSpace(l.Result + " " + l.Detail); seen[l.Subject] != now {
				seen[l.Subject] = now
				bar.line("%s %s %s", time.Now().Format("15:04:05"), name(l.Subject), now)
			}
		}
		bar.show(d.Request.Lines)
		switch state {
		case inventory.RequestDone:
			return a.print(requestTable(*d.Request, name))
		case inventory.RequestPartial:
			return a.ended(*d.Request, name, &partial{what: "some targets are not ok, or unknown"})
		case inventory.RequestFailed:
			return a.ended(*d.Request, name, &findings{what: "request " + string(state)})
		}
		select {
		case <-limited.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (a *app) ended(req inventory.Request, name naming, verdict error) error {
	if err := a.print(requestTable(req, name)); err != nil {
		return err
	}
	return verdict
}

// progress writes to standard error: lines for a pipe, and on a terminal one
// more line that is drawn over.
type progress struct {
	a     *app
	live  bool
	drawn bool
}

func (p *progress) line(format string, args ...any) {
	p.end()
	fmt.Fprintf(p.a.err, format+"\n", args...)
}

func (p *progress) show(lines []inventory.RequestLine) {
	if !p.live || len(lines) == 0 {
		return
	}
	over := 0
	for _, l := range lines {
		if l.Result != "" && l.Result != "not_started" && l.Result != "running" {
			over++
		}
	}
	const width = 30
	full := over * width / len(lines)
	fmt.Fprintf(p.a.err, "\r\x1b[K[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(".", width-full), over, len(lines))
	p.drawn = true
}

// end clears the line that was drawn.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.a.err, "\r\x1b[K")
		p.drawn = false
	}
}
