package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// heldVerb is a verb that takes a subject, maybe a hold, and a reason.
func (a *app) heldVerb(use, short, example string, n int, do func(*client.Client, *cobra.Command, api.HoldRequest) (api.Held, error)) *cobra.Command {
	var reason string
	c := &cobra.Command{Use: use, Short: short, Example: example, Args: exactly(n, use)}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept and shown (required)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if reason == "" {
			return fmt.Errorf("%w: give --reason; it is kept and shown to everybody", errUsage)
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		in := api.HoldRequest{On: args[0], Reason: reason}
		if n > 1 {
			in.Name = inventory.HoldName(args[1])
		}
		held, err := do(cl, c, in)
		if err != nil {
			return err
		}
		t := table{columns: []string{"subject", "hold", "since", "by", "reason"}, value: held, empty: "done; no hold is on it now. What is locked still: rackwright get locks"}
		for _, h := range held.Holds {
			t.rows = append(t.rows, []string{args[0], string(h.Name), stamp(h.Since), string(h.By), h.Reason})
		}
		return a.print(t)
	}
	return c
}

func (a *app) holdCmd() *cobra.Command {
	return a.heldVerb("hold RACK|NODE HOLD", "Set a hold: safety-latch (lifted by facilities), quarantine, vendor-hold, cred-unknown, location-mismatch (by a technician or admin), maintenance, external-hold (by who set it, or an admin)",
		"  rackwright hold A12/C07 quarantine --reason \"smells of smoke\"\n  rackwright hold A12 maintenance --reason \"new fans\"", 2,
		func(cl *client.Client, c *cobra.Command, in api.HoldRequest) (api.Held, error) {
			return cl.Hold(c.Context(), in)
		})
}

func (a *app) releaseCmd() *cobra.Command {
	return a.heldVerb("release RACK|NODE HOLD", "Lift a hold", "  rackwright release A12/C07 quarantine --reason \"it was the coffee machine\"", 2,
		func(cl *client.Client, c *cobra.Command, in api.HoldRequest) (api.Held, error) {
			return cl.Release(c.Context(), in)
		})
}

func (a *app) breakCmd() *cobra.Command {
	return a.heldVerb("break RACK|NODE", "Break a lock: its unsettled work becomes unknown; a second time confirms that it was looked at",
		"  rackwright get locks\n  rackwright break A12/C07 --reason \"the server is gone for good\"", 1,
		func(cl *client.Client, c *cobra.Command, in api.HoldRequest) (api.Held, error) {
			return cl.BreakLock(c.Context(), in)
		})
}

func (a *app) waiveCmd() *cobra.Command {
	var reason, gate, finding, approve string
	var until time.Duration
	c := &cobra.Command{Use: "waive RACK|NODE", Short: "Ask for a waiver of one gate or finding; a second person approves with --approve ID",
		Example: "  rackwright waive A12/C03 --gate accelerator.tested --reason \"vendor tests follow, mail of 3 March\" --for 720h\n  rackwright waive A12 --approve 01J…",
		Args:    exactly(1, "a rack or a node")}
	c.Flags().StringVar(&gate, "gate", "", "gate to let pass")
	c.Flags().StringVar(&finding, "finding", "", "finding to accept as found")
	c.Flags().StringVar(&reason, "reason", "", "printed on the certificate")
	c.Flags().DurationVar(&until, "for", 0, "how long it counts, such as 720h")
	c.Flags().StringVar(&approve, "approve", "", "approve this waiver; RACK is the rack it belongs to")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		var w inventory.Waiver
		switch {
		case approve != "":
			w, err = cl.ApproveWaiver(c.Context(), args[0], approve)
		case until <= 0:
			return fmt.Errorf("%w: give --for, such as --for 720h; a waiver always expires", errUsage)
		default:
			w, err = cl.AskWaiver(c.Context(), api.WaiverRequest{On: args[0], Gate: inventory.Gate(gate), Finding: inventory.FindingID(finding), Reason: reason, Until: time.Now().Add(until)})
		}
		if err != nil {
			return err
		}
		approved := "nobody yet"
		if w.Approver != "" {
			approved = string(w.Approver)
		}
		return a.print(table{columns: []string{"waiver", "on", "gate or finding", "asked by", "approved by", "until"}, value: w,
			rows: [][]string{{string(w.ID), addresses(c.Context(), cl)(w.Subject), string(w.Gate) + string(w.Finding), string(w.Requester), approved, stamp(w.Until)}}})
	}
	return c
}

func (a *app) disposeCmd() *cobra.Command {
	return &cobra.Command{Use: "dispose FINDING DISPOSITION", Short: "Decide at the dock: received, missing, damaged, extra, wrong; or fixed",
		Long:    "Dispose closes a finding by a person's decision, which is kept with name and time. What must stay as it is needs a waiver by two people instead: rackwright waive NODE --finding ID.",
		Example: "  rackwright get findings A12 --open\n  rackwright dispose 01J… missing", Args: exactly(2, "a finding and a disposition"),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect()
			if err != nil {
				return err
			}
			f, err := cl.Dispose(c.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return a.print(findingTable([]api.FindingLine{f}))
		}}
}
