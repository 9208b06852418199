// Package redfish is the only door to a BMC: it logs in once, reads everything
// the BMC has, changes one thing at a time, and never locks it out.
//
// A [Dialer] keeps one broker per BMC. The broker owns the one session, the
// connections, the limits (two requests in flight, one of them writing), the
// lock-out guard and what was learned about that BMC. [Dialer.Dial] hands out
// [BMC] values that share it; [Dialer.Run] keeps the sessions fresh and logs all
// of them out at the end.
//
// Every request passes one chain of round trippers:
//
//	auth → retry → limit → guard → pin → wire
//
// so waiting holds no slot, and the [Guard] (the caller's lease) is asked after
// all waiting, right before the first byte of a write leaves. A write is sent
// once or not at all: a lost answer is [ErrOutcomeUnknown], which the caller
// reads back. Reads are repeated by one table.
//
// The package knows no milestone and no baseline, never tries a second driver,
// never retries a write, and shows no type of gofish (which only decodes) or
// bmclib (one provider, named by the profile).
package redfish
