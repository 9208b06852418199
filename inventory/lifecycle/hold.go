package lifecycle

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rackwright/rackwright/inventory"
)

// Use is what somebody wants to do with a node, as far as holds care.
type Use string

// Uses; every operation is one of them.
const (
	UseRead     Use = "read"
	UsePowerOff Use = "power_off"
	UsePowerOn  Use = "power_on"
	UseLocate   Use = "locate"
	UseChange   Use = "change" // secure, firmware, burn-in, wipe
	UseTest     Use = "test"   // domain and rack tests
	UseAuto     Use = "auto"   // a start that no person asked for
	UseAccept   Use = "accept" // entering accepted
	UseBMC      Use = "bmc"    // any BMC request beyond the login probe
)

// blocks is lifecycle.md §5, column "blocks".
var blocks = map[inventory.HoldName][]Use{
	inventory.HoldSafetyLatch:      {UsePowerOn, UseChange, UseTest, UseAuto, UseAccept},
	inventory.HoldQuarantine:       {UsePowerOn, UseLocate, UseChange, UseTest, UseAuto, UseAccept},
	inventory.HoldMaintenance:      {UseAuto},
	inventory.HoldVendor:           {UsePowerOn, UsePowerOff, UseChange, UseTest, UseAuto, UseAccept},
	inventory.HoldExternal:         {UseAuto, UseAccept},
	inventory.HoldCredUnknown:      {UseRead, UsePowerOn, UseLocate, UseChange, UseTest, UseAuto, UseAccept, UseBMC},
	inventory.HoldLocationMismatch: {UsePowerOn, UseChange, UseTest, UseAuto, UseAccept},
}

// Uses lists every use, Holds every hold, for tables.
func Uses() []Use {
	return []Use{UseRead, UsePowerOff, UsePowerOn, UseLocate, UseChange, UseTest, UseAuto, UseAccept, UseBMC}
}

// Holds lists every hold.
func Holds() []inventory.HoldName {
	return []inventory.HoldName{inventory.HoldSafetyLatch, inventory.HoldQuarantine, inventory.HoldMaintenance, inventory.HoldVendor,
		inventory.HoldExternal, inventory.HoldCredUnknown, inventory.HoldLocationMismatch}
}

// May reports whether the holds allow a use; the error is a *inventory.HeldError.
func May(on inventory.Subject, held []inventory.Hold, use Use) error {
	for _, h := range held {
		if slices.Contains(blocks[h.Name], use) {
			return &inventory.HeldError{Scope: on, Hold: &h}
		}
	}
	return nil
}

// useOf is the use that an operation is.
func useOf(op inventory.OpKind) Use {
	switch op {
	case inventory.OpSweep:
		return UseRead
	case inventory.OpLocate:
		return UseLocate
	case inventory.OpPower, inventory.OpBringUp:
		return UsePowerOn
	case inventory.OpRackTest:
		return UseTest
	}
	return UseChange
}

// Allowed says whether an operation may start on a node now: no hold forbids
// it, nothing else runs, and the node is not the customer's already.
func Allowed(n inventory.Node, op inventory.OpKind) error {
	if n.Milestone == inventory.NodeHandedOver && op != inventory.OpSweep {
		return fmt.Errorf("%s is handed over and never touched: %w", n.Address, inventory.ErrHeld)
	}
	if n.Milestone == inventory.NodeRetired {
		return fmt.Errorf("%s is retired: %w", n.Address, inventory.ErrHeld)
	}
	if err := May(inventory.NodeSubject(n.ID), n.Holds, useOf(op)); err != nil {
		return err
	}
	if n.Operation != nil && n.Operation.Kind != op && op != inventory.OpSweep && op != inventory.OpLocate {
		return fmt.Errorf("%s runs %s (run %s, step %s): %w", n.Address, n.Operation.Kind, n.Operation.Run, n.Operation.Step, inventory.ErrHeld)
	}
	return nil
}

// Locks are the scopes an operation takes for its run (lifecycle.md §7).
func Locks(op inventory.OpKind) []inventory.Scope {
	switch op {
	case inventory.OpSweep, inventory.OpLocate:
		return nil
	case inventory.OpRackTest, inventory.OpBringUp:
		return []inventory.Scope{inventory.ScopeRack}
	}
	return []inventory.Scope{inventory.ScopeNode}
}

// LiftRoles are the roles that may lift a hold; setter says whether the one who
// set it may as well.
func LiftRoles(name inventory.HoldName) (roles []inventory.Role, setter bool) {
	switch name {
	case inventory.HoldSafetyLatch:
		return []inventory.Role{inventory.RoleFacilities}, false
	case inventory.HoldQuarantine, inventory.HoldVendor, inventory.HoldLocationMismatch, inventory.HoldCredUnknown:
		return []inventory.Role{inventory.RoleTechnician, inventory.RoleAdmin}, false
	case inventory.HoldMaintenance, inventory.HoldExternal:
		return []inventory.Role{inventory.RoleAdmin}, true
	}
	return nil, false
}

// ConflictsWith says whether two locks of one rack exclude each other: a shelf
// or the rack excludes every writer of the rack, a domain its nodes.
func ConflictsWith(a, b inventory.Scope) bool {
	wide := func(s inventory.Scope) bool { return s == inventory.ScopeRack || s == inventory.ScopeShelf }
	return wide(a) || wide(b)
}

// SwitchesOff reports whether the arguments of a power request ask for power off.
func SwitchesOff(args json.RawMessage) bool {
	var a struct {
		Action string `json:"action"`
	}
	return json.Unmarshal(args, &a) == nil && (a.Action == "off" || a.Action == "force-off")
}

// OffUnderWay reports whether an operation powers a node off (DSP0268
// Resource.ResetType): a safety latch, which breaks every other, lets it go on.
func OffUnderWay(op *inventory.Operation) bool {
	return op != nil && op.Kind == inventory.OpPower && (op.Detail == "ForceOff" || op.Detail == "GracefulShutdown")
}
