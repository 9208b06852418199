package bmcsim

import (
	"fmt"
	"slices"
	"time"
)

// Profiles of the simulator. Trainium nodes have no public BMC material and use
// generic-x86.
const (
	ProfileX86    = "generic-x86"
	ProfileHGX    = "hgx-8"
	ProfileGB200  = "gb200"
	ProfileSwitch = "nvlink-switch"
	ProfileShelf  = "power-shelf"
)

// Certificate kinds of a BMC.
const (
	CertSelfSigned = "self-signed"
	CertExpired    = "expired"
	CertWrongName  = "wrong-name"
	CertCA         = "ca" // signed by Fleet.CA, right names
)

// What makes a staged version active.
const (
	Immediate = "immediate"
	HostReset = "host-reset"
	BMCReset  = "bmc-reset"
	ACCycle   = "ac-cycle"
)

// Spec describes one BMC and the machine behind it. It can be written as JSON;
// durations are nanoseconds there. Use NewSpec and change what differs.
type Spec struct {
	Name    string // of the BMC in counters, faults and the control port
	Profile string
	Listen  string // host:port; empty is 127.0.0.1:0
	Cert    string // a Cert constant; empty is self-signed

	Vendor, Model, SKU    string
	Serial, ChassisSerial string // of the host System, of its Chassis
	BoardSerial           string // of the accelerator baseboard, where the profile has one
	UUID                  string
	BMCMAC                string
	Position              string // Chassis Location.Placement.Rack text, may be empty

	Parts    []Part
	Firmware []Firmware
	Leaks    []string // ids of leak detectors

	User, Password string
	Factory        bool // the password must be changed before anything else is served
	Access         Access
	Timing         Timing
	Update         UpdateSpec
	Quirks         Quirks
	PowerOn        bool     // the host starts switched on
	BootTargets    []string // of the boot override; empty: all of them
}

// Part is one physical part. Slot is its id in the tree and its ServiceLabel.
type Part struct {
	Kind   string // cpu dimm gpu nvswitch nic drive psu fan
	Slot   string
	Vendor string
	Model  string
	Number string // part number
	Serial string
	UUID   string
	MACs   []string // of a NIC, one per port
	Size   int64    // dimm: MiB, drive: bytes, psu: watts, gpu: MiB of memory, cpu: cores
	State  string   // empty is Enabled
	// Firmware is the version that the part itself reports; a Firmware entry with
	// RelatedItem on the part moves with it.
	Firmware string
}

// Firmware is one updateable component.
type Firmware struct {
	ID         string // member of FirmwareInventory
	Version    string
	Related    string // path of the resource that carries the version too, may be empty
	Activation string // one of the four words above; empty is Immediate
	SoftwareID string
	Fixed      bool // not Updateable
}

// Access is the rule set of accounts and sessions.
type Access struct {
	SessionLimit    int
	SessionTimeout  time.Duration // idle
	FullStatus      int           // answer to a login beyond the limit: 503 or 400
	LockThreshold   int           // wrong logins until the account is locked; 0 never
	LockDuration    time.Duration
	MinPassword     int
	MaxPassword     int
	SessionsByBasic bool // SessionService refuses POST without Basic (quirk 4)
}

// Timing is how long things take.
type Timing struct {
	PowerOn  time.Duration // Off to On
	PowerOff time.Duration // graceful; a forced one takes a tenth
	Post     time.Duration // On to OSRunning when no Host reports
	BMCReset time.Duration // the BMC answers nothing
	Update   time.Duration // bank write, 0 to 100 %
}

// Part returns the part of this kind and slot, to be changed in place, or nil.
func (s *Spec) Part(kind, slot string) *Part {
	for i := range s.Parts {
		if s.Parts[i].Kind == kind && s.Parts[i].Slot == slot {
			return &s.Parts[i]
		}
	}
	return nil
}

// Remove takes a part out: a missing DIMM. It reports whether it was there.
func (s *Spec) Remove(kind, slot string) bool {
	n := len(s.Parts)
	s.Parts = slices.DeleteFunc(s.Parts, func(p Part) bool { return p.Kind == kind && p.Slot == slot })
	return len(s.Parts) < n
}

// SetVersion sets the firmware version of one component and reports whether it exists.
func (s *Spec) SetVersion(id, version string) bool {
	for i := range s.Firmware {
		if s.Firmware[i].ID == id {
			s.Firmware[i].Version = version
			return true
		}
	}
	return false
}

func (s *Spec) of(kind string) []Part {
	var out []Part
	for _, p := range s.Parts {
		if p.Kind == kind {
			out = append(out, p)
		}
	}
	return out
}

func (s *Spec) validate() error {
	switch {
	case s.Name == "":
		return fmt.Errorf("bmcsim: a spec has no name: set Spec.Name")
	case builders()[s.Profile] == nil:
		return fmt.Errorf("bmcsim: %s: unknown profile %q: use one of the Profile constants", s.Name, s.Profile)
	case s.User == "" || s.Password == "":
		return fmt.Errorf("bmcsim: %s: no account: set Spec.User and Spec.Password", s.Name)
	}
	seen := map[string]bool{}
	for _, p := range s.Parts {
		key := p.Kind + "/" + p.Slot
		if p.Slot == "" || seen[key] {
			return fmt.Errorf("bmcsim: %s: part %q has no slot or stands twice: slots are unique per kind", s.Name, key)
		}
		seen[key] = true
	}
	return nil
}
