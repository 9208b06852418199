// Package pgtest starts a fresh PostgreSQL cluster for tests: owned by user
// postgres, on a unix socket only, with fsync on, stopped by its pid.
// RACKWRIGHT_TEST_DSN names another server instead. It never skips: a missing
// PostgreSQL is a failure that says what to install.
//
// Entry points: [Start], [Cluster.Database], [Cluster.Clone].
package pgtest
