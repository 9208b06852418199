package bmcsim

import (
	"path"
	"slices"
	"strings"
)

type object = map[string]any

// resource is one body of the tree. A collection's Members are derived. The body is
// kept as text until somebody changes it: many BMCs fit into one process.
type resource struct {
	body       object
	plain      []byte // the body as JSON, without ETag, while body is nil
	typ        string // @odata.type
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
	t[p] = &resource{collection: true, typ: "#" + typ + "." + typ, body: object{
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
	r := &resource{body: b, typ: full}
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
	merge(r.doc(), patch)
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
