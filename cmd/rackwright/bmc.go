package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
)

func (a *app) bmcCmd() *cobra.Command {
	var in api.BMCRequest
	c := &cobra.Command{Use: "bmc NODE", Short: "Set the address of a node's BMC, or confirm its new key after a board or firmware change", Args: exactly(1, "a node"),
		Long: "A BMC that shows another key than the pinned one is not spoken to: it may be another unit. Look at the unit first; then confirm.\n" +
			"The next reading pins the key that is shown then, and a new password replaces the old one.",
		Example: "  rackwright bmc A12/C07 --confirm-key --factory --reason \"BMC board replaced, case 1234\"\n  rackwright bmc A12/C07 --url https://10.1.0.57 --reason \"moved to the new BMC network\""}
	c.Flags().StringVar(&in.URL, "url", "", "https://host or https://host:port")
	c.Flags().BoolVar(&in.ConfirmKey, "confirm-key", false, "forget the pinned key, and how many leak detectors it had")
	c.Flags().BoolVar(&in.Factory, "factory", false, "the unit has the password of its label again; import its packing list anew if that is another one")
	c.Flags().StringVar(&in.Reason, "reason", "", "at least 10 characters; it stays in the record")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(in.Reason) < 10 || in.URL == "" && !in.ConfirmKey && !in.Factory {
			return fmt.Errorf("%w: give --url, --confirm-key or --factory, and --reason with at least 10 characters", errUsage)
		}
		cl, err := a.connect()
		if err != nil {
			return err
		}
		n, err := cl.SetBMC(c.Context(), args[0], in)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s: %s, key %s\n", n.Address, n.BMC.URL, orDash(string(n.BMC.Pin)))
		return nil
	}
	return c
}
