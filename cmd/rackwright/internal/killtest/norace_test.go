//go:build !race

package killtest_test

// slow is the factor of all times of the rhythm; see race_test.go.
const slow = 1
