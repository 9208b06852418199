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
// effect.
package bmcsim
