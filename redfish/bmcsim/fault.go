package bmcsim

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one rule: which requests, and what goes wrong. Globs: * is any text,
// also across slashes; empty matches everything.
type Fault struct {
	BMC, Path, Method string
	Nth               int // first matching request it hits; 0 is 1
	Count             int // how many in a row; 0 is 1, -1 all

	Delay       time.Duration // before anything else; alone it only slows
	Status      int           // answer instead of handling
	RetryAfter  int           // seconds, with Status; 0 sends no header
	MessageID   string        // with Status; empty is Base.1.18.ServiceTemporarilyUnavailable
	Reset       string        // before: not handled; after: handled, no answer; body: half the answer
	Truncate    bool          // half the JSON, in a correct HTTP answer
	ContentType string        // wrong content type
	ErrorBody   bool          // 200 with an error body instead of the resource
	CutAfter    int64         // uploads: the connection is reset after so many body bytes

	seen int
}

type faultList struct {
	mu   sync.Mutex
	list []*Fault
}

// AddFaults appends rules; the first rule that hits a request acts.
func (f *Fleet) AddFaults(rules ...Fault) error {
	for _, r := range rules {
		switch r.Reset {
		case "", "before", "after", "body":
		default:
			return fmt.Errorf("bmcsim: fault Reset %q: use before, after or body", r.Reset)
		}
	}
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	for _, r := range rules {
		r.seen = 0
		f.faults.list = append(f.faults.list, &r)
	}
	return nil
}

// ClearFaults removes all rules.
func (f *Fleet) ClearFaults() {
	f.faults.mu.Lock()
	defer f.faults.mu.Unlock()
	f.faults.list = nil
}

func (l *faultList) match(bmc, method, path string) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list {
		if !glob(r.BMC, bmc) || !glob(r.Path, path) || r.Method != "" && !strings.EqualFold(r.Method, method) {
			continue
		}
		r.seen++
		first, count := max(r.Nth, 1), r.Count
		if count == 0 {
			count = 1
		}
		if r.seen >= first && (count < 0 || r.seen < first+count) {
			hit := *r
			return &hit
		}
	}
	return nil
}

// glob matches a whole text against a pattern in which * is any text.
func glob(pattern, text string) bool {
	if pattern == "" || pattern == text {
		return true
	}
	if !strings.Contains(pattern, "*") {
		return false
	}
	ok, err := regexp.MatchString("^"+strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")+"$", text)
	return err == nil && ok
}

// faultBefore acts before the request is handled; false: it was answered.
func (c *call) faultBefore() bool {
	if d := c.fault.Delay; d > 0 {
		select {
		case <-time.After(d):
		case <-c.r.Context().Done():
			return false
		case <-c.b.fleet.ctx.Done():
			return false
		}
	}
	if c.fault.Reset == "before" {
		if mutating(c.r.Method) {
			c.b.fleet.log.add(c, 0, 0, "fault: reset before handling")
		}
		c.reset()
	}
	if c.fault.Status == 0 {
		return true
	}
	if mutating(c.r.Method) {
		c.b.fleet.log.add(c, 0, c.fault.Status, "fault: status")
	}
	id := c.fault.MessageID
	if id == "" {
		id = "Base.1.18.ServiceTemporarilyUnavailable"
	}
	out := failure(c.fault.Status, id, "The service is temporarily unavailable (a fault rule of the simulator).")
	if c.fault.RetryAfter > 0 {
		out = out.with("Retry-After", strconv.Itoa(c.fault.RetryAfter))
	}
	c.fault = nil
	c.send(out)
	return false
}

// faultAfter changes or swallows a finished answer; true: nothing is left to send.
func (c *call) faultAfter(out reply) (reply, bool) {
	switch {
	case c.fault.Reset == "after":
		c.reset()
	case c.fault.Reset == "body" && len(out.raw) > 1:
		c.w.Header().Set("Content-Length", strconv.Itoa(len(out.raw)))
		c.w.Header().Set("Content-Type", "application/json")
		c.w.WriteHeader(out.status)
		_, _ = c.w.Write(out.raw[:len(out.raw)/2])
		_ = http.NewResponseController(c.w).Flush()
		c.reset()
	case c.fault.Truncate:
		out.raw = out.raw[:len(out.raw)/2]
	case c.fault.ErrorBody:
		raw := failure(http.StatusOK, "Base.1.18.InternalError", "The request failed due to an internal service error.").raw
		out.status, out.raw = http.StatusOK, raw
	}
	if c.fault.ContentType != "" {
		out = out.with("Content-Type", c.fault.ContentType)
	}
	return out, false
}
