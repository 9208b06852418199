package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

// verdict is what the demo reads of a burn-in verdict in the package.
type verdict struct {
	Plan   string           `json:"plan"`
	Result inventory.Result `json:"result"`
	Image  inventory.Digest `json:"image"`
	Checks []struct {
		Test   string           `json:"test"`
		Metric string           `json:"metric"`
		Result inventory.Result `json:"result"`
		Entity struct {
			ID string `json:"id"`
		} `json:"entity"`
	} `json:"checks"`
}

// machines tells how each machine booted and what its tests measured, and holds
// it against what is true of this rack: one boots by PXE, the others by UEFI
// HTTP, and one drive has an unreadable sector that its SMART does not know.
func (a *app) machines(ctx context.Context, c *crew, pack []byte) error {
	var wrong []string
	for _, slot := range vmSlots() {
		d, err := c.tess.Node(ctx, demoRack+"/"+slot, "", "")
		if err != nil {
			return err
		}
		way := bootWay(d)
		a.say("%s booted: %s", d.Address, strings.Join(way, ", "))
		if want := map[bool]string{true: "pxe-program", false: "http-program"}[slot == vmPXESlot]; !slices.Contains(way, want) {
			wrong = append(wrong, fmt.Sprintf("%s did not boot by %s", d.Address, want))
		}
		v, err := verdictOf(pack, d)
		if err != nil {
			return err
		}
		health, drive := "", ""
		for _, x := range v.Checks {
			if x.Test == "disk-health" && x.Metric == "healthy" {
				health, drive = string(x.Result), x.Entity.ID
			}
		}
		a.say("%s plan %s: %s, %d checks; SMART health of drive %s: %s; image %s", d.Address, v.Plan, v.Result, len(v.Checks), drive, health, v.Image)
		if health != string(inventory.ResultPass) || v.Image != c.image {
			wrong = append(wrong, fmt.Sprintf("%s: SMART health %q, image %s", d.Address, health, v.Image))
		}
		wrong = append(wrong, a.judged(d, v, drive, slot == vmBadSlot)...)
	}
	if len(wrong) > 0 {
		return &findings{what: strings.Join(wrong, "; ")}
	}
	return nil
}

// judged: the machine with the bad drive failed for that drive, the others passed.
func (a *app) judged(d api.NodeDetail, v verdict, drive string, bad bool) []string {
	if !bad {
		if v.Result != inventory.ResultPass {
			return []string{fmt.Sprintf("%s is judged %s", d.Address, v.Result)}
		}
		return nil
	}
	named := false
	for _, e := range d.Failed() {
		if e.Result == inventory.ResultFail {
			a.say("%s %s is fail: %s", d.Address, e.Gate, e.Detail)
			named = named || strings.Contains(e.Detail, drive)
		}
	}
	if v.Result != inventory.ResultFail || !named {
		return []string{fmt.Sprintf("%s has a bad drive %s and is judged %s, named %t", d.Address, drive, v.Result, named)}
	}
	return nil
}

// bootWay are the decisions that led a machine to its kernel, each once.
func bootWay(d api.NodeDetail) []string {
	var out []string
	for _, l := range d.Boot {
		if l.Branch != "" && (l.Stage == "ack" || l.Stage == "script") && !slices.Contains(out, l.Branch) {
			out = append(out, l.Branch)
		}
	}
	for _, l := range d.Boot {
		if l.Stage == "kernel" {
			out = append(out, fmt.Sprintf("kernel of %d bytes", l.Bytes))
			break
		}
	}
	return out
}

// verdictOf reads the verdict that the newest suite evidence of a node cites.
func verdictOf(pack []byte, d api.NodeDetail) (verdict, error) {
	var v verdict
	for _, e := range slices.Backward(d.Evidence) {
		if e.Gate == lifecycle.GateSuite && e.Document != "" {
			return v, readEntry(pack, "evidence/"+e.Document.Hex()+".json", &v)
		}
	}
	return v, fmt.Errorf("package: %s has no burn-in verdict: %w", d.Address, inventory.ErrNotFound)
}
