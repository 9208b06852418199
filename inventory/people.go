package inventory

import "time"

// Role is one column of the fixed role matrix (interface.md §5).
type Role string

// Roles.
const (
	RoleViewer     Role = "viewer"
	RoleTechnician Role = "technician"
	RoleFacilities Role = "facilities"
	RoleVendor     Role = "vendor"
	RoleAutomation Role = "automation"
	RoleAcceptor   Role = "acceptor"
	RoleAdmin      Role = "admin"
)

// Grant is one role on one site or on a list of racks, until a time. An empty
// site and no racks means every site; a vendor grant without racks grants nothing.
type Grant struct {
	Role  Role      `json:"role"`
	Site  string    `json:"site,omitempty"`
	Racks []RackID  `json:"racks,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// Person is somebody who can be held to account. Programs are persons too.
type Person struct {
	ID       PersonID `json:"id"`
	Name     string   `json:"name"`
	Grants   []Grant  `json:"grants"`
	Disabled bool     `json:"disabled,omitempty"`
}

// Token is a bearer token, stored as its hash. Its grants never exceed the person's.
type Token struct {
	Hash   Digest    `json:"hash"`
	Prefix string    `json:"prefix"` // first 8 characters, to recognise it
	Person PersonID  `json:"person"`
	Grants []Grant   `json:"grants"`
	Until  time.Time `json:"until"`
	Note   string    `json:"note,omitempty"`
	Used   time.Time `json:"used,omitzero"`
}
