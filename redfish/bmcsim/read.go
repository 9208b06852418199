package bmcsim

import (
	"fmt"
	"net/http"
	"strings"
)

func (c *call) read() reply {
	if c.path == "/redfish" {
		return jsonReply(http.StatusOK, object{"v1": "/redfish/v1/"})
	}
	for key := range c.r.URL.Query() {
		if strings.HasPrefix(key, "$") || key == "only" || key == "excerpt" {
			return failure(http.StatusNotImplemented, "Base.1.18.QueryNotSupported", "Querying is not supported by the implementation.", key)
		}
	}
	if out, ok := c.odata(); ok {
		return out
	}
	if out, ok := c.monitor(); ok {
		return out
	}
	raw, etag, ok := c.b.lookup(c.path)
	if !ok {
		return notFound(c.path)
	}
	status, typ := c.b.kind(c.path)
	out := reply{status: status, raw: raw}
	if etag = c.b.spec.Quirks.tag(etag); etag != "" {
		out = out.with("ETag", etag)
	}
	if match := c.r.Header.Get("If-None-Match"); match != "" && etag != "" && match == etag {
		return empty(http.StatusNotModified).with("ETag", etag)
	}
	return c.describe(out, typ)
}

func (b *BMC) lookup(path string) (raw []byte, etag string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tree.get(path, !b.capture)
}

// kind is the status and the type of what is at a path.
func (b *BMC) kind(path string) (int, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.tree[path]
	switch {
	case r == nil:
		return http.StatusOK, ""
	case r.status != 0:
		return r.status, ""
	}
	return http.StatusOK, r.typ
}

// tag turns the right ETag into the variant of the quirk.
func (q Quirks) tag(etag string) string {
	switch q.ETag {
	case "weak":
		return "W/" + etag
	case "unquoted":
		return strings.Trim(etag, `"`)
	case "header-differs":
		return fmt.Sprintf("%q", "h-"+strings.Trim(etag, `"`))
	case "none":
		return ""
	}
	return etag
}
