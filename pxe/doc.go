// Package pxe answers machines that boot over the network: DHCP with addresses
// or beside another DHCP server (proxyDHCP), TFTP for the first program, HTTP
// for scripts, kernels and images.
//
// The decision is pure: Classify turns a packet into a Request, Decide turns a
// Request and Facts into an Answer with a named branch, Offer and Script turn
// the Answer into bytes. The servers only read facts, call the pure part, send
// and record. DHCP, TFTP and HTTP ask the same gate.
//
// It never talks to a BMC, never moves a milestone, never boots a disk and
// never answers from guesses: an address is committed before its ACK leaves, a
// machine nobody expects becomes a sighting, and only the running operation of
// a node can ask for a network boot.
//
// Entry points: [Service], [Classify], [Decide], [Offer], [Script],
// [BootToken], [Diagnose].
package pxe
