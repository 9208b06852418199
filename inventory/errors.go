package inventory

import (
	"errors"
	"fmt"
	"strings"
)

// Errors callers branch on. Classify with errors.Is, never by text.
var (
	// ErrNotFound: no such thing. The message names what was asked for.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a version, idempotency key or unique identity is taken.
	ErrConflict = errors.New("conflict")
	// ErrStale: the claim's token or lease is lost; drop everything.
	ErrStale = errors.New("stale claim")
	// ErrHeld: a lock or hold forbids it. A *HeldError names the holder.
	ErrHeld = errors.New("held")
	// ErrTransition: the law has no such row for this milestone and event.
	ErrTransition = errors.New("transition not allowed")
	// ErrInvalid: the input is wrong; the message says what and how to fix it.
	ErrInvalid = errors.New("invalid")
	// ErrDenied: the person may not do this.
	ErrDenied = errors.New("denied")
	// ErrReadOnly: the record cannot be written (disk full, read-only, restored backup).
	ErrReadOnly = errors.New("record is read-only")
)

// BlockedError comes from Store.Apply: the gate is shut.
type BlockedError struct{ Blockers []Blocker }

// Error lists the gates.
func (e *BlockedError) Error() string {
	parts := make([]string, 0, len(e.Blockers))
	for _, b := range e.Blockers {
		parts = append(parts, fmt.Sprintf("%s of %s: %s", b.Gate, b.Subject, Sentence(b.Fix, b.Args)))
	}
	return "gate is shut: " + strings.Join(parts, "; ")
}

// HeldError says who holds what, since when.
type HeldError struct {
	Scope Subject
	Lock  *Lock // a run holds the scope
	Hold  *Hold // or a hold forbids it
}

// Error names the holder.
func (e *HeldError) Error() string {
	if e.Lock != nil {
		return fmt.Sprintf("%s is locked by run %s since %s (%s)", e.Scope, e.Lock.Run, e.Lock.Since.UTC().Format("2006-01-02T15:04:05Z"), e.Lock.State)
	}
	if e.Hold != nil {
		return fmt.Sprintf("%s is on hold %s since %s: %s", e.Scope, e.Hold.Name, e.Hold.Since.UTC().Format("2006-01-02T15:04:05Z"), e.Hold.Reason)
	}
	return fmt.Sprintf("%s is held", e.Scope)
}

// Unwrap makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Unwrap() error { return ErrHeld }
