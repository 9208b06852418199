package bmcsim

import (
	"net/http"
	"path"
	"strings"
)

// patch answers PATCH: If-Match first, then every property is checked, then all
// are applied or none.
func (c *call) patch() reply {
	b := c.b
	var in object
	if out, ok := c.decode(&in); !ok {
		return out
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, etag, ok := b.tree.get(c.path, !b.capture)
	if !ok {
		return notFound(c.path)
	}
	if out, ok := c.precondition(etag); !ok {
		return out
	}
	if strings.HasPrefix(c.path, accounts+"/") {
		if out, ok := b.patchAccount(path.Base(c.path), in); !ok {
			return out
		}
		return c.patched()
	}
	allowed := b.writable(c.path)
	if len(in) == 0 || allowed == nil {
		return failure(http.StatusMethodNotAllowed, "Base.1.18.OperationNotAllowed", "The resource has no writable property or the request names none.").with("Allow", "GET, HEAD")
	}
	for _, key := range sorted(in) {
		test := allowed[key]
		if test == nil {
			if _, has := b.tree[c.path].doc()[key]; has {
				return readOnly(key)
			}
			return unknownProperty(key)
		}
		if out, ok := test(key, in[key]); !ok {
			return out
		}
	}
	if c.path == root+"/AccountService" {
		b.lockRules(in)
	}
	b.tree.set(c.path, in)
	b.mirrorLED(c.path, in)
	return c.patched()
}

// precondition compares If-Match (RFC 9110 §13.1.1): strong comparison, 412 or 428.
func (c *call) precondition(etag string) (reply, bool) {
	match := c.r.Header.Get("If-Match")
	q := c.b.spec.Quirks
	switch {
	case match == "" && q.RequireIfMatch:
		return failure(http.StatusPreconditionRequired, "Base.1.18.PreconditionRequired", "A precondition header is required to change this resource."), false
	case match == "" || match == "*" || match == etag || match == q.tag(etag) && q.ETag == "unquoted":
		return reply{}, true
	}
	return failure(http.StatusPreconditionFailed, "Base.1.18.PreconditionFailed", "The ETag supplied did not match the current ETag of the resource."), false
}

func (c *call) patched() reply {
	if c.b.spec.Quirks.Patch204 {
		return empty(http.StatusNoContent)
	}
	raw, etag, _ := c.b.tree.get(c.path, !c.b.capture)
	out := reply{status: http.StatusOK, raw: raw}
	if tag := c.b.spec.Quirks.tag(etag); tag != "" {
		out = out.with("ETag", tag)
	}
	return out
}

// writable lists what may be patched at a path. The caller holds the lock.
func (b *BMC) writable(p string) map[string]check {
	for _, m := range b.machines {
		boot := func(_ string, v any) (reply, bool) { return b.checkBoot(m, v) }
		switch {
		case p == m.settings:
			return map[string]check{"Boot": boot}
		case p == m.system && m.settings != "":
			return locator(map[string]check{"AssetTag": text, "PowerRestorePolicy": oneOf("AlwaysOn", "AlwaysOff", "LastState")})
		case p == m.system:
			return locator(map[string]check{"Boot": boot, "AssetTag": text, "PowerRestorePolicy": oneOf("AlwaysOn", "AlwaysOff", "LastState")})
		}
	}
	switch {
	case path.Dir(p) == chassis:
		return locator(map[string]check{"AssetTag": text})
	case path.Base(p) == "LeakDetectionPolicy":
		return map[string]check{"PolicyEnabled": boolean}
	case p == updates && b.spec.Update.HTTPPush:
		return b.pushSettings()
	case p == root+"/AccountService":
		return map[string]check{"AccountLockoutThreshold": number, "AccountLockoutDuration": number}
	}
	return nil
}

func locator(with map[string]check) map[string]check {
	with["IndicatorLED"], with["LocationIndicatorActive"] = oneOf("Off", "Lit", "Blinking"), boolean
	return with
}

// mirrorLED keeps the old and the new locate property equal. The caller holds the lock.
func (b *BMC) mirrorLED(p string, in object) {
	if on, ok := in["LocationIndicatorActive"].(bool); ok {
		led := "Off"
		if on {
			led = "Blinking"
		}
		b.tree.set(p, object{"IndicatorLED": led})
		return
	}
	if led, ok := in["IndicatorLED"].(string); ok {
		b.tree.set(p, object{"LocationIndicatorActive": led != "Off"})
	}
}
