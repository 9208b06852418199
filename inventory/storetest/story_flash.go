package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// storyFlash is an operation with everything around it: run, lock, intent,
// samples, outcome. Begun again, it reads back what nobody knows the end of.
func storyFlash(ctx context.Context, s inventory.Store) error {
	n, err := s.Node(ctx, "A12/C01")
	if err != nil {
		return err
	}
	on := inventory.NodeSubject(n.ID)
	runs, err := s.ListRuns(ctx, on)
	if err != nil || len(runs) > 0 && !runs[0].Ended.IsZero() {
		return err
	}
	c, err := storyClaim(ctx, s, on)
	if err != nil {
		return err
	}
	run, err := s.StartRun(ctx, c, inventory.OpFirmware, "", "")
	if err != nil {
		return err
	}
	if err := s.Lock(ctx, c, on); err != nil {
		return err
	}
	for from := uint64(1); from <= 11; from += 10 {
		if err := s.Append(ctx, inventory.Batch{Run: run, From: from, To: from + 9, Document: inventory.DigestOf([]byte{byte(from)})}); err != nil {
			return err
		}
	}
	open, err := s.Unsettled(ctx, c)
	if err != nil {
		return err
	}
	if len(open) == 0 {
		id, err := s.Begin(ctx, c, inventory.Intent{Step: "upload", Target: "bmc-1", Effect: "flash BIOS", ReadBack: "read the version", Attempt: 1, Abort: inventory.AbortNever})
		if err != nil {
			return err
		}
		op := &inventory.Operation{Run: run, Kind: inventory.OpFirmware, Step: "upload", Abort: inventory.AbortNever}
		if err := s.Apply(ctx, c, inventory.Change{Operation: op, Due: time.Now()}); err != nil {
			return err
		}
		if c, err = storyClaim(ctx, s, on); err != nil {
			return err
		}
		open = []inventory.Intent{{ID: id}}
	}
	return s.Apply(ctx, c, inventory.Change{Settles: open[0].ID, Outcome: inventory.OutcomeOK})
}

// storyClaim waits for the claim of one subject; the claim of a killed process
// ends with its lease.
func storyClaim(ctx context.Context, s inventory.Store, on inventory.Subject) (inventory.Claim, error) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err := s.Wake(ctx, on); err != nil {
			return inventory.Claim{}, err
		}
		all, err := s.Claim(ctx, "story", 100)
		if err != nil {
			return inventory.Claim{}, err
		}
		var mine inventory.Claim
		for _, c := range all {
			if c.Subject == on {
				mine = c
			} else if err := s.Apply(ctx, c, inventory.Change{Operation: operation(ctx, s, c.Subject)}); err != nil {
				return inventory.Claim{}, err
			}
		}
		if mine.Token != 0 {
			return mine, nil
		}
	}
	return inventory.Claim{}, fmt.Errorf("%s was never claimed: %w", on, context.DeadlineExceeded)
}
