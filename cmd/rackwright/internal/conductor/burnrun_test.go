package conductor

import (
	"testing"
	"time"
)

// TestAfterBoot: a machine is given up after three boots that this server could
// have answered; one that the server slept through is none of them.
func TestAfterBoot(t *testing.T) {
	begun := time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC)
	until := begun.Add(10 * time.Minute)
	early, late := begun.Add(-time.Hour), begun.Add(time.Second)
	for _, c := range []struct {
		name      string
		now, here time.Time
		boot      int
		want      string
	}{
		{"in time", until.Add(-1), early, 1, bootGoesOn},
		{"the last one, in time", until.Add(-1), early, bootTries, bootGoesOn},
		{"in time, and the server came late", until.Add(-1), late, bootTries, bootGoesOn},
		{"first, over", until, early, 1, bootFailed},
		{"second, over", until, early, 2, bootFailed},
		{"third, over", until, early, bootTries, bootGivenUp},
		{"first, over, server came late", until, late, 1, bootSpared},
		{"third, over, server came late", until, late, bootTries, bootSpared},
		{"asked for as the server came", until, begun, bootTries, bootGivenUp},
	} {
		if got := afterBoot(c.now, until, begun, c.here, c.boot); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
