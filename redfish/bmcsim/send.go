package bmcsim

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"time"
)

// send writes a reply, with the faults that act on it.
func (c *call) send(out reply) {
	if c.fault != nil {
		var done bool
		if out, done = c.faultAfter(out); done {
			return
		}
	}
	if out.status == 0 {
		c.reset()
		return
	}
	h := c.w.Header()
	for k, v := range out.header {
		h[k] = v
	}
	h.Set("OData-Version", "4.0")
	if skew := c.b.spec.Quirks.ClockSkew; skew != 0 {
		h.Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("Server", "rackwright-bmcsim")
	if len(out.raw) > 0 && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	if out.status != http.StatusNoContent && out.status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(out.raw)))
	}
	if c.b.spec.Quirks.CloseAfterReply {
		h.Set("Connection", "close")
	}
	c.w.WriteHeader(out.status)
	_, _ = c.w.Write(out.raw) // a client that went away is its own affair
}

// reset ends the connection with a TCP reset.
func (c *call) reset() {
	conn, _ := c.r.Context().Value(connKey{}).(net.Conn)
	if t, ok := conn.(*tls.Conn); ok {
		abort(t.NetConn())
	}
	panic(http.ErrAbortHandler) // net/http's own way to drop a connection without an answer
}
