package redfish

import (
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// scope says which resources of a service belong to the node that is observed.
// Where a BMC serves one host, that is all but a DPU's own inside.
type scope struct {
	tree    *tree
	system  *resource            // the node's own System; nil on a shelf
	role    Role                 // of system
	own     map[string]bool      // Systems of the node: the host and its baseboards
	foreign map[string]*resource // the other Systems, by name
	main    *resource            // the Chassis that is the unit itself; nil: none
}

func newScope(t *tree, system *resource, role Role, p Profile) *scope {
	s := &scope{tree: t, system: system, role: role, own: map[string]bool{}, foreign: map[string]*resource{}}
	for _, r := range systemsOf(t) {
		other := roleOf(t, r, p)
		switch {
		case r == system:
			s.own[r.id] = true
		case role != RoleDPU && other == RoleBaseboard, role == RoleSwitch && other == RoleSwitch:
			s.own[r.id] = true // merge rule 3: one node
		default:
			s.foreign[r.id] = r
		}
	}
	s.main = s.mainChassis()
	return s
}

// mine reports whether a resource belongs to the node.
func (s *scope) mine(r *resource) bool {
	if s.own[r.id] {
		return true
	}
	if s.foreign[r.id] != nil {
		return false
	}
	switch r.kind {
	case "Chassis":
		return s.chassisMine(r)
	case "Manager":
		return anyOf(r.links("Links/ManagerForServers"), s.isMine, true)
	case "SoftwareInventory":
		return s.firmwareMine(r)
	case "NetworkAdapter", "NetworkDeviceFunction", "NetworkPort", "Port":
		if s.cardOfDPU(r) {
			return s.role != RoleDPU || s.ownerMine(r)
		}
	}
	return s.ownerMine(r)
}

// ownerMine: a part belongs where any resource that leads to it belongs.
func (s *scope) ownerMine(r *resource) bool {
	if r.parent == nil || len(r.owners) == 0 {
		return true
	}
	return slices.ContainsFunc(r.owners, func(o *resource) bool { return o == s.tree.root || s.mine(o) })
}

func (s *scope) isMine(system string) bool { return s.foreign[system] == nil }

// chassisMine: a Chassis says whose it is by its links, else by carrying the
// name of a System (Cray EX: Chassis Node0 of System Node0). One that says
// nothing is shared, and is part of every node of the service.
func (s *scope) chassisMine(r *resource) bool {
	if len(s.foreign) == 0 {
		return true
	}
	if systems := r.links("Links/ComputerSystems"); len(systems) > 0 {
		return anyOf(systems, s.isMine, true)
	}
	for _, f := range s.foreign {
		if strings.EqualFold(idOf(f), idOf(r)) || slices.Contains(f.links("Links/Chassis"), r.id) && !s.linkedByOwn(r) {
			return false
		}
	}
	return true
}

func (s *scope) linkedByOwn(r *resource) bool {
	for id := range s.own {
		if sys := s.tree.byID[id]; sys != nil && slices.Contains(sys.links("Links/Chassis"), r.id) {
			return true
		}
	}
	return false
}

// cardOfDPU: the card that carries a DPU is a part of the host that it sits in,
// though the inside of the DPU is a node of its own.
func (s *scope) cardOfDPU(r *resource) bool {
	for o := r; o != nil; o = o.parent {
		if o.kind != "Chassis" {
			continue
		}
		for _, sys := range o.links("Links/ComputerSystems") {
			if f := s.foreign[sys]; f != nil && strings.EqualFold(f.at("SystemType"), "DPU") {
				return true
			}
		}
	}
	return false
}

// firmwareMine: an image belongs to the systems it is related to; without a
// relation its id may start with a System's ("Node1.BIOS").
func (s *scope) firmwareMine(r *resource) bool {
	for id, f := range s.foreign {
		for _, item := range r.links("RelatedItem") {
			if item == id || strings.HasPrefix(item, id+"/") {
				return anyOf(r.links("RelatedItem"), func(i string) bool { return s.ownsPath(i) }, false)
			}
		}
		if rest, ok := strings.CutPrefix(idOf(r), idOf(f)); ok && rest != "" && !isAlnum(rest[0]) {
			return false
		}
	}
	return true
}

func (s *scope) ownsPath(path string) bool {
	for id := range s.own {
		if path == id || strings.HasPrefix(path, id+"/") {
			return true
		}
	}
	return false
}

// underForeign reports whether a path lies below a System or Chassis of
// another node of this service.
func (s *scope) underForeign(path string) bool {
	for at := path; strings.Contains(at, "/"); at = parentPath(at) {
		if s.foreign[at] != nil {
			return true
		}
		if r := s.tree.byID[at]; r != nil && r.kind == "Chassis" && !s.mine(r) {
			return true
		}
	}
	return false
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// anyOf reports whether ok holds for any element, and empty for none at all.
func anyOf(list []string, ok func(string) bool, empty bool) bool {
	if len(list) == 0 {
		return empty
	}
	return slices.ContainsFunc(list, ok)
}

// mainChassis is the unit itself: what the System names as its chassis and is
// contained in no other, else a whole chassis by type, else the only one.
func (s *scope) mainChassis() *resource {
	var all []*resource
	for _, r := range s.tree.order {
		if r.kind == "Chassis" && s.chassisMine(r) && !strings.HasSuffix(r.id, "/Settings") {
			all = append(all, r)
		}
	}
	best, rank := (*resource)(nil), -1
	for _, r := range all {
		if n := s.chassisRank(r); n > rank {
			best, rank = r, n
		}
	}
	return best
}

func (s *scope) chassisRank(r *resource) int {
	n := 0
	if s.system != nil && (slices.Contains(s.system.links("Links/Chassis"), r.id) || slices.Contains(r.links("Links/ComputerSystems"), s.system.id)) {
		n += 8
	}
	if s.system != nil && strings.EqualFold(idOf(r), idOf(s.system)) {
		n += 8
	}
	switch r.at("ChassisType") {
	case "RackMount", "Rack", "Shelf", "StandAlone", "Sled", "Blade", "Drawer", "Enclosure", "MidPlane":
		n += 4
	case "Component", "Card", "Cartridge", "Module", "Zone", "Expansion":
		n -= 2
	}
	if len(r.links("Links/ContainedBy")) == 0 {
		n += 2
	}
	if inventory.Usable(r.at("SerialNumber")) != "" {
		n++
	}
	return max(n, 0)
}
