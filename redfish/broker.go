package redfish

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/rackwright/rackwright/inventory"
)

// broker is the one owner of a BMC: session, connections, limits, lock-out
// guard, learned facts. All handles of a BMC share it.
type broker struct {
	name     string // scheme://host:port
	url      *url.URL
	log      *slog.Logger
	source   CredentialSource
	memory   Memory
	profile  Profile
	trust    *trust
	wire     *wire
	spare    *wire // of Urgent requests: they wait for no connection either
	limiter  *limiter
	inner    http.RoundTripper // retry → limit → guard → pin → wire
	chain    http.RoundTripper // auth → inner
	rates    rates
	logins   singleflight.Group
	patience time.Duration // of urgent requests with a login that others began
	fresh    sync.Mutex    // held while the session is refreshed

	mu         sync.Mutex
	credential string
	sess       *session
	state      state
	loaded     bool
	root       *serviceRoot
	heardAt    [2]time.Time  // on the connections of work, and of urgent requests
	full       time.Duration // last wait for a full session table
	closed     bool
	rotating   bool                 // a password change is under way: nobody else logs in
	tasks      map[TaskID]time.Time // tasks this process started

	off map[string]powerSwitch // by Endpoint.System: how its host is powered off, for who has no time to look it up

	alarms, leaks alarmCache // the way to the sensors; each locks itself
}

// rates are the caps of the whole site, shared by all brokers.
type rates struct{ requests, handshakes *rate.Limiter }

func newBroker(u *url.URL, d *Dialer, p Profile, ep inventory.Endpoint, r rates) *broker {
	b := &broker{name: u.String(), url: u, log: d.logger().With("bmc", u.Host), source: d.Credentials, memory: d.Memory,
		profile: p, rates: r, patience: urgentPatience, tasks: map[TaskID]time.Time{}}
	b.trust = &trust{mode: d.mode(p), pool: d.CA, name: u.Hostname(), pin: ep.Pin, record: b.recordPin}
	if p.CertName == "mac" {
		b.trust.name = string(ep.MAC)
	}
	n := d.PerBMC
	if n < 1 {
		n = defaultPerBMC
	}
	b.wire = newWire(b.trust.config(p.OldTLS), r.handshakes, n)
	b.spare = newWire(b.trust.config(p.OldTLS), r.handshakes, urgentConns)
	b.limiter = &limiter{next: guarded{pinned{lanes{b.wire, b.spare}, u}}, slots: make(chan struct{}, n), writer: make(chan struct{}, 1),
		watch: make(chan struct{}, 1), site: r.requests, probe: b.prove, heard: b.heard}
	b.inner = retrier{next: b.limiter, fresh: b.hangUp}
	b.chain = authed{b}
	return b
}

// urgentConns are the connections that Urgent requests may add: a reading and a
// power-off.
const urgentConns = 2

// hangUp drops idle connections: the next request gets a new one.
func (b *broker) hangUp() {
	b.wire.transport.CloseIdleConnections()
	b.spare.transport.CloseIdleConnections()
}

// reply is an answer with its body in memory.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// location is the path of the Location header, or "".
func (r *reply) location() string { return ownPath(r.header.Get("Location")) }

// do sends one request down the chain and judges the answer.
func (b *broker) do(ctx context.Context, c call, method, uri string, body any) (*reply, error) {
	return b.doWith(ctx, c, method, uri, body, nil)
}

func (b *broker) doWith(ctx context.Context, c call, method, uri string, body any, edit func(http.Header)) (*reply, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, &Error{Op: c.op, Endpoint: b.name, Err: err}
		}
		payload = bytes.NewReader(text)
	}
	req, err := b.request(ctx, c, method, uri, payload)
	if err != nil {
		return nil, &Error{Op: c.op, Endpoint: b.name, Err: err}
	}
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if edit != nil {
		edit(req.Header)
	}
	return b.send(b.chain, req)
}

func (b *broker) request(ctx context.Context, c call, method, uri string, body io.Reader) (*http.Request, error) {
	path, err := localPath(uri)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(withCall(ctx, c), method, b.name+path, body)
	if err != nil {
		return nil, err
	}
	req.GetBody = nil
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	return req, nil
}

const maxRedirects = 3

// send runs a request through via; redirects of reads are followed on this host.
func (b *broker) send(via http.RoundTripper, req *http.Request) (*reply, error) {
	c, write := callOf(req.Context()), isWrite(req)
	for hop := 0; ; hop++ {
		resp, err := via.RoundTrip(req)
		if err != nil {
			closeBody(req)
			return nil, fault(c.op, b.name, write && !c.session, err)
		}
		r := &reply{status: resp.StatusCode, header: resp.Header, body: peek(resp)}
		if next := resp.Header.Get("Location"); r.status >= 300 && r.status < 400 && r.status != http.StatusNotModified && next != "" && !write && hop < maxRedirects {
			u, err := req.URL.Parse(next)
			if err == nil && u.Host == req.URL.Host {
				req = req.Clone(req.Context())
				req.URL = u
				continue
			}
		}
		err = verdict(c.op, b.name, write && !c.session, r.status, r.header, r.body)
		if err == nil && c.json && r.status == http.StatusOK {
			if bad := garbled(r.header.Get("Content-Type"), r.body); bad != nil {
				err = &Error{Op: c.op, Endpoint: b.name, Status: r.status, Err: bad}
			}
		}
		if uri, must := mustChange(messagesOf(r.body)); must && r.status == http.StatusForbidden {
			b.demandChange(uri)
		}
		return r, err
	}
}

func (b *broker) heard(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heardAt[laneOf(ctx)] = time.Now()
}

// forget drops what a BMC reset voids: token, connections, root and learned
// facts. The session's URI stays, so that the next login removes it.
func (b *broker) forget() {
	b.mu.Lock()
	b.sess, b.root, b.heardAt, b.off = nil, nil, [2]time.Time{}, nil
	b.state.Facts = facts{}
	b.mu.Unlock()
	b.hangUp()
}

// error of this broker about something that needed no request.
func (b *broker) refuse(op string, err error, hint string) error {
	return &Error{Op: op, Endpoint: b.name, Err: err, Hint: hint}
}
