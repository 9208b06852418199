// Package romsim is a machine that boots over the network, without the
// machine: a PXE ROM, a UEFI HTTP boot client and an iPXE that speak real DHCP,
// TFTP and HTTP on real sockets.
//
// Every packet says that its sender is a simulator (option 77). On loopback it
// needs no root: it sends as a relay from an unprivileged port (RFC 8357) and
// uses the address it was given as its own, because all of 127.0.0.0/8 is. Its
// faults are data; product code knows nothing of them.
//
// It does not execute programs: it checks the boot program that it fetched,
// then goes on as the iPXE that the program would be, and runs the boot script
// with an interpreter of its own. At the kernel it stops and returns the
// command line, with which a simulated agent goes on.
//
// Entry points: [Machine.Boot], [Result], [Faults].
package romsim
