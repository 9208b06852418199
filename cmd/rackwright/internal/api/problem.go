package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/inventory"
)

// Problem is an RFC 9457 error with a code for programs and a fix for people.
type Problem struct {
	Type      string              `json:"type"`
	Title     string              `json:"title"`
	Status    int                 `json:"status"`
	Detail    string              `json:"detail"`
	Code      string              `json:"code"`
	Fix       string              `json:"fix,omitempty"`
	RequestID string              `json:"requestId,omitempty"`
	Blockers  []inventory.Blocker `json:"blockers,omitempty"`
	Lock      *inventory.Lock     `json:"lock,omitempty"`
	Errors    []string            `json:"errors,omitempty"`
	cause     error
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// Unwrap keeps the cause for errors.Is.
func (p *Problem) Unwrap() error { return p.cause }

// GetHeaders implements huma.HeadersError: what is only away for a while says
// when to come back (RFC 9110 §10.2.3).
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "10")
	}
	return h
}

// ContentType implements huma.ContentTypeFilter (RFC 9457 §3).
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// kinds is the one table from errors of the record to HTTP.
var kinds = []struct {
	err    error
	status int
	code   string
	fix    string
}{
	{errUnknownCaller, http.StatusUnauthorized, "unauthenticated", "Send a valid token: rackwright login, or ask an admin for one."},
	{inventory.ErrDenied, http.StatusForbidden, "denied", "Ask somebody who has the role; an admin can grant it."},
	{inventory.ErrNotFound, http.StatusNotFound, "not_found", "List what exists: rackwright get racks, rackwright get nodes RACK."},
	{inventory.ErrInvalid, http.StatusUnprocessableEntity, "invalid", "Correct the input as the detail says and send it again; nothing was changed."},
	{inventory.ErrHeld, http.StatusConflict, "held", "Wait for the run that holds it, or let a technician break the lock with a reason."},
	{inventory.ErrTransition, http.StatusConflict, "transition", "Look where it stands first: rackwright describe."},
	{inventory.ErrConflict, http.StatusConflict, "conflict", "Read it again and decide anew; somebody else changed it, or the key was used for something else."},
	{inventory.ErrStale, http.StatusConflict, "stale", "Read it again and repeat."},
	{inventory.ErrReadOnly, http.StatusServiceUnavailable, "read_only", "Free disk space or make the data directory writable; nothing that was committed is lost."},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout", "Try again; the work itself is not affected."},
}

// problem turns an error of the record into a Problem; nil stays nil.
func problem(err error) error {
	if err == nil {
		return nil
	}
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	p = &Problem{Type: "about:blank", Status: http.StatusInternalServerError, Code: "internal", Detail: err.Error(),
		Fix: "Look into the server's log with the request id; the record is unchanged.", cause: err}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			p.Status, p.Code, p.Fix = k.status, k.code, k.fix
			break
		}
	}
	var shut *inventory.BlockedError
	if errors.As(err, &shut) {
		p.Status, p.Code, p.Blockers = http.StatusConflict, "blocked", shut.Blockers
		p.Fix = "Do what the blockers say; each names who acts next."
	}
	var held *inventory.HeldError
	if errors.As(err, &held) {
		p.Lock = held.Lock
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// missing is a 404 whose fix is about what was looked for, not about racks.
func missing(err error, fix string) error {
	return &Problem{Type: "about:blank", Title: http.StatusText(http.StatusNotFound), Status: http.StatusNotFound,
		Code: "not_found", Detail: err.Error(), Fix: fix, cause: err}
}

// invalid is a 422 whose detail says what and how to fix it.
func invalid(detail, fix string) error {
	return &Problem{Type: "about:blank", Title: http.StatusText(http.StatusUnprocessableEntity), Status: http.StatusUnprocessableEntity,
		Code: "invalid", Detail: detail, Fix: fix, cause: inventory.ErrInvalid}
}

// problemOf gives huma's own validation errors the same shape as ours and adds
// the request id to both.
func problemOf(ctx huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		p := &Problem{Type: "about:blank", Title: m.Title, Status: m.Status, Detail: m.Detail, Code: "invalid", Fix: "Correct the fields that errors names."}
		for _, e := range m.Errors {
			p.Errors = append(p.Errors, e.Error())
		}
		v = p
	}
	if p, ok := v.(*Problem); ok && p.RequestID == "" {
		named := *p
		named.RequestID = inventory.CauseOf(ctx.Context()).Request
		return &named, nil
	}
	return v, nil
}
