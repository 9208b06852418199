package pxe

import (
	"net/netip"
	"time"

	"github.com/rackwright/rackwright/images"
	"github.com/rackwright/rackwright/inventory"
)

// Class says what kind of program sent a packet (netboot.md §5 step 5).
type Class string

// Classes. A chained iPXE still says arch 7, so the user class decides first.
const (
	ClassHTTP  Class = "http"  // UEFI HTTP boot firmware
	ClassPXE   Class = "pxe"   // PXE firmware, BIOS or UEFI
	ClassIPXE  Class = "ipxe"  // any iPXE that speaks HTTP
	ClassOurs  Class = "ours"  // our own iPXE build, by its user class
	ClassPlain Class = "plain" // operating system, BMC, DPU, switch
)

// OurUserClass is option 77 of an iPXE that was built for this program.
const OurUserClass = "rackwright"

// SimUserClass is the option 77 member by which a simulator says what it is.
const SimUserClass = "rackwright-sim"

// Action is what an answer does.
type Action string

// Actions. Address means an address without any boot option.
const (
	ActionIgnore  Action = "ignore"
	ActionAddress Action = "address"
	ActionProgram Action = "program"
	ActionScript  Action = "script"
)

// Mode is the part the server plays on the link.
type Mode string

// Modes. ModeProxy4011 is for a host that runs a DHCP server already.
const (
	ModeAuthoritative Mode = "authoritative"
	ModeProxy         Mode = "proxy"
	ModeProxy4011     Mode = "proxy-4011-only"
	ModeOff           Mode = "off"
)

// Arrival is where a packet came in. Subnet is the scope that was chosen for
// it by relay address or interface; the zero prefix when there is none.
type Arrival struct {
	Interface string
	Local     netip.Addr
	Subnet    netip.Prefix
	Port      int // our port: 67 or 4011 in their configured spelling
	Proxy     bool
}

// Request is what one packet asks, in our words.
type Request struct {
	inventory.Hint
	Class   Class
	Arch    images.Arch // empty when the client named none that we know
	BIOS    bool        // arch 0: wants a BIOS program
	ArchRaw []uint16    // option 93 as sent
	HasArch bool
	Vendor  string // option 60
	// NeedsBuild marks an iPXE without HTTP: it must chain our build first.
	NeedsBuild bool
	Arrival    Arrival
}

// Policy is what the operator decided for all machines of a scope.
type Policy struct {
	Mode Mode
	// Unknown is ActionIgnore (default in proxy mode) or ActionAddress.
	Unknown Action
	// Programs names the boot program per machine kind; see [ProgramKey].
	Programs map[string]string
	// Loops is how many boots without a redeemed token are allowed per boot attempt.
	Loops int
	// ChainWindow and ChainQuiet are netboot.md §6.2: Loops first stages within
	// the window without a script are answered without boot options for the quiet time.
	ChainWindow, ChainQuiet time.Duration
}

// DefaultPolicy is the policy of netboot.md §5 and §6.2 for a mode.
func DefaultPolicy(mode Mode) Policy {
	p := Policy{Mode: mode, Unknown: ActionAddress, Programs: DefaultPrograms(), Loops: 3,
		ChainWindow: 3 * time.Minute, ChainQuiet: 10 * time.Minute}
	if mode != ModeAuthoritative {
		p.Unknown = ActionIgnore
	}
	return p
}

// Facts is what the record knows about the sender, read before the decision.
// A nil Node is a machine that nobody expects.
type Facts struct {
	Node  *inventory.Node
	Lines []inventory.BootLine // of this machine, oldest first
	Token inventory.Digest     // of the boot token that would be given now
	Now   time.Time
}

// Answer is the decision. Branch is from the closed list in decide.go.
type Answer struct {
	Action  Action
	Branch  Branch
	Image   string // catalogue name, when the node shall boot
	Program string // boot program, with ActionProgram
	// HTTP says that the program goes out as a URL in option 67.
	HTTP   bool
	Reason string // one sentence for the ledger
}

// Boots reports whether the answer carries boot options.
func (a Answer) Boots() bool { return a.Action == ActionProgram || a.Action == ActionScript }
