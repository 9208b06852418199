package burnin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// Desk is the record as the protocol needs it; [Book] implements it.
type Desk interface {
	// Redeem trades a boot token once and says what to run. Errors: ErrRedeemed,
	// inventory.ErrDenied (no such token), inventory.ErrNotFound (unknown node).
	Redeem(ctx context.Context, token inventory.Secret, h Hello) (Assignment, error)
	// Assignment says again what a run is; inventory.ErrNotFound when it is over.
	Assignment(ctx context.Context, run inventory.RunID) (Assignment, error)
	// Observe records an in-band reading of the run's node.
	Observe(ctx context.Context, run inventory.RunID, o inventory.Observation) error
	// Append stores a batch and returns the next wanted number. What was stored
	// before is ignored; a gap is a *GapError.
	Append(ctx context.Context, run inventory.RunID, b Batch) (uint64, error)
}

// Ingest is the server's end of the protocol: an http.Handler for the
// provisioning listener. Key signs the credentials of runs, so no server has to
// remember them; it is the same on all servers of a site.
type Ingest struct {
	Desk Desk
	Key  inventory.Secret
	Log  *slog.Logger
	Now  func() time.Time // nil: time.Now

	mu    sync.Mutex
	heard map[inventory.RunID]time.Time
}

// ServeHTTP implements http.Handler below [Prefix].
func (g *Ingest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Prefix+"/hello", g.hello)
	mux.HandleFunc("GET "+Prefix+"/runs/{run}/assignment", g.authorised(g.assignment))
	mux.HandleFunc("POST "+Prefix+"/runs/{run}/observation", g.authorised(g.observation))
	mux.HandleFunc("POST "+Prefix+"/runs/{run}/samples", g.authorised(g.samples))
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	mux.ServeHTTP(w, r)
}

// Heard is when the run's agent last spoke to this process; false when it never
// did. Silence is unjudged, never a fail.
func (g *Ingest) Heard(run inventory.RunID) (time.Time, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.heard[run]
	return t, ok
}

func (g *Ingest) note(run inventory.RunID) {
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heard == nil {
		g.heard = map[inventory.RunID]time.Time{}
	}
	g.heard[run] = now()
}

// Credential is the secret of one run: HMAC-SHA-256 over its id.
func (g *Ingest) Credential(run inventory.RunID) string {
	mac := hmac.New(sha256.New, []byte(g.Key.Reveal()))
	fmt.Fprintf(mac, "rackwright agent credential\n%s", run) // a hash does not fail
	return hex.EncodeToString(mac.Sum(nil))
}

func (g *Ingest) hello(w http.ResponseWriter, r *http.Request) {
	token, ok := bearer(r)
	if !ok || g.Key.IsZero() {
		g.refuse(w, r, fmt.Errorf("hello without a boot token: %w", inventory.ErrDenied))
		return
	}
	var h Hello
	if !g.read(w, r, &h) {
		return
	}
	if h.Protocol != Protocol || h.BootID == "" {
		g.refuse(w, r, fmt.Errorf("agent speaks protocol %d with boot %q, this server %d: build the image again: %w", h.Protocol, h.BootID, Protocol, inventory.ErrInvalid))
		return
	}
	a, err := g.Desk.Redeem(r.Context(), inventory.NewSecret(token), h)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	g.note(a.Run)
	g.write(w, r, http.StatusOK, Welcome{Credential: g.Credential(a.Run), Assignment: a})
}

type runHandler func(w http.ResponseWriter, r *http.Request, run inventory.RunID)

func (g *Ingest) authorised(next runHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		run := inventory.RunID(r.PathValue("run"))
		token, ok := bearer(r)
		if !ok || g.Key.IsZero() || !hmac.Equal([]byte(token), []byte(g.Credential(run))) {
			g.refuse(w, r, fmt.Errorf("run %s: wrong credential: %w", run, inventory.ErrDenied))
			return
		}
		g.note(run)
		next(w, r, run)
	}
}

func (g *Ingest) assignment(w http.ResponseWriter, r *http.Request, run inventory.RunID) {
	a, err := g.Desk.Assignment(r.Context(), run)
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	g.write(w, r, http.StatusOK, a)
}

func (g *Ingest) observation(w http.ResponseWriter, r *http.Request, run inventory.RunID) {
	var o inventory.Observation
	if !g.read(w, r, &o) {
		return
	}
	if err := g.Desk.Observe(r.Context(), run, o); err != nil {
		g.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (g *Ingest) samples(w http.ResponseWriter, r *http.Request, run inventory.RunID) {
	var b Batch
	if !g.read(w, r, &b) {
		return
	}
	if err := b.Check(run); err != nil {
		g.refuse(w, r, err)
		return
	}
	next, err := g.Desk.Append(r.Context(), run, b)
	var gap *GapError
	if errors.As(err, &gap) {
		g.Log.Warn("burn-in samples have a gap", "run", run, "from", gap.From, "want", gap.Want)
		g.write(w, r, http.StatusConflict, Ack{Next: gap.Want, Reason: gap.Error()})
		return
	}
	if err != nil {
		g.refuse(w, r, err)
		return
	}
	g.write(w, r, http.StatusOK, Ack{Next: next})
}

func bearer(r *http.Request) (string, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token, ok && token != ""
}

// read decodes one JSON value and nothing after it.
func (g *Ingest) read(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(r.Body)
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if err != nil {
		g.refuse(w, r, fmt.Errorf("body: %w: %w", err, inventory.ErrInvalid))
		return false
	}
	return true
}

func (g *Ingest) write(w http.ResponseWriter, r *http.Request, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		g.Log.Warn("answer to agent was cut", "path", r.URL.Path, "error", err)
	}
}

// refuse maps errors to codes; the agent gives up on 4xx but 409 of samples.
func (g *Ingest) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := http.StatusInternalServerError
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		code = http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrRedeemed):
		code = http.StatusGone
	case errors.Is(err, inventory.ErrDenied):
		code = http.StatusForbidden
	case errors.Is(err, inventory.ErrNotFound):
		code = http.StatusNotFound
	case errors.Is(err, inventory.ErrInvalid):
		code = http.StatusBadRequest
	case errors.Is(err, inventory.ErrReadOnly):
		code = http.StatusServiceUnavailable // the agent keeps its samples and tries again
	}
	g.Log.Warn("agent refused", "path", r.URL.Path, "remote", r.RemoteAddr, "code", code, "error", err)
	g.write(w, r, code, Ack{Reason: err.Error()})
}
