package pxe

// Branch names one way through [Decide]. The list is closed; each branch is
// written to the boot ledger and counted.
type Branch string

// Branches that boot.
const (
	BranchHTTPProgram Branch = "http-program" // UEFI HTTP boot: program by URL
	BranchPXEProgram  Branch = "pxe-program"  // PXE firmware: program by TFTP
	BranchRechain     Branch = "rechain"      // iPXE without HTTP gets a build with it
	BranchIPXEScript  Branch = "ipxe-script"  // iPXE: script by URL
)

// Branches of machines that get an address and nothing else, or silence beside
// another DHCP server.
const (
	BranchPlain          Branch = "plain"           // operating system, switch, PDU
	BranchBMC            Branch = "bmc"             // the node's own BMC
	BranchUnknownAddress Branch = "unknown-address" // nobody expects it; it becomes a sighting
	BranchUnknownSilent  Branch = "unknown-silent"
	BranchLocalDisk      Branch = "local-disk" // the node's operation wants no network boot
	BranchExpired        Branch = "expired"    // it did, but its time is over
	BranchHeld           Branch = "held"
	BranchRedeemed       Branch = "redeemed" // this boot attempt has an agent already
	BranchRevoked        Branch = "revoked"  // its token was used from a foreign address, or twice
	BranchLoopGuard      Branch = "loop-guard"
	BranchChainLoop      Branch = "chain-loop"
	BranchNoArch         Branch = "no-arch"
	BranchNoProgram      Branch = "no-program"
)

// Branches of the servers, taken before or after the decision.
const (
	BranchOff          Branch = "off"
	BranchNoScope      Branch = "no-scope"
	BranchForeign      Branch = "foreign-server" // a REQUEST for another DHCP server
	BranchNAK          Branch = "nak"
	BranchPoolFull     Branch = "pool-full"
	BranchRecordFailed Branch = "record-failed"
	BranchDeclined     Branch = "declined"
	BranchReleased     Branch = "released"
	BranchInform       Branch = "inform"
	BranchServed       Branch = "served"
	BranchProbe        Branch = "probe"
	BranchAbort        Branch = "abort"
	BranchRefused      Branch = "refused"
	BranchNoImage      Branch = "no-image"
	BranchFailed       Branch = "failed" // the machine said so
	BranchTwice        Branch = "token-twice"
	BranchConfirmed    Branch = "confirmed" // beside another DHCP server: it gave the address
	BranchTimeout      Branch = "timeout"
	BranchBusy         Branch = "busy"
	BranchDuplicate    Branch = "duplicate"
)

// Branches of packets that never reach a decision.
const (
	BranchMalformed Branch = "malformed"
	BranchLimited   Branch = "rate-limited"
	BranchDropped   Branch = "queue-full"
	BranchPanic     Branch = "panic"
)
