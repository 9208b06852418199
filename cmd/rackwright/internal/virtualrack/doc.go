// Package virtualrack is a rack that does not exist: one simulated BMC per unit,
// and behind each host a simulated boot ROM and agent, or a real QEMU machine.
// Redfish power and boot override drive the machines; real DHCP, TFTP and HTTP
// packets boot them; the agent's real protocol carries replayed tool output.
// It is for training, dry runs, demos and burn-in pipelines.
//
// What was ordered and what was delivered are two things here: [Rack.Manifest] is
// the packing list of a faultless rack, a [Fault] changes what stands in the
// hall. The product never learns which; everything it reads says that it comes
// from a simulator.
//
// Entry points: [New], [Rack.Start], [Rack.Manifest], [Rack.Connect].
package virtualrack
