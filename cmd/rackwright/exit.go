package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/cmd/rackwright/internal/client"
	"github.com/rackwright/rackwright/inventory"
)

// Exit codes (interface.md §2); they are a contract for scripts.
const (
	exitOK       = 0
	exitError    = 1
	exitUsage    = 2
	exitNotFound = 3
	exitConflict = 4
	exitFindings = 5 // findings open, verdict fail, package not valid
	exitDenied   = 6
	exitTimeout  = 7
	exitPartial  = 8 // some targets failed or unknown; verdict unjudged
)

// errUsage marks what the person typed wrong.
var errUsage = errors.New("usage")

// findings is not a failure of the program: it worked, and what it found is bad.
type findings struct{ what string }

func (f *findings) Error() string { return f.what }

// exited: a copy of this program ended so and has said why.
type exited struct{ code int }

func (e *exited) Error() string { return fmt.Sprintf("ended with exit code %d", e.code) }

// partial: some targets are not ok.
type partial struct{ what string }

func (p *partial) Error() string { return p.what }

func exitCode(err error) int {
	var f *findings
	var child *exited
	var part *partial
	var p *api.Problem
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &child):
		return child.code
	case errors.As(err, &f):
		return exitFindings
	case errors.As(err, &part):
		return exitPartial
	case errors.As(err, &p):
		return exitOfStatus(p.Status)
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, errUsage), errors.Is(err, inventory.ErrInvalid):
		return exitUsage
	case errors.Is(err, inventory.ErrNotFound):
		return exitNotFound
	case errors.Is(err, inventory.ErrConflict), errors.Is(err, inventory.ErrHeld):
		return exitConflict
	case errors.Is(err, inventory.ErrDenied):
		return exitDenied
	case strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "unknown flag"):
		return exitUsage // cobra has no type for these two
	}
	return exitError
}

func exitOfStatus(status int) int {
	switch status {
	case 400, 413, 415, 422:
		return exitUsage
	case 401, 403:
		return exitDenied
	case 404:
		return exitNotFound
	case 409, 412:
		return exitConflict
	case 504:
		return exitTimeout
	}
	return exitError
}

// inBody is how the API names a field of a request (RFC 9457 errors).
var inBody = regexp.MustCompile(`\(?\b(?:body|query)\.(\w+)(?:: ([^()]*))?\)?`)

// flagged names the flag or word that a person typed instead of the field it became.
func flagged(text string) string {
	return inBody.ReplaceAllStringFunc(text, func(m string) string {
		part := inBody.FindStringSubmatch(m)
		if part[2] == "" {
			return "(" + part[1] + ": nothing given)"
		}
		return "(" + part[1] + ": " + part[2] + ")"
	})
}

// explain prints what, why and what to do, never a stack.
func explain(err error) string {
	if err == context.Canceled { // alone: beside it, another error must still be seen
		return "rackwright: interrupted"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "rackwright: %v", err)
	var p *api.Problem
	if errors.As(err, &p) {
		for _, e := range p.Errors {
			fmt.Fprintf(&b, "\n  %s", flagged(e))
		}
		for _, x := range p.Blockers {
			fmt.Fprintf(&b, "\n  %s (%s): %s", x.Gate, x.Owner, inventory.Sentence(x.Fix, x.Args))
		}
		if p.Fix != "" {
			fmt.Fprintf(&b, "\n  fix: %s", p.Fix)
		}
		if p.RequestID != "" {
			fmt.Fprintf(&b, "\n  request: %s", p.RequestID)
		}
	}
	var unknown *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		b.WriteString("\n  fix: Its key is not pinned here. Run rackwright login SERVER and compare the pin with the one serve printed, or give that one: --pin.")
	case errors.Is(err, client.ErrOtherKey):
		b.WriteString("\n  fix: This may not be your server. Compare the pin with the one that serve prints at its start; only then rackwright login again.")
	case errors.Is(err, client.ErrUnreachable):
		b.WriteString("\n  fix: Check the address and that the server runs: rackwright doctor, rackwright serve.")
	}
	return b.String()
}
