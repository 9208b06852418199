// Package facts reads from the record what the law judges: it turns a node or
// a rack into lifecycle.Facts. It decides nothing and writes nothing.
//
// Entry points: [Node], [Rack].
package facts
