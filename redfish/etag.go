package redfish

import (
	"net/http"
	"strings"
)

// Rungs of the ETag ladder (redfish.md §2.5). A 412 or 428 means that nothing
// was applied, so the next rung is not a repeated write.
const (
	rungHeader   = "header"
	rungBody     = "body"
	rungStrong   = "strong"
	rungUnquoted = "unquoted"
	rungNone     = "none"
)

type rung struct{ name, tag string }

// ladder lists the rungs worth trying: the learned one first, each tag once.
func ladder(h http.Header, body, learned string) []rung {
	var all []rung
	add := func(name, tag string) {
		for _, r := range all {
			if r.tag == tag {
				return
			}
		}
		if tag != "" || name == rungNone {
			all = append(all, rung{name, tag})
		}
	}
	tag := ""
	if vs := h.Values("ETag"); len(vs) > 0 {
		tag = strings.TrimSpace(vs[0]) // sent twice by some; the first counts
	}
	add(rungHeader, tag)
	add(rungBody, body)
	if tag == "" {
		tag = body
	}
	add(rungStrong, strong(tag))
	add(rungUnquoted, strings.Trim(strong(tag), `"`))
	add(rungNone, "")
	for i, r := range all {
		if r.name == learned {
			return append(append([]rung{r}, all[:i]...), all[i+1:]...)
		}
	}
	return all
}

// strong repairs the quotes and drops W/: weak tags never match in If-Match
// (RFC 9110 §13.1.1).
func strong(tag string) string {
	tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"\`)
	if tag == "" {
		return ""
	}
	return `"` + tag + `"`
}
