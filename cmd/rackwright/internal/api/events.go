package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

// maxChains bounds one stream (interface.md §1).
const maxChains = 64

const (
	pollChains = 500 * time.Millisecond
	askAgain   = 2 * time.Second // a stream ends this soon after its reader's right
	heartbeat  = 15 * time.Second
)

// events streams hash chains as server-sent events: chains=A12:118,A13:40, a
// rack and the last number already known. The event id is that list, so
// Last-Event-ID resumes it.
func (s *Service) events(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	want := r.URL.Query().Get("chains")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		want = last
	}
	chains, err := s.chains(ctx, want)
	if err != nil {
		writeProblem(w, err, inventory.CauseOf(ctx).Request)
		return
	}
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if out.Flush() != nil { // the head leaves now: until it does, the client does not know that it listens
		return
	}
	beat, asked := time.Now(), time.Now()
	for {
		if time.Since(asked) > askAgain {
			if asked = time.Now(); s.still(ctx, chains) != nil {
				return // the client asks anew and is told why
			}
		}
		sent, err := s.push(ctx, w, chains)
		if err != nil {
			return // the client is gone or the record is; the client reconnects with its last id
		}
		if sent == 0 && time.Since(beat) > heartbeat {
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return
			}
			sent = 1
		}
		if sent > 0 {
			beat = time.Now()
			if out.Flush() != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollChains):
		}
	}
}

// Events is the stream for the pages: the caller stands in the context already.
func (s *Service) Events(w http.ResponseWriter, r *http.Request) { s.events(w, r) }

// still asks whether the reader's token, person and grants hold now as they did
// when the stream began.
func (s *Service) still(ctx context.Context, chains []*chain) error {
	c, err := caller(ctx)
	if err != nil {
		return err
	}
	t, err := s.Store.Token(ctx, c.token)
	if err != nil {
		return err
	}
	p, err := s.Store.Person(ctx, t.Person)
	if err != nil {
		return err
	}
	grants, err := auth.Effective(t, p, now())
	for _, c := range chains {
		if err == nil {
			err = auth.Can(grants, auth.Read, s.target(c.rack), now())
		}
	}
	return err
}

type chain struct {
	rack    inventory.Rack
	name    string
	subject inventory.Subject
	after   uint64
}

func (s *Service) chains(ctx context.Context, list string) ([]*chain, error) {
	var out []*chain
	for _, part := range strings.Split(list, ",") {
		name, number, _ := strings.Cut(strings.TrimSpace(part), ":")
		if name == "" {
			continue
		}
		r, _, err := s.rack(ctx, name, auth.Read)
		if err != nil {
			return nil, err
		}
		c := &chain{rack: r, name: r.Name, subject: inventory.RackSubject(r.ID)}
		if number == "" {
			c.after, _, err = s.Store.Head(ctx, c.subject)
		} else {
			c.after, err = strconv.ParseUint(number, 10, 64)
		}
		if err != nil {
			return nil, invalid(fmt.Sprintf("chain %q: %v", part, err), "Write chains=A12:118,A13:40 with the last number you know.")
		}
		out = append(out, c)
	}
	if len(out) == 0 || len(out) > maxChains {
		return nil, invalid(fmt.Sprintf("%d chains are named", len(out)), fmt.Sprintf("Name 1 to %d racks: chains=A12:118,A13:40.", maxChains))
	}
	return out, nil
}

func (s *Service) push(ctx context.Context, w http.ResponseWriter, chains []*chain) (int, error) {
	sent := 0
	for _, c := range chains {
		for e, err := range s.Store.Entries(ctx, c.subject, c.after) {
			if err != nil {
				return sent, err
			}
			c.after = e.Seq
			raw, err := json.Marshal(e)
			if err != nil {
				return sent, err
			}
			if _, err := fmt.Fprintf(w, "id: %s\ndata: %s\n\n", position(chains), raw); err != nil {
				return sent, err
			}
			sent++
		}
	}
	return sent, nil
}

func position(chains []*chain) string {
	parts := make([]string, len(chains))
	for i, c := range chains {
		parts[i] = c.name + ":" + strconv.FormatUint(c.after, 10)
	}
	return strings.Join(parts, ",")
}
