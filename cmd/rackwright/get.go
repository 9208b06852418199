package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

func (a *app) getCmd() *cobra.Command {
	get := noun("get", "List racks, slots, nodes, findings, waivers, requests, locks, sightings, events",
		"  rackwright get racks\n  rackwright get slots A12 -o wide\n  rackwright get findings A12 --open -o json")
	var open bool
	var kind, milestone string
	nodes := &cobra.Command{Use: "nodes [RACK]", Short: "Nodes with milestone, operation and sign", RunE: func(c *cobra.Command, args []string) error {
		return a.getNodes(c, first(args), kind, milestone)
	}}
	nodes.Flags().StringVar(&kind, "kind", "", "compute, switch, power_shelf …")
	nodes.Flags().StringVar(&milestone, "milestone", "", "only nodes at this milestone")
	findings := &cobra.Command{Use: "findings [RACK]", Short: "Differences, each with its owner and what to do", RunE: func(c *cobra.Command, args []string) error {
		return a.getFindings(c, first(args), open)
	}}
	findings.Flags().BoolVar(&open, "open", false, "only open ones")
	get.AddCommand(nodes, findings,
		&cobra.Command{Use: "baselines", Short: "Firmware baselines", RunE: a.getBaselines},
		&cobra.Command{Use: "plans", Short: "Burn-in plans of this release", RunE: a.getPlans},
		&cobra.Command{Use: "images", Short: "The newest boot image of every name", RunE: a.getImages},
		&cobra.Command{Use: "racks", Short: "Racks you may see", RunE: func(c *cobra.Command, _ []string) error { return a.getRacks(c) }},
		&cobra.Command{Use: "slots RACK", Short: "The rack's elevation as a table", Args: exactly(1, "a rack"), RunE: a.getSlots},
		&cobra.Command{Use: "waivers RACK", Short: "Waivers of a rack and its members", Args: exactly(1, "a rack"), RunE: a.getWaivers},
		&cobra.Command{Use: "requests RACK", Short: "What was asked of a rack", Args: exactly(1, "a rack"), RunE: a.getRequests},
		&cobra.Command{Use: "events RACK", Short: "The rack's hash chain", Args: exactly(1, "a rack"), RunE: a.getEvents},
		&cobra.Command{Use: "locks", Short: "Which run holds which scope", RunE: a.getLocks},
		&cobra.Command{Use: "sightings", Short: "Unknown machines that spoke to us", RunE: a.getSightings})
	return get
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (a *app) getRacks(c *cobra.Command) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Racks(c.Context())
	if err != nil {
		return err
	}
	t := table{columns: []string{"rack", "milestone", "members", "findings", "do not power off", "site", "type", "id"}, wide: 5, value: list, empty: "no racks yet: import a manifest first"}
	for _, r := range list {
		t.rows = append(t.rows, []string{r.Name, string(r.Milestone), strconv.Itoa(r.Members), strconv.Itoa(r.Findings), strconv.Itoa(r.Never), r.Site, r.Type.Name, string(r.ID)})
	}
	return a.print(t)
}

func (a *app) getNodes(c *cobra.Command, rack, kind, milestone string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Nodes(c.Context(), rack, kind, milestone)
	if err != nil {
		return err
	}
	return a.print(nodeTable(list))
}

func nodeTable(list []api.NodeLine) table {
	t := table{columns: []string{"node", "kind", "sign", "milestone", "operation", "findings", "waits for", "serial", "holds", "id"}, wide: 7, value: list, empty: "no nodes: nothing was expected here yet"}
	for _, n := range list {
		t.rows = append(t.rows, []string{n.Address, string(n.Kind), n.Sign.Letter + " " + n.Sign.Word, string(n.Milestone), operation(n.Operation),
			strconv.Itoa(n.Findings), n.Waits, n.Serial, holds(n.Holds), string(n.ID)})
	}
	return t
}

func operation(o *inventory.Operation) string {
	if o == nil {
		return "-"
	}
	text := string(o.Kind) + " " + o.Step
	if o.Percent > 0 {
		text += fmt.Sprintf(" %d%%", o.Percent)
	}
	return text
}

func holds(list []inventory.Hold) string {
	text := ""
	for i, h := range list {
		if i > 0 {
			text += ","
		}
		text += string(h.Name)
	}
	return text
}

func (a *app) getSlots(c *cobra.Command, args []string) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	d, err := cl.Rack(c.Context(), args[0])
	if err != nil {
		return err
	}
	t := table{columns: []string{"u", "slot", "kind", "sign", "milestone", "operation", "waits for", "serial", "simulated"}, wide: 7, value: d.Slots, empty: "the rack type has no slots"}
	for i := len(d.Slots) - 1; i >= 0; i-- { // U counts from the bottom: the top comes first
		s := d.Slots[i]
		t.rows = append(t.rows, []string{strconv.Itoa(s.Slot.U), s.Slot.Path, string(s.Slot.Kind), s.Node.Sign.Letter + " " + s.Node.Sign.Word,
			string(s.Node.Milestone), operation(s.Node.Operation), s.Node.Waits, s.Node.Serial, strconv.FormatBool(s.Node.Simulated)})
	}
	return a.print(t)
}

func (a *app) getFindings(c *cobra.Command, rack string, open bool) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	list, err := cl.Findings(c.Context(), rack, open)
	if err != nil {
		return err
	}
	return a.print(findingTable(list))
}

func findingTable(list []api.FindingLine) table {
	t := table{columns: []string{"finding", "where", "kind", "owner", "do this", "state", "disposition"}, wide: 6, value: list, empty: "no findings"}
	for _, f := range list {
		state := "open"
		if f.Closed {
			state = "closed by " + f.ClosedBy
		}
		t.rows = append(t.rows, []string{string(f.ID), f.Address, string(f.Kind), string(f.Owner), f.Sentence, state, f.Disposition})
	}
	return t
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
