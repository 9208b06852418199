package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

func (a *app) triageCmd() *cobra.Command {
	c := a.decision(inventory.OpTriage, "Take nodes out of the way by a person's word: a ruined board, a fan that grinds")
	c.Example = "  rackwright triage A12/C08 --reason \"cold plate burst, board is wet\""
	return c
}

func (a *app) returnCmd() *cobra.Command {
	c := a.decision(inventory.OpReturn, "Bring nodes back from triage or repair; what is still proven stays, the rest is tested again")
	c.Example = "  rackwright return A12/C07 --reason \"DIMM_0 replaced, case 1234\"\n  rackwright return A12/C07 A12/C08 --reason \"reseated both boards\" --wait"
	return c
}

func (a *app) repairCmd() *cobra.Command {
	c := a.decision(inventory.OpRepair, "Send nodes from triage to repair; the unit that comes back is received again")
	c.Example = "  rackwright repair A12/C07 --reason \"GPU2 to the vendor, case 1234\""
	return c
}

// decision asks for one of the three; the law answers, and the journal keeps who
// decided and why.
func (a *app) decision(op inventory.OpKind, short string) *cobra.Command {
	var reason, approver string
	var wait bool
	c := &cobra.Command{Use: string(op) + " NODE...", Short: short, Args: atLeast(1, "nodes")}
	c.Flags().StringVar(&reason, "reason", "", "what was done or found, at least 10 characters; it stays in the record")
	c.Flags().StringVar(&approver, "approver", "", "second person, where a vendor asks")
	c.Flags().BoolVar(&wait, "wait", false, "wait for the answer")
	c.RunE = func(c *cobra.Command, nodes []string) error {
		if strings.TrimSpace(reason) == "" {
			return fmt.Errorf("%w: say why: --reason \"DIMM_0 replaced, case 1234\"", errUsage)
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		args, err := json.Marshal(map[string]string{"reason": reason})
		if err != nil {
			return err
		}
		return a.ask(c, cl, "", api.StartRequest{Op: op, Nodes: nodes, Args: args, Approver: inventory.PersonID(approver)}, false, wait, 0)
	}
	return c
}
