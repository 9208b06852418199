package inventory

// bootMessages are the sentences of network boot: why a machine got no boot
// program, and what to look at when a boot stalls (netboot.md §10.2).
var bootMessages = map[string]string{
	"boot.local_disk": "Leave {0} alone: its operation wants no network boot, it starts from disk.",
	"boot.expired":    "Start {0} again: the time for its network boot ended at {1}.",
	"boot.held":       "Lift hold {1} of {0} first: it forbids network boot.",
	"boot.redeemed":   "Leave {0} alone: its agent runs; it restarted and starts from disk.",
	"boot.revoked":    "Look who fetched for {0}: its boot token was used from elsewhere and is revoked. {1}",
	"boot.loop":       "Look at the console of {0}: {1} boots reached the script, none started its agent. Network boot stopped.",
	"boot.chain_loop": "Give {0} another boot program: {1} boots never reached the script. Network boot pauses.",
	"boot.no_arch":    "Tell the operator: {0} names processor architecture {1}, no boot program exists for it.",
	"boot.no_program": "Add a boot program for {1}: {0} needs one.",
	"boot.no_image":   "Publish image {1}: {0} asked for it and it cannot be read.",

	"boot.silent":           "Check cable, VLAN and boot order of {0}: no DHCP packet since power-on {1} ago.",
	"boot.no_request":       "Look for a wrong VLAN or a second DHCP server: {0} got {1} offers and took none.",
	"boot.foreign":          "Find DHCP server {1}: {0} took its address there.",
	"boot.no_program_fetch": "Check TFTP and firewall for {0}: it has an address and never fetched its program.",
	"boot.probe_only":       "Give {0} another boot program: its firmware asked for the size and refused it.",
	"boot.stuck":            "Check MTU and cable of {0}: its transfer of {1} stopped at {2} bytes.",
	"boot.no_script":        "Give {0} an SNP boot program: iPXE started and cannot use the network card.",
	"boot.no_agent":         "Attach the console of {0}: it fetched kernel and image, its agent never called.",
	"boot.failed":           "Read the console of {0}: its boot script gave up. {1}",
	"boot.pool_full":        "Enlarge address pool {0}: no address is free for {1}.",
}
