// Package web serves the pages: racks, the live elevation of one rack as SVG
// and as an equal table, and a node with its history. Pages are rendered on
// the server from the API's own values; they show nothing that the API does
// not say, change nothing, and load nothing from elsewhere.
//
// Entry points: [Pages], [Pages.Handler].
package web
