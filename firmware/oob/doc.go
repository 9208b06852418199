// Package oob is the out-of-band [firmware.Updater]: it carries one step to one
// BMC through room redfish and brings back what the BMC said.
//
// It decides nothing that the plan left open, retries nothing and waits for
// nothing. Its one judgement is which error of redfish means that nothing
// happened and which means that nobody knows; whatever it cannot place is
// unknown.
//
// Entry point: [Updater].
package oob
