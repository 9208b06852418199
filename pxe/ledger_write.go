package pxe

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// maxPending bounds the lines that wait for the record. Beyond it lines are
// dropped and counted: a slow record never delays an answer.
const maxPending = 4096

// ledgerWriter writes boot lines behind the answers.
type ledgerWriter struct {
	store inventory.Boots
	log   *slog.Logger
	kick  chan struct{}

	mu      sync.Mutex
	pending []inventory.BootLine
	dropped int64
}

func newLedger(store inventory.Boots, log *slog.Logger) *ledgerWriter {
	return &ledgerWriter{store: store, log: log, kick: make(chan struct{}, 1)}
}

// note queues a line; it never waits.
func (l *ledgerWriter) note(line inventory.BootLine) {
	if line.At.IsZero() {
		line.At = time.Now()
	}
	l.mu.Lock()
	if len(l.pending) >= maxPending {
		l.dropped++
		l.mu.Unlock()
		return
	}
	l.pending = append(l.pending, line)
	l.mu.Unlock()
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// lines are the stored ones and those still waiting, so that a decision never
// depends on how fast the record is.
func (l *ledgerWriter) lines(ctx context.Context, h inventory.Hint, since time.Time) ([]inventory.BootLine, error) {
	l.mu.Lock()
	var waiting []inventory.BootLine
	for _, p := range l.pending {
		if p.MAC == h.MAC {
			waiting = append(waiting, p)
		}
	}
	l.mu.Unlock()
	stored, err := l.store.Lines(ctx, h, since)
	if err != nil {
		return nil, err
	}
	for _, w := range waiting { // one may have been stored since
		if !slices.ContainsFunc(stored, func(s inventory.BootLine) bool { return sameLine(s, w) }) {
			stored = append(stored, w)
		}
	}
	slices.SortStableFunc(stored, func(a, b inventory.BootLine) int { return a.At.Compare(b.At) })
	return stored, nil
}

func sameLine(a, b inventory.BootLine) bool {
	return a.Stage == b.Stage && a.Branch == b.Branch && a.Detail == b.Detail && a.Bytes == b.Bytes && a.At.Equal(b.At)
}

// run writes until the context ends, then what is left within a second.
func (l *ledgerWriter) run(ctx context.Context) {
	for {
		select {
		case <-l.kick:
			l.drain(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			l.drain(last)
			l.mu.Lock()
			defer l.mu.Unlock()
			if n := int64(len(l.pending)) + l.dropped; n > 0 {
				l.log.Warn("boot ledger lines lost at the end: the record did not take them in time", "lines", n)
			}
			return
		}
	}
}

func (l *ledgerWriter) drain(ctx context.Context) {
	for {
		l.mu.Lock()
		if len(l.pending) == 0 {
			l.mu.Unlock()
			return
		}
		line, dropped := l.pending[0], l.dropped
		l.dropped = 0
		l.mu.Unlock()
		if dropped > 0 {
			l.log.Warn("boot ledger lines dropped: the record is slower than the machines", "lines", dropped)
		}
		if err := l.store.Note(ctx, line); err != nil {
			if ctx.Err() != nil {
				return // the last drain has its own context
			}
			l.log.Warn("boot ledger line lost", "mac", line.MAC, "stage", line.Stage, "err", err)
		}
		l.mu.Lock()
		l.pending = l.pending[1:]
		l.mu.Unlock()
	}
}
