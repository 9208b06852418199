package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// operations maps the words of the command line to operations.
var operations = map[string]inventory.OpKind{"sweep": inventory.OpSweep, "secure": inventory.OpSecure, "firmware": inventory.OpFirmware, "burn-in": inventory.OpBurnIn,
	"rack-test": inventory.OpRackTest, "bring-up": inventory.OpBringUp, "power": inventory.OpPower, "locate": inventory.OpLocate}

func (a *app) startCmd() *cobra.Command {
	var plan, key, approver string
	var kinds, args []string
	var all, dry, wait bool
	var timeout time.Duration
	c := &cobra.Command{Use: "start OPERATION RACK|NODE...", Short: "Ask for work: sweep, secure, firmware, burn-in, rack-test, bring-up, power, locate",
		Long:    "Ask for work. Accepted is not done: use --wait, rackwright wait RUN, or rackwright watch RACK.",
		Example: "  rackwright start bring-up A12 --wait\n  rackwright start locate A12/C07 --arg on=true", Args: atLeast(1, "an operation and racks or nodes")}
	f := c.Flags()
	f.StringVar(&plan, "plan", "", "digest of the approved plan")
	f.StringVar(&key, "key", "", "idempotency key: the same key gives the same run")
	f.StringVar(&approver, "approver", "", "second person, where a vendor asks")
	f.StringSliceVar(&kinds, "kind", nil, "only nodes of these kinds")
	f.StringArrayVar(&args, "arg", nil, "name=value for the operation")
	f.BoolVar(&all, "all", false, "every rack you may change; spelled out on purpose")
	f.BoolVar(&dry, "dry-run", false, "say what would be asked of whom")
	f.BoolVar(&wait, "wait", false, "wait until every target is done")
	f.DurationVar(&timeout, "timeout", 0, "give up waiting after this long (exit 7); the work goes on")
	c.RunE = func(c *cobra.Command, names []string) error {
		op, ok := operations[names[0]]
		if !ok {
			return fmt.Errorf("%w: operation %q; use sweep, secure, firmware, burn-in, rack-test, bring-up, power or locate", errUsage, names[0])
		}
		in := api.StartRequest{Op: op, Plan: inventory.Digest(plan), Approver: inventory.PersonID(approver), All: all}
		for _, k := range kinds {
			in.Kinds = append(in.Kinds, inventory.NodeKind(k))
		}
		for _, n := range names[1:] {
			if strings.Contains(n, "/") {
				in.Nodes = append(in.Nodes, n)
			} else {
				in.Racks = append(in.Racks, n)
			}
		}
		var err error
		if in.Args, err = keyValues(args); err != nil {
			return err
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		req, err := cl.Start(c.Context(), key, dry, in)
		if err != nil {
			return err
		}
		if wait && !dry {
			return a.wait(c.Context(), cl, string(req.Run), timeout)
		}
		return a.print(requestTable(req))
	}
	return c
}

// keyValues turns name=value into JSON; numbers and booleans stay what they are.
func keyValues(list []string) (json.RawMessage, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]any{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%w: --arg %q: write name=value", errUsage, text)
		}
		var v any = value
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			v = n
		} else if b, err := strconv.ParseBool(value); err == nil {
			v = b
		}
		out[name] = v
	}
	return json.Marshal(out)
}

func requestTable(req inventory.Request) table {
	t := table{columns: []string{"run", "operation", "state", "target", "result", "detail"}, value: req}
	for _, l := range req.Lines {
		t.rows = append(t.rows, []string{string(req.Run), string(req.Op), string(req.State), l.Subject.String(), l.Result, l.Detail})
	}
	if len(t.rows) == 0 {
		t.rows = [][]string{{string(req.Run), string(req.Op), string(req.State), "-", "-", "-"}}
	}
	return t
}

func (a *app) waitCmd() *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{Use: "wait RUN", Short: "Wait until a request is done: exit 0 all ok, 8 some not, 5 none, 7 timeout", Args: exactly(1, "a run")}
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

// wait polls a request and prints one line a change: a bar would hide which
// target stands still.
func (a *app) wait(ctx context.Context, cl *client.Client, run string, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	seen := map[inventory.Subject]string{}
	for {
		d, err := cl.Run(ctx, run)
		if err != nil {
			return err
		}
		if d.Request == nil {
			return fmt.Errorf("%w: %s is one run, not a request; watch its rack", errUsage, run)
		}
		for _, l := range d.Request.Lines {
			if now := l.Result + " " + l.Detail; seen[l.Subject] != now {
				seen[l.Subject] = now
				fmt.Fprintf(a.err, "%s %s %s\n", time.Now().Format("15:04:05"), l.Subject, now)
			}
		}
		switch d.Request.State {
		case inventory.RequestDone:
			return a.print(requestTable(*d.Request))
		case inventory.RequestPartial:
			return a.ended(*d.Request, &partial{what: "some targets are not ok"})
		case inventory.RequestFailed, inventory.RequestCanceled:
			return a.ended(*d.Request, &findings{what: "request " + string(d.Request.State)})
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("request %s is still %s; it goes on without us: %w", run, d.Request.State, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (a *app) ended(req inventory.Request, verdict error) error {
	if err := a.print(requestTable(req)); err != nil {
		return err
	}
	return verdict
}

func (a *app) watchCmd() *cobra.Command {
	return &cobra.Command{Use: "watch RACK", Short: "Print each event of a rack as it happens, until interrupted", Args: exactly(1, "a rack"),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect()
			if err != nil {
				return err
			}
			enc := json.NewEncoder(a.out)
			return cl.Watch(c.Context(), args[0], func(e inventory.Entry) bool {
				if a.output == "json" {
					return enc.Encode(e) == nil
				}
				_, err := fmt.Fprintf(a.out, "%s #%d %s by %s %s\n", e.At.Local().Format("15:04:05"), e.Seq, e.Kind, e.By, e.Body)
				return err == nil
			})
		}}
}
