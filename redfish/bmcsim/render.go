package bmcsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// get renders a resource. withTag false leaves the body as it is (captures).
func (t tree) get(p string, withTag bool) (raw []byte, etag string, ok bool) {
	r := t[p]
	if r == nil || r.hidden {
		return nil, "", false
	}
	if r.body == nil && r.plain != nil {
		return r.packed(withTag)
	}
	if r.raw == nil {
		if !t.render(r, withTag) {
			return nil, "", false
		}
	}
	return r.raw, r.etag, true
}

// doc is the body to read or, before raw is dropped, to change.
func (r *resource) doc() object {
	if r.body == nil && r.plain != nil {
		if err := json.Unmarshal(r.plain, &r.body); err != nil {
			panic("bmcsim: a body of our own is no JSON: " + err.Error())
		}
		r.plain = nil
	}
	return r.body
}

// packed is get for a body that is text: nothing is kept twice.
func (r *resource) packed(withTag bool) (raw []byte, etag string, ok bool) {
	if !withTag {
		var tag struct {
			ETag string `json:"@odata.etag"`
		}
		_ = json.Unmarshal(r.plain, &tag) // a capture without one has none
		return r.plain, tag.ETag, true
	}
	if r.etag == "" {
		r.etag = tagOf(r.plain)
	}
	return fmt.Appendf(nil, `%s,"@odata.etag":%q}`, r.plain[:len(r.plain)-1], r.etag), r.etag, true
}

// tagOf is the strong ETag of a body.
func tagOf(plain []byte) string {
	sum := sha256.Sum256(plain)
	return `"` + hex.EncodeToString(sum[:6]) + `"`
}

// pack turns all bodies but those of collections into text.
func (t tree) pack() {
	for _, r := range t {
		if r.collection {
			continue
		}
		if plain, err := json.Marshal(r.body); err == nil {
			r.plain, r.body, r.raw = plain, nil, nil
		}
	}
}

func (t tree) render(r *resource, withTag bool) bool {
	body := make(object, len(r.body)+3)
	for k, v := range r.body {
		body[k] = v
	}
	if r.collection {
		members := make([]any, 0, len(r.members))
		for _, m := range r.members {
			switch one := t[m]; {
			case r.expanded && one != nil:
				members = append(members, one.doc())
			default:
				members = append(members, ref(m))
			}
		}
		body["Members"], body["Members@odata.count"] = members, len(members)
	}
	plain, err := json.Marshal(body)
	if err != nil {
		return false
	}
	if !withTag {
		r.raw, r.etag = plain, str(body, "@odata.etag")
		return true
	}
	r.etag = tagOf(plain)
	body["@odata.etag"] = r.etag
	r.raw, err = json.Marshal(body)
	return err == nil
}
