// Package plan reads burn-in plans from YAML or JSON, strictly and with every
// fault at once, and carries the plans of this release.
//
// It judges nothing and never runs on a machine under test: the agent gets its
// plan as JSON, resolved by the server.
//
// Entry points: [Parse], [Embedded], [Names].
package plan
