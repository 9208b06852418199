package redfish

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Role is what a ComputerSystem is to us (redfish.md §4.1). A BMC has no "only
// System": two on every HGX and NVL tray, none on a shelf.
type Role string

// Roles of a ComputerSystem.
const (
	RoleHost      Role = "host"
	RoleBaseboard Role = "baseboard"
	RoleDPU       Role = "dpu"
	RoleSwitch    Role = "switch"
)

// System is one ComputerSystem of a BMC as its service describes it.
type System struct {
	ID           string // for Endpoint.System
	Path         string // @odata.id
	Role         Role
	Manufacturer string
	Model        string
	Serial       string // raw
	UUID         string
	Power        PowerState
	Progress     string // BootProgress.LastState; empty: the BMC does not say
	Reset        bool   // offers #ComputerSystem.Reset; without it a host is read-only
}

// Systems reads the ComputerSystems of the service and their roles, in the
// order of their ids. A service without Systems (shelf, CDU) gives none.
func (b *BMC) Systems(ctx context.Context) ([]System, error) {
	t, err := walkBy(ctx, b, roleLinks)
	if err != nil {
		return nil, err
	}
	for _, f := range t.faults {
		if f.Kind == inventory.KindChassis && strings.Contains(f.Path, "/Systems") {
			return nil, &Error{Op: "systems", Endpoint: b.endpoint.URL, Err: fmt.Errorf("%s: %s", f.Path, f.Reason)}
		}
	}
	var out []System
	for _, r := range systemsOf(t) {
		out = append(out, systemOf(t, r, b.profile))
	}
	return out, nil
}

func systemOf(t *tree, r *resource, p Profile) System {
	return System{ID: idOf(r), Path: r.id, Role: roleOf(t, r, p), Manufacturer: r.at("Manufacturer"), Model: r.at("Model"), Serial: r.at("SerialNumber"),
		UUID: r.at("UUID"), Power: PowerState(r.at("PowerState")), Progress: r.at("BootProgress/LastState"), Reset: hasReset(r)}
}

func idOf(r *resource) string {
	if id := r.at("Id"); id != "" {
		return id
	}
	return lastSegment(r.id)
}

func hasReset(r *resource) bool { return len(extract(r.fields, "Actions/#ComputerSystem.Reset")) > 0 }

// systemsOf lists the ComputerSystems, without settings and capability objects.
func systemsOf(t *tree) []*resource {
	var out []*resource
	for _, r := range t.order {
		if r.kind == "ComputerSystem" && !strings.HasSuffix(r.id, "/Settings") && !strings.HasSuffix(r.id, "/Capabilities") {
			out = append(out, r)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id < out[j].id })
	return out
}

// roleOf recognises a System in the order of redfish.md §4.1. Names that one
// product uses for its DPU System are data of the profile.
func roleOf(t *tree, r *resource, p Profile) Role {
	id := idOf(r)
	switch {
	case strings.EqualFold(r.at("SystemType"), "DPU"), slices.Contains(p.DPUs, id), t.root.at("Product") == "Nvidia-BMCMezz":
		return RoleDPU
	case isBaseboard(t, r):
		return RoleBaseboard
	case isSwitchTray(t):
		return RoleSwitch
	}
	return RoleHost
}

// isBaseboard: it cannot be reset and has no BIOS, because it is not a machine
// but the accelerators of one.
func isBaseboard(t *tree, r *resource) bool {
	if hasReset(r) || r.fields["Bios"] != nil {
		return false
	}
	if strings.HasPrefix(idOf(r), "HGX_") {
		return true
	}
	for _, p := range t.order {
		if p.kind == "Processor" && strings.HasPrefix(p.id, r.id+"/") && acceleratorType(p.at("ProcessorType")) {
			return true
		}
	}
	return false
}

// isSwitchTray: NVSwitch chassis and no baseboard in the service; an HGX host
// has an NVLink fabric too.
func isSwitchTray(t *tree) bool {
	switches := false
	for _, r := range t.order {
		if r.kind == "Chassis" && strings.HasPrefix(idOf(r), "MGX_NVSwitch_") {
			switches = true
		}
	}
	return switches && !slices.ContainsFunc(systemsOf(t), func(r *resource) bool { return isBaseboard(t, r) })
}

func acceleratorType(kind string) bool { return kind == "GPU" || kind == "Accelerator" }

// target picks the System that the endpoint stands for: the named one, or the
// only host, switch or DPU. nil and no error: the service has no Systems.
func target(t *tree, endpoint inventory.Endpoint, p Profile) (*resource, Role, error) {
	list := systemsOf(t)
	byRole := map[Role][]*resource{}
	var names []string
	for _, r := range list {
		role := roleOf(t, r, p)
		byRole[role] = append(byRole[role], r)
		names = append(names, fmt.Sprintf("%s (%s)", idOf(r), role))
		if endpoint.System != "" && idOf(r) == endpoint.System {
			return r, role, nil
		}
	}
	refuse := func(why string) error {
		return &Error{Op: "choose system", Endpoint: endpoint.URL, Err: fmt.Errorf("%s; the service has %s", why, strings.Join(names, ", ")),
			Hint: "set the endpoint's system to one of these ids"}
	}
	if endpoint.System != "" {
		return nil, "", refuse(fmt.Sprintf("no System %q", endpoint.System))
	}
	for _, role := range []Role{RoleHost, RoleSwitch, RoleDPU, RoleBaseboard} {
		switch found := byRole[role]; len(found) {
		case 0:
		case 1:
			return found[0], role, nil
		default:
			if role == RoleSwitch { // MGX trays list System_0 beside others; the one with Reset is the tray
				if i := slices.IndexFunc(found, hasReset); i >= 0 {
					return found[i], role, nil
				}
			}
			return nil, "", refuse(fmt.Sprintf("%d Systems can be the %s", len(found), role))
		}
	}
	return nil, "", nil
}

// roleLinks is a walk that ends at Systems, their processors and the list of
// Chassis: enough to tell the roles.
func roleLinks(kind string) []link {
	switch kind {
	case "ServiceRoot":
		return []link{{"Systems", "ComputerSystem", []inventory.Kind{inventory.KindChassis}, ""}, {"Chassis", "Chassis", nil, ""}}
	case "ComputerSystem":
		return []link{{"Processors", "Processor", nil, ""}}
	}
	return nil
}
