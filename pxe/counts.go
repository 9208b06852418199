package pxe

import (
	"context"
	"maps"
	"sync"
	"time"
)

// counts counts answers by branch.
type counts struct {
	mu sync.Mutex
	by map[Branch]int64
}

func (c *counts) add(b Branch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[Branch]int64{}
	}
	c.by[b]++
}

// Counts returns how often each branch was taken since the start.
func (s *Service) Counts() map[Branch]int64 {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	return maps.Clone(s.counts.by)
}

// telling is how often the counts are logged while something happens.
const telling = time.Hour

// tell logs how often each branch was taken, in every hour that took one and at
// the end: what was dropped, limited or refused has no line in the ledger.
func (s *Service) tell(ctx context.Context) error {
	tick := time.NewTicker(telling)
	defer tick.Stop()
	told := map[Branch]int64{}
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			over = true
		}
		now := s.Counts()
		if maps.Equal(now, told) {
			continue
		}
		told = now
		s.log.Info("answers so far", "by", now)
	}
	return nil
}
