package lifecycle

import "github.com/rackwright/rackwright/inventory"

// Spec is one row of the gate table: what a gate guards, who produces its
// evidence in this release, and who must act when it is shut. Kinds empty means
// every node kind. Unwaivable gates can never be waived.
type Spec struct {
	Gate       inventory.Gate
	Milestone  inventory.Milestone     // of nodes; empty for a rack gate
	Rack       inventory.RackMilestone // of racks
	By         inventory.Producer
	Kinds      []inventory.NodeKind
	Owner      inventory.Owner
	Unwaivable bool
	Meaning    string // what must be true, for certificate and pages
}

// Gates that code outside the table names.
const (
	GateIdentityLabel inventory.Gate = "identity.label"
	GateDisposition   inventory.Gate = "receipt.disposition"
	GateInstalled     inventory.Gate = "installed.confirmed"
	GateIdentity      inventory.Gate = "identity.bound"
	GatePort          inventory.Gate = "port.agrees"
	GateLeak          inventory.Gate = "leak.none"
	GateSecondLogin   inventory.Gate = "cred.second_login"
	GateSealed        inventory.Gate = "cred.sealed"
	GatePinned        inventory.Gate = "tls.pinned"
	GateBOM           inventory.Gate = "bom"
	GateSerials       inventory.Gate = "serials"
	GateSlot          inventory.Gate = "slot"
	GateMemory        inventory.Gate = "memory"
	GateFans          inventory.Gate = "fans"
	GatePSU           inventory.Gate = "psu"
	GateAsFound       inventory.Gate = "as_found"
	GateFirmware      inventory.Gate = "firmware.versions"
	GateSuite         inventory.Gate = "suite.verdict"
	GateSamples       inventory.Gate = "samples.complete"
	GateThermal       inventory.Gate = "thermal"
	GateErrors        inventory.Gate = "errors"
	GateFingerprint   inventory.Gate = "fingerprint.same"
	GateAccelerator   inventory.Gate = "accelerator.tested"
	GateRackHealthy   inventory.Gate = "rack.names_node_healthy"
	GateCovered       inventory.Gate = "certificate.covers"
	GateNoHold        inventory.Gate = "no_hold"
	GateFacility      inventory.Gate = "facility.checklist"
	GatePowerSequence inventory.Gate = "power.sequence"
	GateDraft         inventory.Gate = "draft.frozen"
	GateDeliverer     inventory.Gate = "sign.deliverer"
	GateAcceptor      inventory.Gate = "sign.acceptor"
	GateTwoSigners    inventory.Gate = "sign.two_persons"
	GatePackage       inventory.Gate = "package.issued"
	GateInventoryHash inventory.Gate = "inventory.hash"
)

var (
	hosts    = []inventory.NodeKind{inventory.KindCompute, inventory.KindServer}
	withBMC  = []inventory.NodeKind{inventory.KindCompute, inventory.KindServer, inventory.KindSwitch, inventory.KindPowerShelf, inventory.KindDPUNode, inventory.KindCDU}
	powered  = []inventory.NodeKind{inventory.KindPowerShelf, inventory.KindServer}
	flashed  = []inventory.NodeKind{inventory.KindCompute, inventory.KindServer, inventory.KindSwitch, inventory.KindDPUNode}
	machine  = inventory.ByMachine
	checked  = inventory.ByChecklist
	derived  = inventory.ByDerivation
	signed   = inventory.ByPersonSigned
	system   = inventory.OwnerSystem
	tech     = inventory.OwnerTechnician
	vendor   = inventory.OwnerVendor
	facility = inventory.OwnerFacilities
)

// specs is the table of every gate of lifecycle.md §3 and §4. A gate without a
// row does not exist; a test prints the table and compares it with its golden.
var specs = []Spec{
	{"schema", inventory.NodeExpected, "", derived, nil, vendor, true, "the order line could be read"},
	{"serial.unique", inventory.NodeExpected, "", derived, nil, vendor, true, "no other part has this serial"},
	{"product.known", inventory.NodeExpected, "", derived, nil, vendor, true, "the rack type has this slot and kind"},

	{GateIdentityLabel, inventory.NodeReceived, "", checked, nil, tech, false, "the label was scanned and matches the order"},
	{GateDisposition, inventory.NodeReceived, "", checked, nil, tech, false, "a person decided: received, damaged or wrong"},

	{"slot.free", inventory.NodeInstalled, "", derived, nil, tech, true, "nothing else sits in the slot"},
	{"slot.fits", inventory.NodeInstalled, "", derived, nil, tech, true, "the slot takes this kind"},
	{GateInstalled, inventory.NodeInstalled, "", checked, nil, tech, false, "it is in its slot, power and network are cabled"},

	{GateIdentity, inventory.NodeDiscovered, "", machine, nil, tech, true, "the BMC is the expected unit's"},
	{GatePort, inventory.NodeDiscovered, "", machine, nil, tech, false, "it answers where its slot is wired"},
	{GateLeak, inventory.NodeDiscovered, "", machine, nil, facility, true, "no leak sensor reports or is blind"},

	{GateSecondLogin, inventory.NodeSecured, "", machine, withBMC, system, false, "a second login proved the new password"},
	{GateSealed, inventory.NodeSecured, "", machine, withBMC, system, false, "the new password was sealed before the change"},
	{GatePinned, inventory.NodeSecured, "", machine, withBMC, system, false, "the BMC's key is pinned"},
	{"ntp.set", inventory.NodeSecured, "", machine, withBMC, system, false, "the BMC's clock is set from the site's server"},
	{"log.forwarding", inventory.NodeSecured, "", machine, withBMC, system, false, "the BMC's log is forwarded"},
	{"lockdown", inventory.NodeSecured, "", machine, withBMC, system, false, "the BMC is locked down where offered"},

	{GateBOM, inventory.NodeVerified, "", machine, nil, vendor, false, "every ordered part was seen, and no other"},
	{GateSerials, inventory.NodeVerified, "", machine, nil, tech, false, "every serial is the expected one"},
	{GateSlot, inventory.NodeVerified, "", machine, nil, tech, false, "every part sits in its slot"},
	{"cabling", inventory.NodeVerified, "", checked, nil, tech, false, "cables end where the plan says"},
	{"pcie.width_speed", inventory.NodeVerified, "", checked, hosts, tech, false, "PCIe links have full width and speed"},
	{GateMemory, inventory.NodeVerified, "", machine, hosts, vendor, false, "all memory modules were seen"},
	{GateFans, inventory.NodeVerified, "", checked, hosts, tech, false, "fans turn in the right direction"},
	{GatePSU, inventory.NodeVerified, "", machine, powered, vendor, false, "all power supplies were seen"},
	{GateAsFound, inventory.NodeVerified, "", derived, nil, tech, true, "every finding is fixed or accepted as found by two people"},

	{GateFirmware, inventory.NodeBaselined, "", machine, flashed, system, false, "every instance runs the baseline, read after the reboot"},
	{"bios.settings", inventory.NodeBaselined, "", machine, hosts, system, false, "BIOS settings equal the baseline"},
	{"bmc.settings", inventory.NodeBaselined, "", machine, withBMC, system, false, "BMC settings equal the baseline"},
	{"attestation", inventory.NodeBaselined, "", machine, hosts, system, false, "hardware measurements are attested where offered"},

	{GateSuite, inventory.NodeBurnedIn, "", machine, hosts, vendor, false, "the burn-in plan passed"},
	{GateSamples, inventory.NodeBurnedIn, "", machine, hosts, system, false, "everything expected was measured"},
	{GateThermal, inventory.NodeBurnedIn, "", machine, hosts, facility, false, "no thermal limit was broken"},
	{GateErrors, inventory.NodeBurnedIn, "", machine, hosts, vendor, false, "no hardware error was logged"},
	{GateFingerprint, inventory.NodeBurnedIn, "", machine, hosts, tech, false, "the same parts and firmware before and after"},
	{GateAccelerator, inventory.NodeBurnedIn, "", machine, hosts, system, false, "the accelerators themselves were tested"},

	{GateRackHealthy, inventory.NodeRackTested, "", checked, nil, tech, false, "the rack tests name this node healthy"},

	{GateCovered, inventory.NodeAccepted, "", derived, nil, tech, true, "a signed certificate covers it"},
	{GateNoHold, inventory.NodeAccepted, "", derived, nil, tech, true, "no hold forbids acceptance"},

	{"credentials.handed_or_rotated", inventory.NodeHandedOver, "", checked, nil, tech, false, "the customer has the credentials, or they were rotated"},
	{"wipe.evidence", inventory.NodeHandedOver, "", checked, hosts, tech, false, "no test data is left on the drives"},
	{GateInventoryHash, inventory.NodeHandedOver, "", derived, nil, system, true, "the package with its inventory is issued"},

	{"asn.lines", "", inventory.RackShipped, checked, nil, tech, false, "the packing list maps to the rack type"},
	{"rack.serial", "", inventory.RackArrived, checked, nil, tech, false, "the rack's serial was read"},
	{"tilt_shock.read", "", inventory.RackArrived, checked, nil, tech, false, "tilt and shock indicators were read and photographed"},
	{"lines.disposed", "", inventory.RackReceived, derived, nil, vendor, true, "every line has a disposition"},
	{"position.confirmed", "", inventory.RackInstalled, checked, nil, tech, false, "position, bonding, cabling and hoses are confirmed"},
	{GateFacility, "", inventory.RackPowerReady, checked, nil, facility, true, "feeds, coolant and leak sensors are tested, wet-tested where liquid"},
	{GatePowerSequence, "", inventory.RackBringingUp, checked, nil, tech, false, "shelves, coolant, switches, compute came up in order"},
	{"members.discovered", "", inventory.RackBringingUp, derived, nil, tech, true, "enough members are discovered"},
	{"members.verified", "", inventory.RackVerified, derived, nil, tech, true, "enough members are verified"},
	{"cable.map", "", inventory.RackVerified, checked, nil, tech, false, "the cable map of the domains is confirmed"},
	{"location.agrees", "", inventory.RackVerified, derived, nil, tech, true, "no member has a location mismatch"},
	{"members.baselined", "", inventory.RackAligned, derived, nil, system, true, "enough members run the baseline"},
	{"firmware.one_level", "", inventory.RackAligned, derived, nil, system, true, "one firmware level per domain and kind"},
	{"members.burned_in", "", inventory.RackBurnedIn, derived, nil, vendor, true, "enough members are burned in"},
	{"rack.collective", "", inventory.RackTested, checked, nil, tech, false, "link and collective tests of the domains passed"},
	{"rack.soak", "", inventory.RackTested, checked, nil, facility, false, "the full-load thermal and power soak passed"},
	{"members.rack_tested", "", inventory.RackTested, derived, nil, tech, true, "enough members took part in passing rack tests"},
	{GateDraft, "", inventory.RackInReview, machine, nil, tech, true, "the certificate draft is frozen"},
	{GateDeliverer, "", inventory.RackAccepted, signed, nil, tech, true, "the deliverer signed the draft"},
	{GateAcceptor, "", inventory.RackAccepted, signed, nil, tech, true, "the acceptor signed the draft"},
	{GateTwoSigners, "", inventory.RackAccepted, derived, nil, tech, true, "acceptor and deliverer are two people and signed one draft"},
	{GateNoHold, "", inventory.RackAccepted, derived, nil, tech, true, "no hold forbids acceptance"},
	{GatePackage, "", inventory.RackHandedOver, machine, nil, system, true, "the signed package is issued"},
	{"members.accepted", "", inventory.RackHandedOver, derived, nil, tech, true, "the covered members are accepted"},
}

// Specs returns the table.
func Specs() []Spec { return append([]Spec{}, specs...) }

// NodeSpecs are the gates that guard a node milestone, in table order.
func NodeSpecs(m inventory.Milestone) []Spec {
	var out []Spec
	for _, s := range specs {
		if s.Milestone == m && m != "" {
			out = append(out, s)
		}
	}
	return out
}

// RackSpecs are the gates that guard a rack milestone.
func RackSpecs(m inventory.RackMilestone) []Spec {
	var out []Spec
	for _, s := range specs {
		if s.Rack == m && m != "" {
			out = append(out, s)
		}
	}
	return out
}

// Find returns the row of a gate for nodes (or for racks).
func Find(g inventory.Gate, rack bool) (Spec, bool) {
	for _, s := range specs {
		if s.Gate == g && (s.Rack != "") == rack {
			return s, true
		}
	}
	return Spec{}, false
}
