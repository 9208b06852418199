package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// serviceRoot is what the broker needs of /redfish/v1/.
type serviceRoot struct {
	RedfishVersion string
	UUID           string
	Product        string
	Vendor         string
	Links          struct{ Sessions odata }
	SessionService odata
	AccountService odata
	UpdateService  odata
	Systems        odata
	Chassis        odata
	Managers       odata
	Tasks          odata
	JobService     odata
}

// odata is {"@odata.id": "…"}; the zero value is "not linked".
type odata struct {
	ID string `json:"@odata.id"`
}

func (r *serviceRoot) identity() string { return r.RedfishVersion + "|" + r.Product + "|" + r.UUID }

// service reads the root once, without logging in.
func (b *broker) service(ctx context.Context) (*serviceRoot, error) {
	b.mu.Lock()
	root := b.root
	b.mu.Unlock()
	if root != nil {
		return root, nil
	}
	req, err := b.request(ctx, call{op: "get " + rootURI, session: true, json: true}, http.MethodGet, rootURI, nil)
	if err != nil {
		return nil, b.refuse("get "+rootURI, err, "")
	}
	r, err := b.send(b.inner, req)
	root = &serviceRoot{}
	var e *Error
	switch {
	case errors.As(err, &e) && e.Status == http.StatusUnauthorized:
		return root, nil // a root behind a login: go by the standard's names, read it again later
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(r.body, root); err != nil {
		return nil, &Error{Op: "get " + rootURI, Endpoint: b.name, Status: r.status, Err: fmt.Errorf("no Redfish service root: %w", err)}
	}
	b.mu.Lock()
	b.root = root
	b.mu.Unlock()
	return root, nil
}

// sessionURIs are the places to POST a login to, most likely first.
func sessionURIs(learned string, root *serviceRoot) []string {
	var all []string
	add := func(uri string) {
		for _, u := range all {
			if u == uri {
				return
			}
		}
		if p, err := localPath(uri); uri != "" && err == nil {
			all = append(all, p)
		}
	}
	add(learned)
	if s := root.Links.Sessions.ID; s != "" {
		add(s)
		add(twin(s))
	}
	add("/redfish/v1/SessionService/Sessions")
	return all
}

// openSession finds the way this BMC takes a login and uses it once.
func (b *broker) openSession(ctx context.Context, via http.RoundTripper, root *serviceRoot, user string, secret inventory.Secret) (*session, error) {
	f := b.facts()
	if b.profile.Basic || f.Basic {
		return b.openBasic(ctx, via, root, user, secret)
	}
	basicPost := f.BasicPost || b.profile.BasicLogin
	for _, uri := range sessionURIs(f.SessionsURI, root) {
		r, err := b.postLogin(ctx, via, uri, user, secret, basicPost)
		if err == nil && r.status == http.StatusUnauthorized && !basicPost && wantsBasic(r) {
			// It never looked at the body, so this was not a wrong login.
			basicPost = true
			r, err = b.postLogin(ctx, via, uri, user, secret, basicPost)
		}
		if err != nil {
			return nil, err
		}
		if r.status == http.StatusNotFound || r.status == http.StatusMethodNotAllowed {
			continue
		}
		if r.status >= 300 {
			return nil, b.refused(ctx, user, secret, *r)
		}
		s, err := sessionOf(r, user)
		if err != nil {
			return nil, &Error{Op: "login", Endpoint: b.name, Status: r.status, Err: err}
		}
		b.mu.Lock()
		b.state.Facts.SessionsURI, b.state.Facts.BasicPost = uri, basicPost
		b.mu.Unlock()
		b.noteClock(r)
		return s, nil
	}
	return b.openBasic(ctx, via, root, user, secret)
}

// wantsBasic: a 401 to the POST itself, not to the credentials in it. Only an
// empty challenge says so: with a Redfish error body the two look alike, and to
// try would be a second wrong login. Such BMCs have Profile.BasicLogin.
func wantsBasic(r *reply) bool {
	return strings.HasPrefix(strings.ToLower(r.header.Get("WWW-Authenticate")), "basic") && len(messagesOf(r.body)) == 0
}

func (b *broker) postLogin(ctx context.Context, via http.RoundTripper, uri, user string, secret inventory.Secret, basic bool) (*reply, error) {
	body, err := json.Marshal(map[string]string{"UserName": user, "Password": secret.Reveal()})
	if err != nil {
		return nil, b.refuse("login", err, "")
	}
	req, err := b.request(ctx, call{op: "login", session: true}, http.MethodPost, uri, bytes.NewReader(body))
	if err != nil {
		return nil, b.refuse("login", err, "")
	}
	req.Header.Set("Content-Type", "application/json")
	if basic {
		req.SetBasicAuth(user, secret.Reveal())
	}
	r, err := b.send(via, req)
	if r != nil {
		return r, nil // the status decides
	}
	return nil, err
}

// sessionOf reads a login's answer: 201 with body, Location and token; 200 and
// 204 with a token are accepted.
func sessionOf(r *reply, user string) (*session, error) {
	var body struct {
		ID          string `json:"@odata.id"`
		CreatedTime string
	}
	if len(r.body) > 0 && json.Unmarshal(r.body, &body) != nil {
		body.ID = "" // the headers carry what is needed
	}
	s := &session{user: user, token: r.header.Get("X-Auth-Token"), uri: r.location(), created: body.CreatedTime, born: time.Now(), last: time.Now()}
	if s.uri == "" {
		s.uri = ownPath(body.ID)
	}
	if s.token == "" {
		return nil, errors.New("the login was answered without an X-Auth-Token")
	}
	s.account, s.mustChange = mustChange(messagesOf(r.body))
	return s, nil
}

// openBasic proves the credentials by one read that needs them.
func (b *broker) openBasic(ctx context.Context, via http.RoundTripper, root *serviceRoot, user string, secret inventory.Secret) (*session, error) {
	for _, l := range []odata{root.Systems, root.Chassis, root.Managers} {
		if l.ID == "" {
			continue
		}
		req, err := b.request(ctx, call{op: "login", session: true}, http.MethodGet, l.ID, nil)
		if err != nil {
			return nil, b.refuse("login", err, "")
		}
		req.SetBasicAuth(user, secret.Reveal())
		r, err := b.send(via, req)
		if r == nil {
			return nil, err
		}
		s := &session{user: user, secret: secret, basic: true, born: time.Now(), last: time.Now()}
		if account, must := mustChange(messagesOf(r.body)); must {
			s.account, s.mustChange = account, true
		} else if err != nil {
			return nil, b.refused(ctx, user, secret, *r)
		}
		b.mu.Lock()
		b.state.Facts.Basic = true
		b.mu.Unlock()
		return s, nil
	}
	return nil, b.refuse("login", fmt.Errorf("%w: neither a session service nor a resource to log in to", ErrUnsupported), "is this a Redfish service?")
}

// noteClock compares the BMC's clock with ours: its times order nothing when
// they disagree.
func (b *broker) noteClock(r *reply) {
	at, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return
	}
	if skew := time.Since(at).Round(time.Second); skew.Abs() > time.Minute {
		b.log.Warn("clock of the BMC is off", "skew", skew.String())
	}
}
