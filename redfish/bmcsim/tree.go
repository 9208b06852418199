package bmcsim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

type object = map[string]any

// resource is one body of the tree. A collection's Members are derived.
type resource struct {
	body       object
	collection bool
	members    []string
	expanded   bool // members stand whole inside; their own URIs answer 404
	hidden     bool // only inside an expanded collection
	status     int  // of a captured error body; 0 is 200
	raw        []byte
	etag       string
}

// tree maps a path without trailing slash to its resource. The BMC's lock guards it.
type tree map[string]*resource

func ref(p string) object { return object{"@odata.id": p} }

func refs(paths ...string) []object {
	out := make([]object, 0, len(paths))
	for _, p := range paths {
		out = append(out, ref(p))
	}
	return out
}

func (t tree) collect(p, typ string) {
	t[p] = &resource{collection: true, body: object{
		"@odata.id": p, "@odata.type": "#" + typ + "." + typ, "Name": strings.TrimSuffix(typ, "Collection") + " Collection",
	}}
}

// add puts a resource in place, and into the collection above it. typ is
// "ComputerSystem.v1_22_0"; the name after the version is derived.
func (t tree) add(p, typ, name string, body object) {
	full := "#" + typ
	if kind, _, ok := strings.Cut(typ, "."); ok {
		full += "." + kind
	}
	b := object{"@odata.id": p, "@odata.type": full, "Id": path.Base(p), "Name": name}
	for k, v := range body {
		if v != nil {
			b[k] = v
		}
	}
	r := &resource{body: b}
	if parent := t[path.Dir(p)]; parent != nil && parent.collection {
		r.hidden = parent.expanded
		if !slices.Contains(parent.members, p) {
			parent.members = append(parent.members, p)
		}
		parent.raw = nil
	}
	t[p] = r
}

func (t tree) remove(p string) {
	delete(t, p)
	if parent := t[path.Dir(p)]; parent != nil && parent.collection {
		parent.members = slices.DeleteFunc(parent.members, func(m string) bool { return m == p })
		parent.raw = nil
	}
}

// set merges a patch into a body: objects deeply, null deletes.
func (t tree) set(p string, patch object) bool {
	r := t[p]
	if r == nil {
		return false
	}
	merge(r.body, patch)
	r.raw = nil
	if parent := t[path.Dir(p)]; parent != nil && parent.expanded {
		parent.raw = nil
	}
	return true
}

func merge(into, patch object) {
	for k, v := range patch {
		sub, isObject := v.(object)
		have, _ := into[k].(object)
		switch {
		case v == nil:
			delete(into, k)
		case isObject && have != nil:
			merge(have, sub)
		case isObject:
			fresh := object{}
			merge(fresh, sub)
			into[k] = fresh
		default:
			into[k] = v
		}
	}
}

// str reads a string at the end of a chain of objects; empty when absent.
func str(b object, keys ...string) string {
	for _, k := range keys[:len(keys)-1] {
		b, _ = b[k].(object)
	}
	s, _ := b[keys[len(keys)-1]].(string)
	return s
}

// get renders a resource. withTag false leaves the body as it is (captures).
func (t tree) get(p string, withTag bool) (raw []byte, etag string, ok bool) {
	r := t[p]
	if r == nil || r.hidden {
		return nil, "", false
	}
	if r.raw == nil {
		if !t.render(r, withTag) {
			return nil, "", false
		}
	}
	return r.raw, r.etag, true
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
				members = append(members, one.body)
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
	sum := sha256.Sum256(plain)
	r.etag = `"` + hex.EncodeToString(sum[:6]) + `"`
	body["@odata.etag"] = r.etag
	r.raw, err = json.Marshal(body)
	return err == nil
}
