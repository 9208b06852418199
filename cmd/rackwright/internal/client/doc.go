// Package client is how the CLI verbs and the end-to-end tests speak to the
// API: one method a question, typed by the API's own wire types. An answer
// that is an error becomes an *api.Problem, so a verb knows its exit code.
//
// It keeps no state and trusts no certificate it was not told to trust.
//
// Entry points: [New], [Client], [Login].
package client
