// Package lifecycle is the law: how a node and a rack move from an order line
// to a signed handover, and what may never happen on the way.
//
// It is pure: no I/O, no clock, no log, no goroutine. A transition is gates
// passed; a gate passes by evidence of the right producer, by a valid waiver of
// two people, or because the rack type declares it not applicable with a
// reason. What is missing, void, expired or unjudged shuts it.
//
// Nothing is signed past what has fallen: acceptance and handover ask every gate
// before them once more ([Fallen]), and a draft counts for the members it covers.
//
// Entry points: [Next], [NextRack], [GateResults], [RackGateResults], [Gate],
// [GateRack], [Fallen], [EventOf], [Voids], [Allowed]. Store.Apply and Store.Observe ask
// them inside the transaction that moves a milestone.
package lifecycle
