// Package inventory is the vocabulary and the record of Rackwright: what was
// ordered, what arrived, what sits in which slot, who says so and since when.
//
// It knows no other room and touches no hardware; it links only the standard
// library, because rackagent carries it into the burn-in image. An observation
// never changes what was expected, and nothing historical is deleted.
//
// Three sets are kept apart, always: expected (documents), observed (immutable
// collections) and findings (the difference, with an owner and a fix sentence).
// A node stands on three axes, never on one: its [Milestone], its [Operation]
// and its [Hold]s.
//
// Entry points: the nouns in rack.go, node.go and component.go; [Diff], which
// compares expected with observed parts; and [Store], the interface both
// databases implement (inventory/sqlstore) and one suite proves
// (inventory/storetest).
package inventory
