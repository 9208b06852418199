// Package sqlstore is the record on SQLite (one file, one process) and on
// PostgreSQL (several servers) from one SQL text. It implements
// inventory.Store.
//
// Each write is one transaction that first locks the chain of the rack it
// touches, so that writes of one rack follow each other, and ends with a
// chained event. Milestones move in one function only, and only when the law
// of inventory/lifecycle agrees. It never talks to hardware and never decides
// what to do next.
//
// Entry points: [Open], [Store], [Store.Check], [Store.Backup], [Restore].
package sqlstore
