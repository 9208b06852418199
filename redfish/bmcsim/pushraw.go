package bmcsim

import (
	"fmt"
	"io"
	"net/http"
)

// pushRaw answers HttpPushUri: the body is the image, the settings stand on the
// service (deprecated in DSP0266, and all that some BMCs have).
func (c *call) pushRaw() reply {
	b := c.b
	b.mu.Lock()
	var body object
	if r := b.tree[updates]; r != nil { // a capture may keep its service elsewhere
		body = r.doc()
	}
	claimed, _ := body["HttpPushUriTargetsBusy"].(bool)
	p := parameters{ApplyTime: str(body, "HttpPushUriOptions", "HttpPushUriApplyTime", "ApplyTime"), Targets: texts(body["HttpPushUriTargets"])}
	b.mu.Unlock()
	if b.spec.Update.Claim && !claimed {
		return failure(http.StatusBadRequest, "Base.1.18.PropertyValueConflict", "HttpPushUriTargetsBusy must be set before a push.", "HttpPushUriTargetsBusy")
	}
	return c.receive(func(body io.Reader) (image, parameters, reply, error) {
		img, err := readImage(body)
		return img, p, reply{}, err
	})
}

// pushSettings is what may be patched on the UpdateService for a raw push. The
// caller holds the lock.
func (b *BMC) pushSettings() map[string]check {
	allowed := map[string]check{
		"HttpPushUriOptions": func(key string, v any) (reply, bool) {
			in, _ := v.(object)
			return oneOf(b.spec.Update.ApplyTimes...)(key, str(in, "HttpPushUriApplyTime", "ApplyTime"))
		},
		"HttpPushUriTargets": func(key string, v any) (reply, bool) {
			list, ok := v.([]any)
			if !ok || len(texts(v)) != len(list) {
				return badValue(key, fmt.Sprint(v)), false
			}
			return reply{}, true
		},
	}
	if b.spec.Update.Claim {
		allowed["HttpPushUriTargetsBusy"] = b.checkClaim
	}
	return allowed
}

// checkClaim refuses a second claim: somebody else is updating.
func (b *BMC) checkClaim(key string, v any) (reply, bool) {
	if out, ok := boolean(key, v); !ok {
		return out, false
	}
	if busy, _ := b.tree[updates].doc()[key].(bool); busy && v == true {
		return failure(http.StatusBadRequest, "Base.1.18.PropertyValueConflict", "The update service is claimed already.", key), false
	}
	return reply{}, true
}

// texts reads a list of strings, built here or decoded from JSON.
func texts(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		var out []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
