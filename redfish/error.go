package redfish

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What callers branch on; test with errors.Is.
var (
	// ErrAuth: the BMC refused the credentials, or wants the password changed
	// first (Hint says which). Stop all callers of this BMC.
	ErrAuth = errors.New("not authorised")
	// ErrChangeRequired: the BMC took the password and wants it changed before
	// anything else. It is an ErrAuth too.
	ErrChangeRequired = errors.New("the BMC took the password and wants it changed first")
	// ErrLocked: our own lock-out guard sends no further login now. It is an
	// ErrAuth too; Wait says when one probe is allowed.
	ErrLocked = errors.New("held back by the lock-out guard")
	// ErrBusy: definitely not done, may be asked again after Wait.
	ErrBusy = errors.New("busy")
	// ErrUnsupported: this BMC does not offer it.
	ErrUnsupported = errors.New("not supported by this BMC")
	// ErrUnreachable: nothing was sent, or no read was answered.
	ErrUnreachable = errors.New("unreachable")
	// ErrReadOnly: the handle was dialled without a Guard.
	ErrReadOnly = errors.New("read-only handle")
	// ErrTaskGone: the task is not listed any more, which is neither failed nor
	// done: look at the versions.
	ErrTaskGone = errors.New("task is gone")
	// ErrOutcomeUnknown: the bytes of a write left and no answer says what became
	// of them. Read back, never repeat.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrEmpty: the BMC answered and reported nothing.
	ErrEmpty = errors.New("empty inventory")
	// ErrPin: the BMC shows another certificate key than the recorded one.
	ErrPin = errors.New("certificate does not match the pin")
)

// Error is every error of this package: what was tried, on which BMC, what it
// answered, and what to do about it.
type Error struct {
	Op        string        // "power", "get /redfish/v1/Systems/1"
	Endpoint  string        // scheme://host:port
	MessageID string        // of the BMC's first message, "Base.1.8.InsufficientPrivilege"
	Hint      string        // what the person or the caller does next
	Status    int           // HTTP status; 0 if there was no answer
	Wait      time.Duration // when to come back; 0: no advice
	Err       error         // a sentinel of this package, the cause, or both joined
}

// Error implements error in one line: op, endpoint, status, cause, message, hint.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s: ", e.Op, e.Endpoint)
	if e.Status != 0 {
		fmt.Fprintf(&b, "HTTP %d: ", e.Status)
	}
	if e.Err != nil {
		b.WriteString(strings.ReplaceAll(e.Err.Error(), "\n", ": "))
	}
	if e.MessageID != "" {
		fmt.Fprintf(&b, " [%s]", e.MessageID)
	}
	if e.Wait > 0 {
		fmt.Fprintf(&b, "; come back in %s", e.Wait.Round(time.Second))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Unwrap gives errors.Is and errors.As the sentinel and the cause.
func (e *Error) Unwrap() error { return e.Err }
