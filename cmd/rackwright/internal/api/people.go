package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/auth"
	"github.com/rackwright/rackwright/inventory"
)

// TokenRequest makes a token for a person.
type TokenRequest struct {
	Person inventory.PersonID `json:"person"`
	Grants []inventory.Grant  `json:"grants,omitempty" doc:"empty: all the person's own"`
	Until  time.Time          `json:"until"`
	Note   string             `json:"note,omitempty" doc:"where it will be used"`
}

// NewTokenAnswer shows a token once; it is stored as a hash only.
type NewTokenAnswer struct {
	Token  string             `json:"token"`
	Prefix string             `json:"prefix"`
	Person inventory.PersonID `json:"person"`
	Until  time.Time          `json:"until"`
}

var personID = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`)

func (s *Service) addPeople(api huma.API) {
	huma.Register(api, op(http.MethodGet, "/people", "list-people", "People and their grants"),
		func(ctx context.Context, _ *struct{}) (*body[[]inventory.Person], error) {
			if _, err := s.may(ctx, auth.Administer, inventory.Rack{}); err != nil {
				return nil, err
			}
			list, err := s.Store.Persons(ctx)
			return answer(nonNil(list)), problem(err)
		})
	huma.Register(api, op(http.MethodPut, "/people/{person}", "save-person", "Add or change a person"), s.savePerson)
	huma.Register(api, op(http.MethodPost, "/tokens", "make-token", "Make a token; it is shown once"), s.makeToken)
}

type personIn struct {
	Person string `path:"person"`
	Body   struct {
		Name     string            `json:"name"`
		Grants   []inventory.Grant `json:"grants"`
		Disabled bool              `json:"disabled,omitempty"`
	}
}

func (s *Service) savePerson(ctx context.Context, in *personIn) (*body[inventory.Person], error) {
	if _, err := s.may(ctx, auth.Administer, inventory.Rack{}); err != nil {
		return nil, err
	}
	if !personID.MatchString(in.Person) {
		return nil, invalid("person id "+in.Person+" is not usable", "Use 2 to 64 of a-z, 0-9, dot, dash, underscore, @.")
	}
	for _, g := range in.Body.Grants {
		if !slices.Contains(auth.Roles(), g.Role) {
			return nil, invalid(fmt.Sprintf("role %q is not known", g.Role), fmt.Sprintf("Use one of %v.", auth.Roles()))
		}
		if (g.Role == inventory.RoleVendor || g.Role == inventory.RoleAcceptor) && len(g.Racks) == 0 {
			return nil, invalid("a grant of the role "+string(g.Role)+" without racks reaches nothing", "Name them: --rack A12 (API: racks).")
		}
		if g.Role == inventory.RoleVendor && g.Until.IsZero() {
			return nil, invalid("a vendor grant needs an end", "Say for how long: --for 120h (API: until).")
		}
	}
	p := inventory.Person{ID: inventory.PersonID(in.Person), Name: in.Body.Name, Grants: in.Body.Grants, Disabled: in.Body.Disabled}
	if err := s.adminLeft(ctx, p); err != nil {
		return nil, err
	}
	if err := s.Store.SavePerson(ctx, p); err != nil {
		return nil, problem(err)
	}
	return answer(p), nil
}

// adminLeft: somebody can still administer the site after p is saved.
func (s *Service) adminLeft(ctx context.Context, p inventory.Person) error {
	all, err := s.Store.Persons(ctx)
	if err != nil {
		return problem(err)
	}
	all = append(slices.DeleteFunc(all, func(o inventory.Person) bool { return o.ID == p.ID }), p)
	for _, o := range all {
		if !o.Disabled && auth.Can(o.Grants, auth.Administer, auth.Target{Site: s.Site}, now()) == nil {
			return nil
		}
	}
	return invalid("nobody would be left who may administer this site", "Give another person the role first: rackwright people save PERSON --role admin.")
}

type tokenIn struct{ Body TokenRequest }

func (s *Service) makeToken(ctx context.Context, in *tokenIn) (*body[NewTokenAnswer], error) {
	c, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if c.Person.ID != in.Body.Person { // for oneself, a narrower token is anybody's right
		if _, err := s.may(ctx, auth.Administer, inventory.Rack{}); err != nil {
			return nil, err
		}
	}
	p, err := s.Store.Person(ctx, in.Body.Person)
	if errors.Is(err, inventory.ErrNotFound) {
		return nil, missing(err, "List people: rackwright people list; add one: rackwright people save.")
	}
	if err != nil {
		return nil, problem(err)
	}
	own := p
	if c.Person.ID == p.ID {
		own.Grants = c.Grants // never more than the token that asks
	}
	grants := in.Body.Grants
	if len(grants) == 0 {
		grants = own.Grants
	}
	secret, t, err := auth.NewToken(own, grants, in.Body.Until, in.Body.Note, now())
	if err != nil {
		return nil, problem(err)
	}
	if err := s.Store.SaveToken(ctx, t); err != nil {
		return nil, problem(err)
	}
	return answer(NewTokenAnswer{Token: secret.Reveal(), Prefix: t.Prefix, Person: t.Person, Until: t.Until}), nil
}
