package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
)

// Caller is who sent a request, with the grants that hold now.
type Caller struct {
	Person inventory.Person
	Grants []inventory.Grant
	token  inventory.Digest // to ask again, for streams that outlive a grant
}

// Unknown reports that an error of Identify means no valid token, and not that
// the record could not be asked.
func Unknown(err error) bool { return errors.Is(err, errUnknownCaller) }

type callerKey struct{}

var errUnknownCaller = errors.New("no valid token")

func caller(ctx context.Context) (Caller, error) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	if !ok {
		return Caller{}, problem(fmt.Errorf("this endpoint needs a token: %w", errUnknownCaller))
	}
	return c, nil
}

// WithCaller is for the pages, which have checked a session of their own.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Identify finds the caller of a bearer token. Wrong, expired and unknown
// tokens look alike from outside.
func (s *Service) Identify(ctx context.Context, token string) (Caller, error) {
	t, err := s.Store.Token(ctx, auth.HashToken(token))
	if errors.Is(err, inventory.ErrNotFound) {
		return Caller{}, fmt.Errorf("the token is not known here: %w", errUnknownCaller)
	}
	if err != nil {
		return Caller{}, err
	}
	p, err := s.Store.Person(ctx, t.Person)
	if err != nil {
		return Caller{}, err
	}
	now := time.Now()
	grants, err := auth.Effective(t, p, now)
	if err != nil {
		return Caller{}, fmt.Errorf("%w: %w", errUnknownCaller, err)
	}
	if now.Sub(t.Used) > time.Minute { // last use is for people; a write per request would be noise
		t.Used = now
		if err := s.Store.SaveToken(ctx, t); err != nil && !errors.Is(err, inventory.ErrReadOnly) {
			return Caller{}, err
		}
	}
	return Caller{Person: p, Grants: grants, token: t.Hash}, nil
}

// openPath is the one endpoint that answers without a token.
const openPath = "/v1/health"

// frame gives each request an id, a cause and its caller, and bounds its body.
func (s *Service) frame(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r))
		cause := inventory.Cause{Via: via(r), Request: id}
		if at, err := time.Parse(time.RFC3339, r.Header.Get("X-Client-Time")); err == nil {
			cause.Client = at
		}
		ctx := r.Context()
		if token, ok := auth.Bearer(r.Header.Get("Authorization")); ok {
			c, err := s.Identify(ctx, token)
			if err != nil && !errors.Is(err, errUnknownCaller) {
				s.Log.Error("cannot check a token", "err", err, "request", id)
			}
			if err != nil {
				writeProblem(w, problem(err), id)
				return
			}
			ctx, cause.By = WithCaller(ctx, c), string(c.Person.ID)
		} else if r.URL.Path != openPath { // asked here once, so that no endpoint can forget it
			writeProblem(w, problem(fmt.Errorf("%s %s needs a token: %w", r.Method, r.URL.Path, errUnknownCaller)), id)
			return
		}
		next.ServeHTTP(w, r.WithContext(inventory.WithCause(ctx, cause)))
	})
}

func via(r *http.Request) string {
	switch v := r.Header.Get("X-Rackwright-Via"); v {
	case "cli", "web", "offline":
		return v
	}
	return "api"
}

func writeProblem(w http.ResponseWriter, err error, id string) {
	var p *Problem
	if !errors.As(err, &p) {
		p = problem(fmt.Errorf("%w", err)).(*Problem)
	}
	named := *p
	named.RequestID = id
	maps.Copy(w.Header(), named.GetHeaders())
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(named.Status)
	_ = jsonFormat.Marshal(w, named) // the client is gone when this fails
}

// may asks the role matrix about a rack; the zero rack is the whole site.
func (s *Service) may(ctx context.Context, a auth.Action, rack inventory.Rack) (Caller, error) {
	c, err := caller(ctx)
	if err != nil {
		return c, err
	}
	return c, s.denied(c, a, rack)
}

// denied asks the matrix; a refusal names the person whose token it is, since a
// shared laptop is often logged in as somebody else.
func (s *Service) denied(c Caller, a auth.Action, rack inventory.Rack) error {
	if err := auth.Can(c.Grants, a, s.target(rack), time.Now()); err != nil {
		return problem(fmt.Errorf("you are %s: %w", c.Person.ID, err))
	}
	return nil
}

func (s *Service) target(rack inventory.Rack) auth.Target {
	site := s.Site
	if rack.Site != "" {
		site = rack.Site
	}
	return auth.Target{Site: site, Rack: rack.ID, Name: rack.Name}
}

// reach returns the racks that the caller may read; a foreign rack looks as if
// it did not exist.
func (s *Service) reach(ctx context.Context) ([]inventory.Rack, error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.Store.Racks(ctx)
	if err != nil {
		return nil, problem(err)
	}
	mine := []inventory.Rack{}
	for _, r := range all {
		if auth.Can(c.Grants, auth.Read, s.target(r), time.Now()) == nil {
			mine = append(mine, r)
		}
	}
	return mine, nil
}

// rack finds a rack and asks the matrix. Somebody who may not even read it is
// told that it does not exist, so that names of others leak to nobody.
func (s *Service) rack(ctx context.Context, id string, a auth.Action) (inventory.Rack, Caller, error) {
	c, err := caller(ctx)
	if err != nil {
		return inventory.Rack{}, c, err
	}
	r, err := s.Store.Rack(ctx, inventory.RackID(id))
	if err == nil && auth.Can(c.Grants, auth.Read, s.target(r), time.Now()) != nil {
		err = fmt.Errorf("rack %q: %w", id, inventory.ErrNotFound)
	}
	if errors.Is(err, inventory.ErrNotFound) {
		return inventory.Rack{}, c, s.noRack(ctx, id, err)
	}
	if err != nil {
		return inventory.Rack{}, c, problem(err)
	}
	return r, c, s.denied(c, a, r)
}

// noRack says what may have been meant, among what the caller may see.
func (s *Service) noRack(ctx context.Context, id string, cause error) error {
	name, slot, isNode := strings.Cut(id, "/")
	mine, err := s.reach(ctx)
	if err != nil {
		return err
	}
	for _, r := range mine {
		if strings.EqualFold(r.Name, name) && (isNode || r.Name != name) {
			if isNode {
				return missing(cause, "This takes a rack: "+r.Name+". For the node: rackwright describe "+r.Name+"/"+slot+".")
			}
			return missing(cause, "Is "+r.Name+" meant? Names are as on the packing list.")
		}
	}
	return problem(cause)
}

// node finds a node the same way, through its rack.
func (s *Service) node(ctx context.Context, id string, a auth.Action) (inventory.Node, inventory.Rack, Caller, error) {
	n, err := s.Store.Node(ctx, inventory.NodeID(id))
	if err != nil {
		if _, cerr := caller(ctx); cerr != nil {
			return n, inventory.Rack{}, Caller{}, cerr
		}
		if errors.Is(err, inventory.ErrNotFound) {
			err = s.noNode(ctx, id, err)
		}
		return n, inventory.Rack{}, Caller{}, problem(err)
	}
	r, c, err := s.rack(ctx, string(n.Rack), a)
	if errors.Is(err, inventory.ErrNotFound) {
		err = problem(fmt.Errorf("node %q: %w", id, inventory.ErrNotFound))
	}
	return n, r, c, err
}

// noNode says what may have been meant, among what the caller may see.
func (s *Service) noNode(ctx context.Context, id string, cause error) error {
	mine, err := s.reach(ctx)
	if err != nil {
		return err
	}
	name, slot, isNode := strings.Cut(id, "/")
	for _, r := range mine {
		switch {
		case !strings.EqualFold(r.Name, name):
		case !isNode:
			return missing(cause, "This takes a node, such as "+r.Name+"/C01: rackwright get nodes "+r.Name+".")
		default:
			f, err := facts.Rack(ctx, s.Store, r.ID, now())
			if err != nil {
				return err
			}
			if slices.ContainsFunc(f.Type.Slots, func(x inventory.Slot) bool { return x.Path == slot }) && r.Name == name {
				return missing(cause, "Slot "+slot+" of "+r.Name+" holds no node: no packing list names it. Import one that does.")
			}
			for _, n := range f.Nodes {
				if strings.EqualFold(n.Slot, slot) {
					return missing(cause, "Is "+n.Address+" meant?")
				}
			}
		}
	}
	return cause
}
