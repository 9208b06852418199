// Package api is the human and program API under /v1 (huma, OpenAPI 3.1). The
// CLI, the pages and programs are equal clients of it; no screen can do what
// the API cannot.
//
// It files requests, observations, evidence and decisions of people; it never
// changes a milestone and never touches hardware. Every endpoint asks the role
// matrix, and the caller's racks cut every list. The word success is used for
// finished work only; accepted work says accepted.
//
// Entry points: [Service], [Service.Handler], [Problem].
package api
