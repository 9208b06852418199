// Package simagent is a simulated node in the burn-in image: the product's own
// agent, parsers and protocol over recorded output of the tools, filled with
// the serials of a made-up machine.
//
// It says in every hello and batch that it is simulated. It sends what tools
// would have printed, healthy or faulty, and never a verdict. All faults live
// here; nothing in the product knows of them.
//
// Entry points: [Machine], [New].
package simagent
