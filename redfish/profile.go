package redfish

import (
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// GenericProfile is the profile of a BMC that names none.
const GenericProfile = "generic"

// Profile is what is peculiar about a family of BMCs, as data. A quirk lives
// here or is learned from the BMC, never in an if on a vendor's name.
type Profile struct {
	Name string

	// Wire.
	Trust      Trust  // overrides Dialer.Trust
	CertName   string // name checked by TrustCA: "" the address, "mac" Endpoint.MAC
	OldTLS     bool   // TLS 1.0 and 1.1, for BMCs that know nothing newer
	Basic      bool   // no sessions: Basic on every request
	BasicLogin bool   // the POST that opens a session wants Basic too
	NoExpect   bool   // Expect: 100-continue confuses it

	// Reading.
	DPUs []string // System ids that are DPUs though they do not say so

	// Power and boot.
	Resets      map[PowerAction]PowerAction // "ForceRestart cuts the DPU: send GracefulRestart"
	BootMode    string                      // BootSourceOverrideMode to set; "": leave it
	Activations map[string]Activation       // verbs beyond the standard ones, by name

	// Updates.
	Driver     string                       // bmclib provider for firmware ("openbmc"); "": Redfish
	Push       string                       // "multipart", "push" (HttpPushUri) or "pull"; "": the best advertised
	ApplyTimes []string                     // OperationApplyTime values it takes; empty: as advertised
	NoForce    bool                         // refuses the property ForceUpdate
	TaskStates map[string]inventory.Outcome // overrides of the default table
	TaskGrace  time.Duration                // a 404 of a younger task is "not yet"
}

// Activation is a verb of the platform: one action on one resource.
type Activation struct {
	On      string         // "system", "manager", or the path of a resource
	Action  string         // "#Manager.Reset", "#NvidiaChassis.AuxPowerReset"
	Body    map[string]any // parameters
	HostOff bool           // the host must be off first
	BMCAway bool           // the BMC restarts: sessions and connections end
}

// auxCycle is the AC cycle of NVIDIA trays, possible only with the host off
// (firmware.md §5: AuxPowerReset answers 400 ChassisPowerStateOffRequired).
func auxCycle(chassis string) map[string]Activation {
	return map[string]Activation{"ac-cycle": {On: "/redfish/v1/Chassis/" + chassis, Action: "#NvidiaChassis.AuxPowerReset",
		Body: map[string]any{"ResetType": "AuxPowerCycle"}, HostOff: true, BMCAway: true}}
}

// Profiles are the built-in profiles, a fresh copy each call. None has been run
// against its real BMC: they come from captures and vendor documents.
func Profiles() map[string]Profile {
	all := []Profile{
		{Name: GenericProfile},
		{Name: "generic-x86"},
		{Name: "openbmc", Driver: "openbmc", NoForce: true},
		{Name: "hgx-8", Activations: auxCycle("DGX")},
		{Name: "gb200", Activations: auxCycle("BMC_0")},
		{Name: "gb300", Activations: auxCycle("BMC_0")},
		{Name: "nvlink-switch", Activations: auxCycle("BMC_0")},
		{Name: "power-shelf"},
		{Name: "bluefield", DPUs: []string{"Bluefield"}},
		{Name: "ilo", NoForce: true},
		{Name: "idrac", TaskGrace: time.Minute},
		{Name: "ami"}, {Name: "cray-2node"},
		{Name: "x10", OldTLS: true},
		{Name: "trn2"},
	}
	out := make(map[string]Profile, len(all))
	for _, p := range all {
		out[p.Name] = p
	}
	return out
}
