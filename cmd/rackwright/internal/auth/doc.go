// Package auth decides who may do what: people, bearer tokens, the fixed role
// matrix, the two-person rule, and the keys that seal secrets and sign
// certificates.
//
// The matrix is code, not a policy language: every cell stands in one table
// and is tested. Nothing here reads or writes the record; callers pass people
// and tokens in. No secret ever appears in an error or a log line.
//
// Entry points: [Can], [NewToken], [Keys].
package auth
