package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// ask files a request and prints what was accepted, or waits for its end.
func (a *app) ask(c *cobra.Command, cl *client.Client, key string, in api.StartRequest, dry, wait bool, timeout time.Duration) error {
	req, err := cl.Start(c.Context(), key, dry, in)
	if err != nil {
		return err
	}
	if wait && !dry {
		return a.wait(c.Context(), cl, string(req.Run), timeout)
	}
	return a.print(requestTable(req, addresses(c.Context(), cl)))
}

func (a *app) locateCmd() *cobra.Command {
	var off, wait bool
	c := &cobra.Command{Use: "locate NODE...", Short: "Blink the locate LED of nodes; --off ends it", Args: atLeast(1, "nodes"),
		Example: "  rackwright locate A12/C07\n  rackwright locate A12/C07 A12/C08 --wait\n  rackwright locate A12/C07 --off"}
	c.Flags().BoolVar(&off, "off", false, "switch the LED off")
	c.Flags().BoolVar(&wait, "wait", false, "wait until every BMC has answered")
	c.RunE = func(c *cobra.Command, nodes []string) error {
		cl, err := a.connect()
		if err != nil {
			return err
		}
		args, err := json.Marshal(map[string]bool{"on": !off})
		if err != nil {
			return err
		}
		return a.ask(c, cl, "", api.StartRequest{Op: inventory.OpLocate, Nodes: nodes, Args: args}, false, wait, 0)
	}
	return c
}

var powerWords = []string{"on", "off", "force-off", "restart"}

func (a *app) powerCmd() *cobra.Command {
	var yes, dry, wait bool
	var timeout time.Duration
	c := &cobra.Command{Use: "power NODE... on|off|force-off|restart", Short: "Switch nodes; refused while a step runs that must not be interrupted", Args: atLeast(2, "nodes and one of "+strings.Join(powerWords, ", ")),
		Long:    "Switch nodes through their BMC. off asks the operating system first, force-off does not. A node in an operation that must not be interrupted is refused, whoever asks. Any other operation is broken off by power off: the node stays locked until somebody has looked (rackwright break NODE). On and restart are refused while something runs, and what could not be sent within 10 minutes is not sent at all.",
		Example: "  rackwright power A12/C07 on --yes\n  rackwright power A12/C07 restart --wait\n  rackwright power A12/C07 A12/C08 force-off --dry-run"}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask; for scripts")
	c.Flags().BoolVar(&dry, "dry-run", false, "say whether it would be accepted")
	c.Flags().BoolVar(&wait, "wait", false, "wait until it is done")
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up waiting after this long (exit 7); the work goes on")
	c.RunE = func(c *cobra.Command, words []string) error {
		nodes, action := words[:len(words)-1], words[len(words)-1]
		if !slices.Contains(powerWords, action) {
			return fmt.Errorf("%w: %q is no power action: write nodes, then one of %s", errUsage, action, strings.Join(powerWords, ", "))
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		args, err := json.Marshal(map[string]string{"action": action})
		if err != nil {
			return err
		}
		in := api.StartRequest{Op: inventory.OpPower, Nodes: nodes, Args: args}
		if !dry { // refused before anybody is asked
			if _, err := cl.Start(c.Context(), "", true, in); err != nil {
				return err
			}
		}
		what := fmt.Sprintf("Power %s: %s.", action, short(nodes, 8))
		if strings.HasSuffix(action, "off") {
			what += " Work that runs there is broken off."
		}
		if err := a.confirm(yes || dry, what); err != nil {
			return err
		}
		return a.ask(c, cl, "", in, dry, wait, timeout)
	}
	return c
}
