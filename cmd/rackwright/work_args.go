package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
)

// workFlags are the flags of start that become arguments of the request.
type workFlags struct {
	baselines []string
	image     string
}

func (w *workFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&w.baselines, "baseline", nil, "firmware baseline, once for each profile of the rack (bring-up, firmware)")
	f.StringVar(&w.image, "image", "", "boot image; default: what the server is set to (bring-up, burn-in)")
}

// fill puts the flags into a request. --plan is the digest of a stored firmware
// plan, or the name of a burn-in plan.
func (w *workFlags) fill(in *api.StartRequest, plan string) error {
	args := map[string]json.RawMessage{}
	if len(in.Args) > 0 {
		if err := json.Unmarshal(in.Args, &args); err != nil {
			return fmt.Errorf("%w: arguments: %w", errUsage, err)
		}
	}
	set := func(name string, value any) error {
		if _, twice := args[name]; twice {
			return fmt.Errorf("%w: %s is given by its flag and by --arg", errUsage, name)
		}
		raw, err := json.Marshal(value)
		args[name] = raw
		return err
	}
	burns := in.Op == inventory.OpBurnIn || in.Op == inventory.OpBringUp
	flashes := in.Op == inventory.OpFirmware || in.Op == inventory.OpBringUp
	switch {
	case len(w.baselines) > 0 && !flashes:
		return fmt.Errorf("%w: --baseline is for bring-up and firmware", errUsage)
	case w.image != "" && !burns:
		return fmt.Errorf("%w: --image is for bring-up and burn-in", errUsage)
	case plan != "" && strings.HasPrefix(plan, "sha256:"):
		in.Plan = inventory.Digest(plan)
	case plan != "" && !burns:
		return fmt.Errorf("%w: --plan %s: %s takes the digest of a stored plan (rackwright plan firmware)", errUsage, plan, in.Op)
	case plan != "":
		if err := set("plan", plan); err != nil {
			return err
		}
	}
	if len(w.baselines) > 0 {
		if err := set("baselines", w.baselines); err != nil {
			return err
		}
	}
	if w.image != "" {
		if err := set("image", w.image); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		return nil
	}
	var err error
	in.Args, err = json.Marshal(args)
	return err
}
