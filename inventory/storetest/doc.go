// Package storetest is the conformance suite of inventory.Store. Every
// implementation runs it; the suite knows no database and no SQL.
//
// Entry points: [Run], [Rack].
package storetest
