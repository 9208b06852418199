package pxe

import (
	"context"
	"errors"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Redeem marks a boot token as used, and notes it: after it no path of this
// boot is served any more, and the machine's next boot is from disk. The second
// time is inventory.ErrConflict and revokes the token. Whatever trades tokens
// for credentials calls it in place of the record's own method.
func (s *Service) Redeem(ctx context.Context, token inventory.Digest, h inventory.Hint) error {
	err := s.deps.Store.Redeem(ctx, token, h)
	line := inventory.BootLine{Hint: h, Stage: StageAgent, Token: token, At: time.Now()}
	switch {
	case err == nil:
		line.Branch = string(BranchRedeemed)
	case errors.Is(err, inventory.ErrConflict):
		s.counts.add(BranchTwice)
		s.log.Warn("a boot token was used twice and is revoked", "mac", h.MAC)
		line.Branch, line.Detail = string(BranchRevoked), "its agent called twice"
	default:
		return err
	}
	s.counts.add(Branch(line.Branch))
	n, ferr := s.deps.Store.Find(ctx, h)
	if ferr != nil {
		s.log.Warn("the machine of a boot token is not known", "mac", h.MAC, "err", ferr)
	}
	line.Node = n.ID
	// Not behind the answer as other lines: the gate reads it, and a lost one
	// would boot the machine over the network again.
	return errors.Join(err, s.deps.Store.Note(ctx, line))
}
