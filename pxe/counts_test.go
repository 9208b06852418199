package pxe

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestCountsAreTold: once an hour and at the end, and never the same twice.
func TestCountsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &Service{log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.tell(ctx) }()
		time.Sleep(3*telling + time.Minute)
		if log.Len() > 0 {
			t.Errorf("nothing happened: %s", &log)
		}
		s.counts.add(BranchLimited)
		time.Sleep(3 * telling)
		s.counts.add(BranchDropped)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], string(BranchLimited)+":1") || !strings.Contains(lines[1], string(BranchDropped)+":1") {
			t.Errorf("told %q", lines)
		}
	})
}
