package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

func (a *app) getPlans(c *cobra.Command, _ []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.BurnInPlans(c.Context())
	if err != nil {
		return err
	}
	t := table{columns: []string{"plan", "version", "arch", "steps", "title", "digest"}, wide: 5, value: list, empty: "no burn-in plans"}
	for _, p := range list {
		t.rows = append(t.rows, []string{p.Name, strconv.Itoa(p.Version), orDash(p.Arch), strconv.Itoa(len(p.Tests)), orDash(p.Title), string(p.Digest)})
	}
	return a.print(t)
}

func (a *app) describePlanCmd() *cobra.Command {
	return &cobra.Command{Use: "plan NAME", Short: "A burn-in plan: each step, each limit and where the limit is from", Args: exactly(1, "a plan (rackwright get plans)"),
		Example: "  rackwright describe plan smoke\n  rackwright describe plan x86 -o yaml\n  rackwright describe plan x86 -o csv",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect()
			if err != nil {
				return err
			}
			p, err := cl.BurnInPlan(c.Context(), args[0])
			if err != nil {
				return err
			}
			if a.output == "table" || a.output == "wide" {
				return describePlan(a.out, p)
			}
			t := table{value: p, columns: []string{"step", "tool", "metric", "per", "rule", "unit", "gate", "observe", "source"}}
			for _, s := range p.Tests {
				for _, l := range s.Limits {
					t.rows = append(t.rows, []string{s.ID, s.Tool, l.Metric, string(l.Per), l.Rule(), l.Unit, string(l.Gate), strconv.FormatBool(l.Observe), l.Source})
				}
			}
			return a.print(t)
		}}
}

func describePlan(w io.Writer, p api.BurnInPlan) error {
	fmt.Fprintf(w, "Burn-in plan %s version %d  %s\n  %s\n", p.Name, p.Version, p.Title, p.Digest)
	fmt.Fprintf(w, "  kernel log lines that fail it: %v\n", p.Kernel)
	for _, s := range p.Tests {
		fmt.Fprintf(w, "  %s: %s", s.ID, s.Tool)
		if s.Each != "" {
			fmt.Fprintf(w, " for each %s", s.Each)
		}
		if s.Duration > 0 {
			fmt.Fprintf(w, ", %s", s.Duration.D())
		}
		fmt.Fprintf(w, ", at most %s", s.Timeout.D())
		if s.Destructive {
			fmt.Fprint(w, ", WRITES to its target")
		}
		fmt.Fprintln(w)
		rows := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
		for _, l := range s.Limits {
			mark := ""
			if l.Observe {
				mark = " (observed only)"
			}
			fmt.Fprintf(rows, "    %s\t%s %s%s\t%s\n", l.Metric, l.Rule(), l.Unit, mark, l.Source)
		}
		if err := rows.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) exportResultsCmd() *cobra.Command {
	var file, form string
	c := &cobra.Command{Use: "results RUN", Short: "What burn-in said in a run or request: exit 0 pass, 5 fail, 8 unjudged", Args: exactly(1, "a run"),
		Long: `What burn-in said in a run, or in every run of a request. -o junit is JUnit XML:
fail is <failure>, unjudged is <error> and never <skipped>, not applicable is
<skipped>. Waived gates keep their result; the waiver is a property.`,
		Example: "  rackwright export results 01J…\n  rackwright export results 01J… -o junit --file burnin.xml\n  rackwright export results 01J… -o json"}
	c.Flags().StringVarP(&file, "file", "f", "", "write it there instead of standard output")
	c.Flags().StringVarP(&form, "output", "o", "table", "table, wide, json, yaml, csv, name or junit")
	c.RunE = func(c *cobra.Command, args []string) error {
		if form != "junit" {
			a.output = form
			if err := a.checkFlags(); err != nil {
				return err
			}
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		v, err := cl.Verdict(c.Context(), args[0])
		if err != nil {
			return err
		}
		show := func() error { return a.print(resultTable(v)) }
		if form == "junit" {
			var xml bytes.Buffer
			if _, err := cl.JUnit(c.Context(), args[0], &xml); err != nil {
				return err
			}
			show = func() error {
				_, err := a.out.Write(xml.Bytes())
				return err
			}
		}
		for _, n := range v.Results {
			if n.Simulated {
				fmt.Fprintf(a.err, "SIMULATED: %s\n", n.Address)
			}
		}
		if err := a.into(file, show); err != nil {
			return err
		}
		switch v.Result {
		case inventory.ResultPass:
			return nil
		case inventory.ResultFail:
			return &findings{what: "burn-in failed"}
		}
		return &partial{what: "burn-in is " + string(v.Result) + ": not everything was measured"}
	}
	return c
}

// into sends what show prints to a file; empty is standard output.
func (a *app) into(file string, show func() error) error {
	if file == "" {
		return show()
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	own := *a.streams
	defer func() { a.streams = &own }()
	a.streams = &streams{in: own.in, out: f, err: own.err}
	if err := show(); err != nil {
		_ = f.Close() // the first fault is the one to tell
		return err
	}
	return f.Close()
}

func resultTable(v api.RunVerdict) table {
	t := table{columns: []string{"node", "run", "gate", "result", "measured", "why"}, value: v}
	for _, n := range v.Results {
		if n.Verdict == nil {
			t.rows = append(t.rows, []string{n.Address, orDash(string(n.Run)), "-", string(n.Result), "-", n.Missing})
			continue
		}
		for _, g := range n.Verdict.Gates {
			t.rows = append(t.rows, []string{n.Address, string(n.Run), string(g.Gate), string(g.Result), fmt.Sprintf("%d of %d", g.Measured, g.Expected), orDash(g.Sentences(2))})
		}
	}
	return t
}
