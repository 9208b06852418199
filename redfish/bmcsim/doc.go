// Package bmcsim is a fleet of simulated BMCs: real HTTPS on real sockets, each
// BMC with its own certificate, accounts, sessions, power state machine, update
// service, tasks, leak detectors and faults. Tests, the demo and the kill matrix
// drive the product against it.
//
// It is the second opinion on Redfish: it shares no code with package redfish and
// imports neither gofish nor bmclib. Its trees are built by code from a [Spec];
// [Fleet.FromTree] serves a capture instead. The root of everything it serves says
// Oem.Rackwright.Simulated, so that a client can mark what it observed.
//
// # Firmware
//
// A payload is what [Payload] or [Bundle] returns: a text header that names
// component (a glob over FirmwareInventory ids) and version, size and SHA-256 of the
// filler behind it. A truncated or altered payload is refused with 400. An
// accepted one is a flash: the counter moves when the task is created, which is
// when the bank write starts. When the task is done the version is active at once
// or staged, as [Firmware.Activation] says. A staged version is visible in two ways:
//
//   - NVIDIA profiles: Oem.Nvidia.InactiveFirmwareSlot.Version with FirmwareState
//     "Staged" of the component's own FirmwareInventory member;
//   - all others: a further member with the id of the component and the suffix
//     "_Staged", the same SoftwareId, Staged true (SoftwareInventory v1.13) and
//     Status.State StandbySpare.
//
// Both vanish when the reset of the kind asked for has happened.
//
// # Mutations
//
// Every POST, PATCH, PUT and DELETE is logged. Those that passed authentication
// and are not session logins or logouts get a number over the whole fleet, and
// [Options.OnMutation] or an armed [Kill] is called before and after they take
// effect. A request that an armed Kill hits "before" or at "half" has no effect; one
// that it hits "after" has taken effect and is not answered. OnMutation alone drops
// a request only if the client is gone by then, and never an upload that is already
// on its way: use Kill where the count must be exact.
//
// # In a process of its own
//
// The kill matrix kills a server while its BMCs live on: a test binary that runs
// itself again calls [Process], writes the specs to its standard input, reads
// [Ready] from its standard output and works the fleet by [Fleet.Control]. It ends
// when the pipe to its standard input is closed.
//
// # What is not real
//
// No profile was compared with hardware: shapes follow captures and documents.
// A reset of one Manager takes the whole service away, that of an HMC too. There is
// no event service, no virtual media and no log service. BIOS attributes, SecureBoot
// and $expand are not offered, and nothing advertises them.
package bmcsim
