package redfish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	hintRotate   = "rotate: the BMC wants its password changed before anything else"
	hintReadBack = "read the state back before anything is sent again"
)

// fault turns a failed exchange without an answer into the package's error.
func fault(op, endpoint string, write bool, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	out := &Error{Op: op, Endpoint: endpoint, Err: err}
	var w *wireError
	var refused *guardError
	switch {
	case errors.As(err, &refused):
		out.Hint = "nothing was sent"
	case errors.Is(err, errWrongFile):
		out.Hint = "the upload was cut before its end; fetch the image again"
	case errors.Is(err, ErrReadOnly):
		out.Hint = "dial with a guard to write"
	case errors.Is(err, ErrBusy):
		out.Wait = time.Second
	case errors.Is(err, ErrPin):
		out.Hint = "nothing is accepted until a person confirms the new certificate"
	case errors.Is(err, ErrUnsupported), errors.Is(err, errTooLarge):
	case errors.As(err, &w) && w.sent && write:
		out.Err, out.Hint = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err), hintReadBack
	case errors.Is(err, context.Canceled):
		if write {
			out.Hint = "nothing was sent"
		}
	default:
		out.Err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return out
}

// verdict is redfish.md §2.4 for an answer: nil for success, else the typed
// error with the BMC's own words.
func verdict(op, endpoint string, write bool, status int, h http.Header, body []byte) error {
	ms := messagesOf(body)
	out := &Error{Op: op, Endpoint: endpoint, Status: status}
	text := http.StatusText(status)
	if len(ms) > 0 {
		out.MessageID, out.Hint = ms[0].ID, ms[0].Hint
		if ms[0].Text != "" {
			text = ms[0].Text
		}
	}
	cause := errors.New(text)
	as := func(sentinel error) error {
		out.Err = fmt.Errorf("%w: %w", sentinel, cause)
		return out
	}
	if status < 300 {
		return errorIn2xx(out, write, body, ms, cause)
	}
	if write && (status == http.StatusBadRequest || status == http.StatusConflict) && passing(ms) {
		status = http.StatusServiceUnavailable
	}
	switch status {
	case http.StatusUnauthorized:
		return as(ErrAuth)
	case http.StatusForbidden:
		return forbidden(out, write, ms, as)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		out.Wait = min(retryAfter(h, time.Now()), retryAfterCap)
		if out.Wait == 0 {
			out.Wait = 2 * time.Second
		}
		return as(ErrBusy)
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		if write {
			out.Hint = hintReadBack
			return as(ErrOutcomeUnknown)
		}
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if write {
			return as(ErrUnsupported)
		}
	}
	out.Err = cause
	return out
}

func forbidden(out *Error, write bool, ms []message, as func(error) error) error {
	if _, ok := mustChange(ms); ok {
		out.Hint = hintRotate
		return as(ErrAuth)
	}
	reason := "privilege"
	if slices.ContainsFunc(ms, func(m message) bool { return m.is("LIC501", "SWC0242", "LicenseRequired", "LicenseKeyRequired") }) {
		reason = "licence"
	}
	if out.Hint == "" {
		out.Hint = "missing " + reason
	}
	if write {
		return as(ErrUnsupported)
	}
	out.Err = fmt.Errorf("%s: %s", reason, http.StatusText(out.Status))
	return out
}

// errorIn2xx finds the error that some BMCs send as a success. A write that
// cannot be told either way is unknown, never a success.
func errorIn2xx(out *Error, write bool, body []byte, ms []message, cause error) error {
	if errorBody(body) == nil {
		return nil
	}
	out.Err = fmt.Errorf("an error in a success answer: %w", cause)
	switch {
	case !write:
		return out
	case accepted(ms):
		return nil
	case slices.ContainsFunc(ms, func(m message) bool { return m.Severity == "Critical" }):
		return out
	}
	out.Err, out.Hint = fmt.Errorf("%w: %w", ErrOutcomeUnknown, out.Err), hintReadBack
	return out
}
