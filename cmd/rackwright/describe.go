package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

func (a *app) describeCmd() *cobra.Command {
	var at, known string
	c := &cobra.Command{Use: "describe RACK|NODE", Short: "One rack or node with its why: gates, who must act, findings, parts",
		Example: "  rackwright describe A12\n  rackwright describe A12/C07 --at 2026-03-01T00:00:00Z", Args: exactly(1, "a rack or a node")}
	c.AddCommand(a.describePlanCmd())
	c.Flags().StringVar(&at, "at", "", "parts as they were then (RFC 3339)")
	c.Flags().StringVar(&known, "known-at", "", "parts as the record said then (RFC 3339)")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		if strings.Contains(args[0], "/") {
			d, err := cl.Node(c.Context(), args[0], at, known)
			if err != nil {
				return err
			}
			if a.output != "table" && a.output != "wide" {
				return a.print(gateTable(d, d.Address, string(d.Next), d.Gates))
			}
			return describeNode(a.out, d)
		}
		d, err := cl.Rack(c.Context(), args[0])
		if err != nil {
			return err
		}
		if a.output != "table" && a.output != "wide" {
			return a.print(gateTable(d, d.Name, string(d.Next), d.Gates))
		}
		return describeRack(a.out, d)
	}
	return c
}

// gateTable is the description as rows: one a gate of the next milestone.
func gateTable(value any, name, next string, gates []lifecycle.GateResult) table {
	t := table{value: value, columns: []string{"on", "next", "gate", "result", "producer", "by", "reason"}}
	for _, g := range gates {
		t.rows = append(t.rows, []string{name, next, string(g.Gate), string(g.Result), string(g.Producer), g.By, g.Reason})
	}
	if len(t.rows) == 0 {
		t.rows = [][]string{{name, next, "", "", "", "", ""}}
	}
	return t
}

func describeRack(w io.Writer, d api.RackDetail) error {
	fmt.Fprintf(w, "Rack %s%s\n  milestone %s since %s\n  type %s, site %s, position %s\n", d.Name, simulated(d.Simulated), d.Milestone, stamp(d.Since), d.TypeName, d.Site, orDash(d.Position))
	printHolds(w, d.Holds)
	count := map[inventory.Milestone]int{}
	never := 0
	for _, s := range d.Slots {
		count[s.Node.Milestone]++
		if s.Node.NeverPowerOff {
			never++
		}
	}
	fmt.Fprintf(w, "  members:")
	for _, m := range lifecycle.NodeMilestones() {
		if count[m] > 0 {
			fmt.Fprintf(w, " %d %s", count[m], m)
		}
	}
	fmt.Fprintln(w)
	if never > 0 {
		fmt.Fprintf(w, "  DO NOT POWER OFF: %d members are in a step that must not be cut\n", never)
	}
	printGates(w, string(d.Next), d.Gates)
	printBlockers(w, d.Blockers)
	printFindings(w, d.Findings)
	return nil
}

func describeNode(w io.Writer, d api.NodeDetail) error {
	fmt.Fprintf(w, "Node %s%s\n  %s %s, milestone %s since %s\n  serial %s, BMC %s\n", d.Address, simulated(d.Simulated), d.Kind, orDash(d.Type), d.Milestone, stamp(d.Since), orDash(d.Serial), orDash(d.BMC.URL))
	if d.NeverPowerOff {
		fmt.Fprintf(w, "  DO NOT POWER OFF: %s\n", operation(d.Operation))
	} else if d.Operation != nil {
		fmt.Fprintf(w, "  runs %s: %s\n", operation(d.Operation), d.Operation.Detail)
	}
	printHolds(w, d.Holds)
	printGates(w, string(d.Next), d.Gates)
	printFailed(w, d.Failed())
	printBlockers(w, d.Blockers)
	printFindings(w, d.Open)
	if len(d.Observed) > 0 {
		fmt.Fprintln(w, "Parts seen:")
		tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
		for _, c := range d.Observed {
			fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\n", c.Key, c.Model, c.Serial, c.Firmware, c.State)
		}
		return tw.Flush()
	}
	return nil
}

func simulated(yes bool) string {
	if yes {
		return "  [SIMULATED]"
	}
	return ""
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func printHolds(w io.Writer, list []inventory.Hold) {
	for _, h := range list {
		fmt.Fprintf(w, "  HOLD %s since %s by %s: %s\n", h.Name, stamp(h.Since), orDash(string(h.By)), h.Reason)
	}
}

func printFailed(w io.Writer, list []inventory.Evidence) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "What did not pass:")
	for _, e := range list {
		fmt.Fprintf(w, "  %s %s at %s by %s: %s\n", e.Gate, e.Result, stamp(e.At), e.By, orDash(e.Detail))
	}
}

func printGates(w io.Writer, next string, gates []lifecycle.GateResult) {
	if next == "" {
		return
	}
	fmt.Fprintf(w, "Gates of %s:\n", next)
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	for _, g := range gates {
		fmt.Fprintf(tw, "  %s\t%s\tby %s\t%s\t%s\n", g.Gate, g.Result, g.Producer, orDash(g.By), g.Reason)
	}
	_ = tw.Flush() // the writer below reports; a broken pipe ends the program anyway
}

func printBlockers(w io.Writer, list []inventory.Blocker) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "Next, and who:")
	for _, b := range list {
		fmt.Fprintf(w, "  %s: %s\n", b.Owner, inventory.Sentence(b.Fix, b.Args))
	}
}

func printFindings(w io.Writer, list []inventory.Finding) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "Open findings:")
	for _, f := range list {
		fmt.Fprintf(w, "  %s %s (%s): %s\n", f.ID, f.Kind, f.Owner, inventory.Sentence(f.Fix, f.Args))
	}
}
