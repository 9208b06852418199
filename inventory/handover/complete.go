package handover

import (
	"fmt"

	"github.com/rackwright/rackwright/inventory"
)

// complete returns the first reason why a certificate may not stand.
func (c Certificate) complete() error {
	if c.Schema != SchemaVersion {
		return fmt.Errorf("schema %d is not %d; use the release that wrote it or a newer one: %w", c.Schema, SchemaVersion, inventory.ErrInvalid)
	}
	if err := c.approved(); err != nil {
		return err
	}
	if err := c.waived(); err != nil {
		return err
	}
	if len(c.Gates) == 0 || len(c.Members) == 0 {
		return fmt.Errorf("it names no gates or no members: %w", inventory.ErrInvalid)
	}
	for _, g := range c.Gates {
		if !passed(g.Result) {
			return fmt.Errorf("gate %s of %s is %s: %w", g.Gate, g.Address, g.Result, inventory.ErrDenied)
		}
	}
	return c.held()
}

// approved checks the two-person rule over persons, not over roles.
func (c Certificate) approved() error {
	digest, err := c.Digest()
	if err != nil {
		return err
	}
	by := map[Part]Approval{}
	for _, a := range c.Approvals {
		switch {
		case a.Part != Deliverer && a.Part != Acceptor:
			return fmt.Errorf("approval part %q is neither deliverer nor acceptor: %w", a.Part, inventory.ErrInvalid)
		case by[a.Part].Person != "":
			return fmt.Errorf("two approvals as %s: %w", a.Part, inventory.ErrInvalid)
		case a.Person == "" || a.Name == "" || a.Role == "" || a.At.IsZero():
			return fmt.Errorf("approval as %s lacks person, name, role or time: %w", a.Part, inventory.ErrInvalid)
		case !mayApprove(a):
			return fmt.Errorf("%s signs as %s with role %s, which may not: %w", a.Person, a.Part, a.Role, inventory.ErrDenied)
		case a.Draft != digest:
			return fmt.Errorf("%s approved draft %s, this is %s; both must approve the same digest: %w", a.Part, a.Draft, digest, inventory.ErrDenied)
		}
		by[a.Part] = a
	}
	switch {
	case by[Deliverer].Person == "" || by[Acceptor].Person == "":
		return fmt.Errorf("it needs the approval of a deliverer and of an acceptor: %w", inventory.ErrDenied)
	case by[Deliverer].Person == by[Acceptor].Person:
		return fmt.Errorf("acceptor is the deliverer (%s); two different persons must sign: %w", by[Acceptor].Person, inventory.ErrDenied)
	}
	return nil
}

// mayApprove is the row of the role matrix (interface.md §5).
func mayApprove(a Approval) bool {
	if a.Part == Acceptor {
		return a.Role == inventory.RoleAcceptor
	}
	return a.Role == inventory.RoleTechnician || a.Role == inventory.RoleVendor
}

func (c Certificate) waived() error {
	for _, w := range c.Waivers {
		switch {
		case w.Requester == "" || w.Approver == "" || w.Requester == w.Approver:
			return fmt.Errorf("waiver %s of %s: requester and approver must be two persons: %w", w.ID, w.Gate, inventory.ErrDenied)
		case w.Reason == "" || !w.Until.After(c.FrozenAt):
			return fmt.Errorf("waiver %s of %s has no reason or had expired at %s: %w", w.ID, w.Gate, c.FrozenAt.Format("2006-01-02T15:04:05Z"), inventory.ErrDenied)
		}
	}
	return nil
}

// held checks that no hold is open on the rack or on a certified member.
func (c Certificate) held() error {
	for _, h := range c.Rack.Holds {
		return fmt.Errorf("hold %s on rack %s is open: %s: %w", h.Name, c.Rack.Name, h.Reason, inventory.ErrHeld)
	}
	for _, m := range c.Members {
		for _, h := range m.Holds {
			return fmt.Errorf("hold %s on %s is open: %s: %w", h.Name, m.Address, h.Reason, inventory.ErrHeld)
		}
	}
	return nil
}

func passed(r inventory.Result) bool {
	return r == inventory.ResultPass || r == inventory.ResultWaived || r == inventory.ResultNotApplicable
}
