package auth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Action is one row of the role matrix (interface.md §5).
type Action string

// Actions.
const (
	Read           Action = "read"
	Scan           Action = "scan"
	Import         Action = "import"
	Operate        Action = "operate" // locate, power with plan
	Change         Action = "change"  // firmware, burn-in start
	ApproveVendor  Action = "approve" // approve what a vendor asks to change
	SignPowerReady Action = "sign.power_ready"
	SignChecklist  Action = "sign.checklist"
	LiftSafety     Action = "lift.safety"
	EmergencyOff   Action = "emergency_off"
	Reveal         Action = "reveal"
	AskWaiver      Action = "waiver.ask"
	ApproveWaiver  Action = "waiver.approve"
	SignDeliverer  Action = "sign.deliverer"
	SignAcceptor   Action = "sign.acceptor"
	SetHold        Action = "hold.set"
	BreakLock      Action = "lock.break"
	Administer     Action = "administer" // people, tokens, purge
)

// Actions lists every action, for tables and tests.
func Actions() []Action {
	return []Action{Read, Scan, Import, Operate, Change, ApproveVendor, SignPowerReady, SignChecklist, LiftSafety, EmergencyOff, Reveal,
		AskWaiver, ApproveWaiver, SignDeliverer, SignAcceptor, SetHold, BreakLock, Administer}
}

// Roles lists every role.
func Roles() []inventory.Role {
	return []inventory.Role{inventory.RoleViewer, inventory.RoleTechnician, inventory.RoleFacilities, inventory.RoleVendor,
		inventory.RoleAutomation, inventory.RoleAcceptor, inventory.RoleAdmin}
}

// matrix holds the cells that are ticked. Admin is neither facilities nor
// acceptor nor deliverer unless granted that role as well.
var matrix = map[Action][]inventory.Role{
	Read:           {inventory.RoleViewer, inventory.RoleTechnician, inventory.RoleFacilities, inventory.RoleVendor, inventory.RoleAutomation, inventory.RoleAcceptor, inventory.RoleAdmin},
	Scan:           {inventory.RoleTechnician, inventory.RoleVendor, inventory.RoleAdmin},
	Import:         {inventory.RoleTechnician, inventory.RoleVendor, inventory.RoleAutomation, inventory.RoleAdmin},
	Operate:        {inventory.RoleTechnician, inventory.RoleVendor, inventory.RoleAutomation, inventory.RoleAdmin},
	Change:         {inventory.RoleTechnician, inventory.RoleVendor, inventory.RoleAutomation, inventory.RoleAdmin},
	ApproveVendor:  {inventory.RoleTechnician, inventory.RoleAdmin},
	SignPowerReady: {inventory.RoleFacilities},
	SignChecklist:  {inventory.RoleTechnician, inventory.RoleFacilities, inventory.RoleAdmin},
	LiftSafety:     {inventory.RoleFacilities},
	EmergencyOff:   {inventory.RoleTechnician, inventory.RoleFacilities, inventory.RoleVendor, inventory.RoleAutomation, inventory.RoleAdmin},
	Reveal:         {inventory.RoleTechnician, inventory.RoleAdmin},
	AskWaiver:      {inventory.RoleTechnician, inventory.RoleFacilities, inventory.RoleVendor, inventory.RoleAdmin},
	ApproveWaiver:  {inventory.RoleAdmin},
	SignDeliverer:  {inventory.RoleTechnician, inventory.RoleVendor},
	SignAcceptor:   {inventory.RoleAcceptor},
	SetHold:        {inventory.RoleTechnician, inventory.RoleFacilities, inventory.RoleVendor, inventory.RoleAutomation, inventory.RoleAdmin},
	BreakLock:      {inventory.RoleTechnician, inventory.RoleAdmin},
	Administer:     {inventory.RoleAdmin},
}

// Target is what an action is about. Rack empty means the whole site, which a
// grant bound to racks never covers.
type Target struct {
	Site string
	Rack inventory.RackID
	Name string // the rack's name; grants may list either
}

// Can reports whether one of the grants allows the action on the target now.
// The error wraps inventory.ErrDenied and says what would be needed.
func Can(grants []inventory.Grant, action Action, on Target, now time.Time) error {
	allowed := matrix[action]
	for _, g := range grants {
		if slices.Contains(allowed, g.Role) && Covers(g, on, now) {
			return nil
		}
	}
	where := "the whole site"
	if on.Rack != "" {
		where = "rack " + cmpName(on)
	}
	return fmt.Errorf("%s on %s needs one of the roles %v there, and the token has %s: %w", action, where, allowed, held(grants, now), inventory.ErrDenied)
}

// held says what the grants give: a role alone is no answer to whoever has that
// role, for other racks or until yesterday.
func held(grants []inventory.Grant, now time.Time) string {
	var all []string
	for _, g := range grants {
		text := string(g.Role)
		if g.Site != "" {
			text += " of site " + g.Site
		}
		switch {
		case len(g.Racks) > 0:
			text += fmt.Sprintf(" of racks %v", g.Racks)
		case g.Role == inventory.RoleVendor || g.Role == inventory.RoleAcceptor:
			text += " of no rack"
		}
		if !g.Until.IsZero() && !now.Before(g.Until) {
			text += " until " + g.Until.UTC().Format("2006-01-02 15:04 UTC")
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

func cmpName(on Target) string {
	if on.Name != "" {
		return on.Name
	}
	return string(on.Rack)
}

// Covers reports whether a grant reaches the target now. A vendor or acceptor
// grant without a rack list reaches nothing.
func Covers(g inventory.Grant, on Target, now time.Time) bool {
	if !g.Until.IsZero() && !now.Before(g.Until) {
		return false
	}
	if g.Site != "" && g.Site != on.Site {
		return false
	}
	if len(g.Racks) == 0 {
		return g.Role != inventory.RoleVendor && g.Role != inventory.RoleAcceptor
	}
	return on.Rack != "" && (slices.Contains(g.Racks, on.Rack) || on.Name != "" && slices.Contains(g.Racks, inventory.RackID(on.Name)))
}

// Within reports whether grants never exceed a person's own: a token can only
// narrow. Each wanted grant must have one of the person's with the same role,
// the same or a wider reach and the same or a later end.
func Within(wanted, own []inventory.Grant) error {
	for _, w := range wanted {
		if !slices.ContainsFunc(own, func(o inventory.Grant) bool { return narrower(w, o) }) {
			return fmt.Errorf("a token may not have more than its person: role %s site %q racks %v: %w", w.Role, w.Site, w.Racks, inventory.ErrDenied)
		}
	}
	return nil
}

func narrower(w, o inventory.Grant) bool {
	if w.Role != o.Role || o.Site != "" && w.Site != o.Site {
		return false
	}
	if !o.Until.IsZero() && (w.Until.IsZero() || w.Until.After(o.Until)) {
		return false
	}
	if len(o.Racks) == 0 {
		return true
	}
	return len(w.Racks) > 0 && !slices.ContainsFunc(w.Racks, func(r inventory.RackID) bool { return !slices.Contains(o.Racks, r) })
}

// Different enforces the two-person rule by person, not by role or token.
func Different(first, second inventory.PersonID, what string) error {
	if first == "" || second == "" {
		return fmt.Errorf("%s needs two named people: %w", what, inventory.ErrDenied)
	}
	if first == second {
		return fmt.Errorf("%s needs a second person; %s already acted: %w", what, first, inventory.ErrDenied)
	}
	return nil
}
