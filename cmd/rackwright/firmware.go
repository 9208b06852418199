package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

func (a *app) importBaselineCmd() *cobra.Command {
	var signature string
	c := &cobra.Command{Use: "baseline FILE", Short: "Import a signed firmware baseline (YAML or JSON)", Args: exactly(1, "a baseline file"),
		Long:    "Import a firmware baseline. Its detached minisign signature must be by a key of firmware.keys in the server's configuration; a baseline never changes, new content is a new name.",
		Example: "  minisign -Sm hgx-8.yaml && rackwright import baseline hgx-8.yaml\n  rackwright import baseline hgx-8.yaml --signature vendor.minisig\n  rackwright import baseline hgx-8.yaml -o json"}
	c.Flags().StringVar(&signature, "signature", "", "signature file; default FILE.minisig")
	c.RunE = func(c *cobra.Command, args []string) error {
		if signature == "" {
			signature = args[0] + ".minisig"
		}
		document, err := a.readInput(args[0])
		if err != nil {
			return err
		}
		signed, err := a.readInput(signature)
		if err != nil {
			return fmt.Errorf("%w: the signature of %s: %w; sign it with minisign -Sm %s", errUsage, args[0], err, args[0])
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		ref, err := cl.ImportBaseline(c.Context(), document, signed)
		if err != nil {
			return err
		}
		list, err := cl.BaselinesFull(c.Context())
		if err != nil {
			return err
		}
		for _, b := range list {
			if b.Name != ref.Name {
				continue
			}
			for _, w := range b.Wants {
				if here, err := cl.HasBlob(c.Context(), w.Artifact); err != nil {
					return err
				} else if !here {
					fmt.Fprintf(a.err, "warning: the payload of %s (%s) is not here yet: rackwright import payload FILE\n", w.Name, w.Artifact)
				}
			}
		}
		return a.print(table{columns: []string{"baseline", "digest"}, value: ref, rows: [][]string{{ref.Name, string(ref.Digest)}}})
	}
	return c
}

func (a *app) importPayloadCmd() *cobra.Command {
	return &cobra.Command{Use: "payload FILE", Short: "Upload a firmware payload; prints its digest, warns when no baseline names it", Args: exactly(1, "a payload file"),
		Example: "  rackwright import payload nvfw_P4975.fwpkg\n  rackwright import payload bmc.tar -o name     # the digest alone\n  rackwright import payload bmc.tar -o json",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect()
			if err != nil {
				return err
			}
			done, err := a.sendFile(c, cl, args[0])
			if err != nil {
				return err
			}
			list, err := cl.BaselinesFull(c.Context())
			if err != nil {
				return err
			}
			names := namedBy(list, done.Digest)
			if len(names) == 0 {
				fmt.Fprintf(a.err, "warning: no baseline names %s; it is kept, and nothing will flash it\n", done.Digest)
			}
			return a.print(table{columns: []string{"digest", "bytes", "named by"}, value: done,
				rows: [][]string{{string(done.Digest), strconv.FormatInt(done.Size, 10), short(names, 3)}}})
		}}
}

// namedBy are the components of baselines that a payload is for.
func namedBy(list []api.BaselineLine, d inventory.Digest) []string {
	var out []string
	for _, b := range list {
		for _, w := range b.Wants {
			if w.Artifact == d {
				out = append(out, b.Name+" "+w.Name)
			}
		}
	}
	return out
}

func (a *app) getBaselines(c *cobra.Command, _ []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.BaselinesFull(c.Context())
	if err != nil {
		return err
	}
	t := table{columns: []string{"baseline", "profile", "components", "title", "digest"}, wide: 4, value: list, empty: "no baselines: rackwright import baseline FILE"}
	for _, b := range list {
		t.rows = append(t.rows, []string{b.Name, orDash(b.Profile), strconv.Itoa(len(b.Wants)), orDash(b.Title), string(b.Document)})
	}
	return a.print(t)
}

func (a *app) planCmd() *cobra.Command {
	plan := &cobra.Command{Use: "plan", Short: "Plan what is done to machines, and store the plan"}
	var baseline string
	c := &cobra.Command{Use: "firmware NODE|DIGEST", Short: "Plan a baseline for a node, store the plan and show it; with a digest, show a stored plan", Args: exactly(1, "a node or a digest"),
		Example: "  rackwright plan firmware A12/C07 --baseline hgx-8@2026.09.1\n  rackwright plan firmware A12/C07 --baseline hgx-8@2026.09.1 -o name     # the digest alone\n  rackwright plan firmware sha256:…"}
	c.Flags().StringVar(&baseline, "baseline", "", "name of the baseline (rackwright get baselines)")
	c.RunE = func(c *cobra.Command, args []string) error {
		_, stored := inventory.ParseDigest(args[0])
		if (stored == nil) == (baseline != "") {
			return fmt.Errorf("%w: give a node with --baseline NAME, or the digest of a stored plan alone", errUsage)
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		var p api.PlanAnswer
		if stored == nil {
			p, err = cl.Plan(c.Context(), args[0])
		} else {
			p, err = cl.StorePlan(c.Context(), args[0], baseline)
		}
		if err != nil {
			return err
		}
		return a.showPlan(p)
	}
	plan.AddCommand(c)
	return plan
}

// showPlan prints steps and, for people, a sentence for everything left alone.
func (a *app) showPlan(p api.PlanAnswer) error {
	if a.output == "name" {
		_, err := fmt.Fprintln(a.out, p.Digest)
		return err
	}
	people := a.output == "table" || a.output == "wide"
	if people {
		fmt.Fprintf(a.out, "Firmware plan for %s, baseline %s\n  %s\n", p.Address, p.Plan.Name, p.Digest)
	}
	t := table{columns: []string{"step", "does", "to", "from", "on", "risk", "at most"}, value: p, empty: "nothing to do"}
	for _, s := range p.Plan.Steps {
		t.rows = append(t.rows, []string{strconv.Itoa(s.ID), s.Verb + " " + s.Want, orDash(s.To), short(s.From, 3), short(s.Instances, 3), risk(s.Abort), time.Duration(s.Budget).String()})
	}
	if err := a.print(t); err != nil || !people {
		return err
	}
	for _, s := range p.Plan.Skips {
		fmt.Fprintf(a.out, "  left alone: %s (%s)\n", s.Reason, s.Code)
	}
	for _, d := range p.Downgrades {
		fmt.Fprintf(a.out, "  DOWNGRADE: %s\n", d)
	}
	for _, x := range p.Approvals {
		fmt.Fprintf(a.out, "  approved by %s at %s: %s\n", x.By, stamp(x.At), x.Reason)
	}
	if len(p.Downgrades) > 0 {
		fmt.Fprintf(a.out, "A second person approves first: rackwright approve firmware %s --reason …\n", p.Digest)
	}
	if len(p.Plan.Steps) > 0 {
		fmt.Fprintf(a.out, "Nothing was done yet. Do it: rackwright apply firmware %s\n", p.Digest)
	}
	return nil
}

// risk says what a step's abort class means at the rack.
func risk(c inventory.AbortClass) string {
	switch c {
	case inventory.AbortNever:
		return "never: do not power off"
	case inventory.AbortAtBoundary:
		return "at_boundary: resets the device"
	}
	return string(c)
}

func (a *app) approveCmd() *cobra.Command {
	approve := &cobra.Command{Use: "approve", Short: "Consent to what somebody else will start"}
	var reason string
	c := &cobra.Command{Use: "firmware DIGEST", Short: "Approve a firmware plan with a downgrade, as the second person", Args: exactly(1, "the digest of a plan"),
		Example: "  rackwright plan firmware sha256:…     # read it first\n  rackwright approve firmware sha256:… --reason \"vendor case 7, agreed\""}
	c.Flags().StringVar(&reason, "reason", "", "why the older version is right (required)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if reason == "" {
			return fmt.Errorf("%w: give --reason; it is kept with the plan", errUsage)
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		p, err := cl.ApprovePlan(c.Context(), args[0], reason)
		if err != nil {
			return err
		}
		return a.showPlan(p)
	}
	approve.AddCommand(c)
	return approve
}

func (a *app) applyCmd() *cobra.Command {
	apply := &cobra.Command{Use: "apply", Short: "Start a stored plan"}
	var yes, dry, wait bool
	var approver, reason, key string
	var timeout time.Duration
	c := &cobra.Command{Use: "firmware DIGEST", Short: "Flash a node by a stored plan", Args: exactly(1, "the digest of a plan"),
		Long:    "Flash a node by a stored plan. Accepted is not done: use --wait, or rackwright watch RACK. A plan with a downgrade needs --reason, and --approver who has approved it.",
		Example: "  rackwright apply firmware sha256:… --wait\n  rackwright apply firmware sha256:… --yes -o name\n  rackwright apply firmware sha256:… --approver tom --reason \"3.0 loses links\""}
	f := c.Flags()
	f.BoolVar(&yes, "yes", false, "do not ask; for scripts")
	f.BoolVar(&dry, "dry-run", false, "say whether it would be accepted")
	f.BoolVar(&wait, "wait", false, "wait until it is done")
	f.DurationVar(&timeout, "timeout", 0, "give up waiting after this long (exit 7); the work goes on")
	f.StringVar(&approver, "approver", "", "second person, who has approved the plan")
	f.StringVar(&reason, "reason", "", "why; a downgrade needs one")
	f.StringVar(&key, "key", "", "idempotency key: the same key gives the same run")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		p, err := cl.Plan(c.Context(), args[0])
		if err != nil {
			return err
		}
		in := api.StartRequest{Op: inventory.OpFirmware, Plan: p.Digest, Nodes: []string{string(p.Plan.Node)}, Approver: inventory.PersonID(approver)}
		if reason != "" {
			if in.Args, err = keyValues([]string{"reason=" + reason}); err != nil {
				return err
			}
		}
		question := fmt.Sprintf("%s: %d steps by baseline %s.", p.Address, len(p.Plan.Steps), p.Plan.Name)
		for _, s := range p.Plan.Steps {
			if s.Abort == inventory.AbortNever {
				question += " While it flashes, the node must not lose power."
				break
			}
		}
		if err := a.confirm(yes || dry, question); err != nil {
			return err
		}
		return a.ask(c, cl, key, in, dry, wait, timeout)
	}
	apply.AddCommand(c)
	return apply
}
