package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

func (a *app) watchCmd() *cobra.Command {
	var count int
	var after int64
	var until string
	c := &cobra.Command{Use: "watch RACK", Short: "Follow a rack: a live elevation on a terminal, one line a change in a pipe", Args: exactly(1, "a rack"),
		Long:    "Watch follows a rack until it is interrupted. On a terminal it keeps the elevation, what is waited for and the last changes on the screen. In a pipe, or with -o json, it prints each change as one line.",
		Example: "  rackwright watch A12\n  rackwright watch A12 | tee a12.log\n  rackwright watch A12 -o json --until handed_over\n  rackwright watch A12 -o json --after 118   # where a broken pipe ended"}
	c.Flags().IntVar(&count, "count", 0, "stop after this many changes; default: never")
	c.Flags().Int64Var(&after, "after", -1, "in a pipe: go on after this entry number, 0 for all; default: what comes from now on")
	c.Flags().StringVar(&until, "until", "", "stop when the rack has reached this milestone")
	c.RunE = func(c *cobra.Command, args []string) error {
		if all := lifecycle.RackMilestones(); until != "" && !slices.Contains(all, inventory.RackMilestone(until)) {
			return fmt.Errorf("%w: --until %s: the milestones of a rack are %v", errUsage, until, all)
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		if a.output == "table" && isTTY(a.out) {
			return a.screen(c.Context(), cl, args[0], until)
		}
		return a.follow(c.Context(), cl, args[0], after, count, until)
	}
	return c
}

// reached: the rack is there, or has passed it.
func reached(at inventory.RackMilestone, until string) bool {
	to := inventory.RackMilestone(until)
	return until != "" && (at == to || lifecycle.RackRank(to) >= 0 && lifecycle.RackRank(at) > lifecycle.RackRank(to))
}

// follow prints one line a change. It goes on from the entry that the first
// look has seen, so that nothing falls between look and stream.
func (a *app) follow(ctx context.Context, cl *client.Client, rack string, after int64, count int, until string) error {
	d, err := cl.Rack(ctx, rack)
	if err != nil || reached(d.Milestone, until) {
		return err
	}
	from := d.Head
	if after >= 0 {
		from = uint64(after)
	}
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	seen, name := 0, addresses(ctx, cl)
	var failed error
	err = cl.Watch(ctx, fmt.Sprintf("%s:%d", d.Name, from), func(e inventory.Entry) bool {
		if e.Kind == "node.expected" { // a slot that was not known when the names were read
			name = addresses(ctx, cl)
		}
		if a.output == "json" {
			failed = enc.Encode(e)
		} else {
			_, failed = fmt.Fprintln(a.out, eventLine(e, name))
		}
		seen++
		if failed != nil || count > 0 && seen >= count {
			return false
		}
		if until == "" {
			return true
		}
		d, failed = cl.Rack(ctx, rack)
		return failed == nil && !reached(d.Milestone, until)
	})
	if failed != nil {
		return failed
	}
	return err
}

const (
	clearScreen = "\x1b[H\x1b[2J"
	lastChanges = 6
)

// screen redraws the rack at every change, and each few seconds so that its age
// is never in doubt.
func (a *app) screen(ctx context.Context, cl *client.Client, rack, until string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan inventory.Entry, 64)
	broken := make(chan error, 1)
	go func() {
		broken <- cl.Watch(ctx, rack, func(e inventory.Entry) bool {
			select {
			case events <- e:
			case <-ctx.Done():
			}
			return ctx.Err() == nil
		})
	}()
	var log []string
	for {
		d, err := cl.Rack(ctx, rack)
		if err != nil {
			return err
		}
		if _, err := a.out.Write(a.drawn(d, log)); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		if reached(d.Milestone, until) {
			return nil
		}
		name := addressesIn(d)
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return err
		case e := <-events:
			log = append(log, eventLine(e, name))
			for more := true; more; { // what came together is drawn together
				select {
				case e := <-events:
					log = append(log, eventLine(e, name))
				case <-time.After(100 * time.Millisecond):
					more = false
				}
			}
			log = log[max(0, len(log)-lastChanges):]
		case <-time.After(5 * time.Second):
		}
	}
}

// drawn is one whole screen: a half one would show a state that never was.
func (a *app) drawn(d api.RackDetail, log []string) []byte {
	var b bytes.Buffer
	b.WriteString(clearScreen)
	fmt.Fprintf(&b, "%s  %s  %s  read %s UTC  (Ctrl-C ends)\n\n", a.strong("Rack "+d.Name+simulated(d.Simulated)), d.Milestone, d.Site, d.At.UTC().Format("15:04:05"))
	w := tabwriter.NewWriter(&b, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "U\tSLOT\tSIGN\tMILESTONE\tOPERATION\tWAITS FOR")
	for i := len(d.Slots) - 1; i >= 0; i-- {
		s := d.Slots[i]
		fmt.Fprintf(w, "%d\t%s\t%s %s\t%s\t%s\t%s\n", s.Slot.U, s.Slot.Path, s.Node.Sign.Letter, s.Node.Sign.Word, s.Node.Milestone, operation(s.Node.Operation), cut(s.Node.Waits))
	}
	_ = w.Flush() // into memory
	for _, s := range d.Slots {
		if s.Node.NeverPowerOff {
			fmt.Fprintln(&b, a.strong("DO NOT POWER OFF "+s.Node.Address))
		}
	}
	b.WriteByte('\n')
	printBlockers(&b, d.Blockers[:min(len(d.Blockers), lastChanges)])
	for _, line := range log {
		fmt.Fprintln(&b, cut(line))
	}
	return b.Bytes()
}

// cut keeps a line on one row of a common terminal.
func cut(text string) string {
	const most = 100
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// strong is bold where the terminal and the person allow it (NO_COLOR, --color).
func (a *app) strong(text string) string {
	if a.color == "never" || a.color == "auto" && (os.Getenv("NO_COLOR") != "" || !isTTY(a.out)) {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}
