package inventory

import (
	"net/netip"
	"time"
)

// Binding is a DHCP lease; "lease" alone means a work lease. Unique per
// (subnet, address) and per (subnet, client), the client being the MAC.
type Binding struct {
	Hint
	Addr   netip.Addr   `json:"addr"`
	Subnet netip.Prefix `json:"subnet"`
	Node   NodeID       `json:"node,omitempty"`
	State  BindingState `json:"state"`
	Until  time.Time    `json:"until"`
	Server netip.Addr   `json:"server,omitzero"` // option 54 of the server that confirmed
}

// BindingState is the state of a DHCP lease.
type BindingState string

// Binding states. A bound address belongs to a node and is never given away.
const (
	BindingOffered     BindingState = "offered"
	BindingActive      BindingState = "active"
	BindingBound       BindingState = "bound"
	BindingReleased    BindingState = "released"
	BindingQuarantined BindingState = "quarantined"
)

// BootLine is one line of the boot ledger (netboot.md §10.1).
type BootLine struct {
	Hint
	Node   NodeID `json:"node,omitempty"`
	Stage  string `json:"stage"`  // discover offer request ack probe rrq tftp-done http-head http-get script kernel agent
	Branch string `json:"branch"` // name of the decision branch
	Detail string `json:"detail,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	// Addr is the address that the machine used; zero before it has one.
	Addr netip.Addr `json:"addr,omitzero"`
	// Token is the digest of the boot token that the line is about: it ties
	// lines to one boot attempt. The token itself is never recorded.
	Token Digest    `json:"token,omitempty"`
	At    time.Time `json:"at"`
}
