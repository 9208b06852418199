// Package agentbin carries rackagent, the program inside the burn-in image, as
// make build puts it here.
//
// It runs nothing. A program built without it (go run, go install) still works;
// only an image cannot be built with it.
//
// Entry points: [Agent].
package agentbin
