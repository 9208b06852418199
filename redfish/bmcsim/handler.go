package bmcsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// call is one request on its way.
type call struct {
	b       *BMC
	w       http.ResponseWriter
	r       *http.Request
	path    string // without trailing slash
	account *account
	session *session
	number  int // of a numbered mutation
	fault   *Fault
}

const maxBody = 1 << 20 // of anything but an upload

// ServeHTTP answers one Redfish request.
func (b *BMC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{b: b, w: w, r: r, path: clean(r.URL.Path)}
	if b.capture { // its URIs are kept as they were advertised, escapes and all
		c.path = clean(r.URL.EscapedPath())
	}
	if c.path == sessions+"/Members" { // DSP0266: POST to Members is POST to the collection
		c.path = sessions
	}
	writes := mutating(r.Method) && !c.aboutSessions()
	if !b.enter(writes) {
		c.reset()
	}
	defer b.leave(writes)
	c.fault = b.fleet.faults.match(b.spec.Name, r.Method, c.path)
	if c.fault != nil && !c.faultBefore() {
		return
	}
	out := c.run()
	c.send(out)
	if out.after != nil {
		out.after()
	}
}

func mutating(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}

// aboutSessions is true for a login and a logout: they carry no number.
func (c *call) aboutSessions() bool {
	return c.path == sessions || strings.HasPrefix(c.path, sessions+"/")
}

// run authenticates, numbers and carries out. A reply of status 0 is a reset connection.
func (c *call) run() reply {
	if v := c.r.Header.Get("OData-Version"); v != "" && v != "4.0" {
		return failure(http.StatusPreconditionFailed, "Base.1.18.HeaderInvalid", "Header OData-Version is invalid: "+v, "OData-Version")
	}
	if out, ok := c.authenticate(); !ok {
		if mutating(c.r.Method) {
			c.b.fleet.log.add(c, 0, out.status, "refused")
		}
		return out
	}
	if !mutating(c.r.Method) {
		return c.read()
	}
	if c.aboutSessions() {
		out := c.write()
		c.b.fleet.log.add(c, 0, out.status, "session")
		return out
	}
	return c.mutate()
}

// mutate wraps a numbered request with the hooks of the kill matrix.
func (c *call) mutate() reply {
	f := c.b.fleet
	c.number = f.log.next()
	if !c.upload() { // its body is in our hands before the question "is the client still there"
		body, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
		if err != nil || len(body) > maxBody {
			f.log.add(c, c.number, 0, "cut")
			return reply{}
		}
		c.r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if f.strike(c.number, "before") || c.clientGone() {
		f.log.add(c, c.number, 0, "dropped: client gone before it took effect")
		return reply{}
	}
	out := c.write()
	f.log.add(c, c.number, out.status, outcome(out.status))
	if f.strike(c.number, "after") {
		return reply{}
	}
	return out
}

func outcome(status int) string {
	switch {
	case status == 0:
		return "cut"
	case status < 400:
		return "done"
	}
	return "refused"
}

// clientGone waits a moment for the news that the client died in the hook.
func (c *call) clientGone() bool {
	if c.b.fleet.options.OnMutation == nil || c.upload() {
		return false
	}
	select {
	case <-c.r.Context().Done():
		return true
	case <-time.After(20 * time.Millisecond):
		return false
	}
}

func (c *call) write() reply {
	c.b.mu.Lock()
	action := c.b.actions[c.path]
	c.b.mu.Unlock()
	switch {
	case c.r.Method == http.MethodPost && action != nil:
		return action(c)
	case c.r.Method == http.MethodPatch:
		return c.patch()
	case c.r.Method == http.MethodDelete && strings.HasPrefix(c.path, sessions+"/"):
		return c.logout()
	}
	if _, _, ok := c.b.lookup(c.path); !ok {
		return notFound(c.path)
	}
	return failure(http.StatusMethodNotAllowed, "Base.1.18.OperationNotAllowed", "The HTTP method is not allowed on this resource.").with("Allow", "GET, HEAD")
}

// decode reads a JSON object from the body.
func (c *call) decode(into any) (reply, bool) {
	if err := json.NewDecoder(c.r.Body).Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return failure(http.StatusBadRequest, "Base.1.18.MalformedJSON", "The request body submitted was malformed JSON: "+err.Error()), false
	}
	return reply{}, true
}

// enter counts a request in; false: the fleet is closing.
func (b *BMC) enter(writes bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.running.Add(1)
	b.count.Requests++
	b.flights++
	b.count.InFlightMax = max(b.count.InFlightMax, b.flights)
	if writes {
		b.writers++
		b.count.WritersMax = max(b.count.WritersMax, b.writers)
	}
	return true
}

func (b *BMC) leave(writes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running.Done()
	b.flights--
	if writes {
		b.writers--
	}
}
