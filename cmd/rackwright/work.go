package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
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
		Example: "  rackwright start bring-up A12 --baseline hgx-8@2026.09.1 --plan smoke --wait\n  rackwright start burn-in A12/C07 --plan x86\n  rackwright start sweep A12", Args: atLeast(1, "an operation and racks or nodes")}
	var extra workFlags
	extra.add(c)
	f := c.Flags()
	f.StringVar(&plan, "plan", "", "name of a burn-in plan (bring-up, burn-in), or digest of a stored firmware plan")
	f.StringVar(&key, "key", "", "idempotency key: the same key gives the same run")
	f.StringVar(&approver, "approver", "", "second person, where a vendor asks")
	f.StringSliceVar(&kinds, "kind", nil, "only nodes of these kinds")
	f.StringArrayVar(&args, "arg", nil, "name=value for the operation")
	f.BoolVar(&all, "all", false, "every rack you may change; spelled out on purpose")
	f.BoolVar(&dry, "dry-run", false, "say what would be asked of whom")
	f.BoolVar(&wait, "wait", false, "wait until every target is done")
	f.DurationVar(&timeout, "timeout", 0, "give up waiting after this long (exit 7); the work goes on")
	c.RunE = func(c *cobra.Command, names []string) error {
		op, ok := operations[strings.ReplaceAll(names[0], "_", "-")]
		if !ok {
			return fmt.Errorf("%w: operation %q; use sweep, secure, firmware, burn-in, rack-test, bring-up, power or locate", errUsage, names[0])
		}
		in := api.StartRequest{Op: op, Approver: inventory.PersonID(approver), All: all}
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
		if err := extra.fill(&in, plan); err != nil {
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
		return a.print(requestTable(req, addresses(c.Context(), cl)))
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
