package bmcsim

import (
	"fmt"
	"maps"
	"slices"
)

const (
	root      = "/redfish/v1"
	systems   = root + "/Systems"
	chassis   = root + "/Chassis"
	managers  = root + "/Managers"
	accounts  = root + "/AccountService/Accounts"
	sessions  = root + "/SessionService/Sessions"
	tasks     = root + "/TaskService/Tasks"
	monitors  = root + "/TaskService/TaskMonitors"
	updates   = root + "/UpdateService"
	inventory = updates + "/FirmwareInventory"
)

// builder grows the tree of one BMC.
type builder struct {
	s *Spec
	t tree
}

func builders() map[string]func(*builder) {
	return map[string]func(*builder){
		ProfileX86: (*builder).x86, ProfileHGX: (*builder).hgx, ProfileGB200: (*builder).gb200,
		ProfileSwitch: (*builder).nvlinkSwitch, ProfileShelf: (*builder).shelf,
	}
}

// build makes the whole tree of a spec.
func build(s *Spec) tree {
	b := &builder{s: s, t: tree{}}
	b.root()
	b.accounts()
	b.t.collect(chassis, "ChassisCollection")
	b.t.collect(managers, "ManagerCollection")
	if s.Profile != ProfileShelf {
		b.t.collect(systems, "ComputerSystemCollection")
		b.t.set(root, object{"Systems": ref(systems)})
	}
	builders()[s.Profile](b)
	b.updates()
	return b.t
}

func (b *builder) root() {
	vendor, product := b.s.Vendor, b.s.Model
	b.t.add(root, "ServiceRoot.v1_15_0", "Root Service", object{
		"Id": "RootService", "RedfishVersion": "1.17.0", "UUID": b.s.UUID, "Vendor": vendor, "Product": product,
		"Chassis": ref(chassis), "Managers": ref(managers), "AccountService": ref(root + "/AccountService"),
		"SessionService": ref(root + "/SessionService"), "UpdateService": ref(updates), "Tasks": ref(root + "/TaskService"),
		"Links": object{"Sessions": ref(sessions)},
		"ProtocolFeaturesSupported": object{
			"ExpandQuery": object{"ExpandAll": false, "Levels": false, "Links": false, "NoLinks": false}, "FilterQuery": false,
			"OnlyMemberQuery": false, "SelectQuery": false, "ExcerptQuery": false, "MultipleHTTPRequests": false,
		},
		"Oem": simulatedMark(),
	})
	b.t[root].doc()["Id"] = "RootService"
	b.t.add(root+"/TaskService", "TaskService.v1_2_0", "Task Service", object{
		"ServiceEnabled": true, "CompletedTaskOverWritePolicy": "Oldest", "LifeCycleEventOnTaskStateChange": false,
		"Tasks": ref(tasks), "Status": enabled(),
	})
	b.t.collect(tasks, "TaskCollection")
}

// simulatedMark is what tells a client that nothing here is hardware.
func simulatedMark() object {
	return object{"Rackwright": object{"@odata.type": "#RackwrightServiceRoot.v1_0_0.ServiceRoot", "Simulated": true}}
}

func enabled() object { return object{"State": "Enabled", "Health": "OK"} }

func (b *builder) accounts() {
	s := b.s
	b.t.add(root+"/AccountService", "AccountService.v1_12_0", "Account Service", object{
		"ServiceEnabled": true, "Accounts": ref(accounts), "Roles": ref(root + "/AccountService/Roles"), "Status": enabled(),
		"AccountLockoutThreshold": s.Access.LockThreshold, "AccountLockoutDuration": int(s.Access.LockDuration.Seconds()),
		"MinPasswordLength": s.Access.MinPassword, "MaxPasswordLength": s.Access.MaxPassword,
	})
	b.t.collect(accounts, "ManagerAccountCollection")
	b.t.collect(root+"/AccountService/Roles", "RoleCollection")
	for name, privileges := range roles() {
		b.t.add(root+"/AccountService/Roles/"+name, "Role.v1_3_1", name+" Role", object{
			"RoleId": name, "IsPredefined": true, "AssignedPrivileges": privileges})
	}
	slices.Sort(b.t[root+"/AccountService/Roles"].members)
	b.t.add(accounts+"/"+s.User, "ManagerAccount.v1_9_0", "User Account", object{
		"UserName": s.User, "Password": nil, "RoleId": "Administrator", "Enabled": true, "Locked": false,
		"PasswordChangeRequired": s.Factory, "AccountTypes": []string{"Redfish"},
		"Links": object{"Role": ref(root + "/AccountService/Roles/Administrator")},
	})
	b.t[accounts+"/"+s.User].doc()["Password"] = nil
	b.t.add(root+"/SessionService", "SessionService.v1_1_8", "Session Service", object{
		"ServiceEnabled": true, "SessionTimeout": int(s.Access.SessionTimeout.Seconds()), "Sessions": ref(sessions), "Status": enabled(),
	})
	b.t.collect(sessions, "SessionCollection")
}

func roles() map[string][]string {
	return map[string][]string{
		"Administrator": {"Login", "ConfigureManager", "ConfigureUsers", "ConfigureSelf", "ConfigureComponents"},
		"Operator":      {"Login", "ConfigureSelf", "ConfigureComponents"},
		"ReadOnly":      {"Login", "ConfigureSelf"},
	}
}

func (b *builder) updates() {
	u := b.s.Update
	body := object{"ServiceEnabled": true, "Status": enabled(), "FirmwareInventory": ref(inventory), "MaxImageSizeBytes": u.MaxImage}
	if u.Multipart {
		body["MultipartHttpPushUri"] = updates + "/update-multipart"
		body["MultipartHttpPushUri@Redfish.OperationApplyTimeSupport"] = object{
			"@odata.type": "#Settings.v1_3_3.OperationApplyTimeSupport", "SupportedValues": u.ApplyTimes}
	}
	if u.HTTPPush {
		body["HttpPushUri"] = updates + "/update"
		body["HttpPushUriOptions"] = object{"HttpPushUriApplyTime": object{"ApplyTime": "Immediate"}}
		body["HttpPushUriTargets"] = []string{}
	}
	if u.Claim {
		body["HttpPushUriTargetsBusy"] = false
	}
	if u.Simple {
		body["Actions"] = object{"#UpdateService.SimpleUpdate": object{
			"target": updates + "/Actions/UpdateService.SimpleUpdate", "TransferProtocol@Redfish.AllowableValues": []string{"HTTP"},
			"@Redfish.OperationApplyTimeSupport": object{"@odata.type": "#Settings.v1_3_3.OperationApplyTimeSupport", "SupportedValues": u.ApplyTimes}}}
	}
	b.t.add(updates, "UpdateService.v1_11_3", "Update Service", body)
	b.t.collect(inventory, "SoftwareInventoryCollection")
	for _, f := range b.s.Firmware {
		b.t.add(inventory+"/"+f.ID, "SoftwareInventory.v1_10_0", "Software Inventory", b.firmware(f))
		b.carry(f, f.Version)
	}
}

func (b *builder) firmware(f Firmware) object {
	body := object{"Version": f.Version, "Updateable": !f.Fixed, "SoftwareId": f.SoftwareID, "Manufacturer": b.s.Vendor, "Status": enabled()}
	if f.Related != "" {
		body["RelatedItem"], body["RelatedItem@odata.count"] = refs(f.Related), 1
	}
	if b.s.nvidia() {
		body["Oem"] = object{"Nvidia": object{
			"@odata.type":          "#NvidiaSoftwareInventory.v1_2_0.NvidiaSoftwareInventory",
			"ActiveFirmwareSlot":   object{"SlotId": 0, "Version": f.Version, "FirmwareState": "Activated", "BuildType": "Release"},
			"InactiveFirmwareSlot": object{"SlotId": 1, "Version": f.Version, "FirmwareState": "Inactive", "BuildType": "Release"},
		}}
	}
	return body
}

// carry writes a version to the resource that repeats it.
func (b *builder) carry(f Firmware, version string) { carryVersion(b.t, f, version) }

func carryVersion(t tree, f Firmware, version string) {
	r := t[f.Related]
	if r == nil {
		return
	}
	for _, key := range []string{"FirmwareVersion", "BiosVersion"} {
		if _, has := r.doc()[key]; has {
			t.set(f.Related, object{key: version})
			return
		}
	}
}

func (s *Spec) nvidia() bool {
	return s.Profile == ProfileHGX || s.Profile == ProfileGB200 || s.Profile == ProfileSwitch
}

// sorted is the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func label(slot string) object {
	return object{"PartLocation": object{"ServiceLabel": slot, "LocationType": "Slot"}}
}

func state(p Part) object {
	if p.State != "" && p.State != "Enabled" {
		return object{"State": p.State}
	}
	return enabled()
}

func name(kind, slot string) string { return fmt.Sprintf("%s %s", kind, slot) }
