package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/rackwright/rackwright/inventory"
)

// Limits of one walk (redfish.md §2.7): a tree that links in circles or without
// end stops here and says so.
const (
	maxDepth = 12
	maxGets  = 5000
	maxBusy  = 3 // answers "busy" in a row: the BMC has no time now, come back
)

// getter reads one JSON resource; *BMC is one.
type getter interface {
	get(ctx context.Context, uri string) (json.RawMessage, error)
}

// resource is one body as the walk met it. Its id is what the body calls
// itself, without fragment and trailing slash (merge rule 7).
type resource struct {
	id     string
	kind   string // "Processor", from @odata.type
	body   json.RawMessage
	fields map[string]json.RawMessage
	parent *resource   // whose link led here first, collections left out; nil for the root
	from   []string    // every collection or property it was reached through
	owners []*resource // every resource whose link led here, parent included
}

// tree is everything one walk read, in the order in which it was read.
type tree struct {
	root    *resource
	byID    map[string]*resource
	folded  map[string]*resource // by id in lower case
	order   []*resource
	faults  []inventory.ReadFault
	outside []string       // links with a host: relations, never followed
	linked  map[string]int // component classes that some link promised, by number of links
	notes   []note
	raw     []rawBody
	gets    int
}

// note is one decision that changed a count, with the rule that made it.
type note struct {
	Rule string
	Kind inventory.Kind
	ID   string
}

// walker reads a service sequentially: a walk is one request at a time, the
// other slot of the BMC stays free for alarms and power.
type walker struct {
	get     func(context.Context, string) (json.RawMessage, error)
	links   func(kind string) []link
	out     *tree
	visited map[string]*resource // by asked path; nil: asked and failed
	busy    int
}

// walk reads all that the table of links knows, from the service root. Its
// error is the end of the walk: the BMC is away, refuses us, or has no time.
// Everything else that fails is a fault of that path.
func walk(ctx context.Context, g getter) (*tree, error) { return walkBy(ctx, g, linksOf) }

func walkBy(ctx context.Context, g getter, links func(string) []link) (*tree, error) {
	w := &walker{get: g.get, links: links, visited: map[string]*resource{},
		out: &tree{byID: map[string]*resource{}, folded: map[string]*resource{}, linked: map[string]int{}}}
	body, err := g.get(ctx, rootURI)
	if err != nil {
		return nil, err
	}
	root, err := parseResource(body, rootURI)
	if err != nil {
		return nil, fmt.Errorf("service root: %w", err)
	}
	if root.kind == "" {
		root.kind = "ServiceRoot"
	}
	w.out.gets, w.out.root = 1, root
	w.keep(root, rootURI)
	return w.out, w.descend(ctx, root, 1)
}

// descend follows what the table says about a resource of this type.
func (w *walker) descend(ctx context.Context, r *resource, depth int) error {
	for _, l := range w.links(r.kind) {
		if l.unless != "" && w.served(r, l.unless) {
			continue
		}
		found := extract(r.fields, l.path)
		if len(found) > 0 && (r.kind != "ServiceRoot" || l.path == "Managers") { // the root only says where classes may be listed
			for _, k := range l.proves {
				w.out.linked[string(k)]++
			}
		}
		for _, raw := range found {
			if err := w.follow(ctx, r, l, r.id+"#"+l.path, raw, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// served reports whether a sibling link gave a good resource of its own type
// that itself links on: then its older twin is not read (merge rule 8).
func (w *walker) served(r *resource, path string) bool {
	for _, raw := range extract(r.fields, path) {
		href, _ := linkOf(raw)
		s := w.visited[resourceKey(href)]
		if s == nil || s.kind != path {
			continue
		}
		for _, l := range w.links(s.kind) {
			if len(extract(s.fields, l.path)) > 0 {
				return true
			}
		}
	}
	return false
}

// follow reads what one link or collection member stands for.
func (w *walker) follow(ctx context.Context, owner *resource, l link, via string, raw json.RawMessage, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	href, whole := linkOf(raw)
	if href == "" {
		w.fault(via, "a link without @odata.id", l.proves)
		return nil
	}
	path, err := localPath(href)
	if err != nil {
		w.out.outside = append(w.out.outside, href)
		return nil
	}
	if strings.Contains(href, "#") { // a property of another body, read with it
		return nil
	}
	key := resourceKey(path)
	if known, asked := w.visited[key]; asked {
		w.again(owner, via, known)
		return nil
	}
	if depth > maxDepth {
		w.fault(key, fmt.Sprintf("deeper than %d links", maxDepth), l.proves)
		return nil
	}
	w.visited[key] = nil
	r, err := w.read(ctx, path, raw, whole, l)
	if err != nil || r == nil {
		return err
	}
	if strings.HasSuffix(r.kind, "Collection") {
		w.visited[key] = r
		return w.members(ctx, owner, l, r, depth)
	}
	if same := w.out.same(r); same != nil { // another path to a body we have
		w.visited[key] = same
		same.reached(owner, via)
		w.out.note(ruleBodyID, firstKind(l.proves), key)
		return nil
	}
	r.parent = owner
	r.reached(owner, via)
	w.keep(r, key)
	return w.descend(ctx, r, depth+1)
}

// read gets one body, or takes the one that came whole inside its collection.
func (w *walker) read(ctx context.Context, path string, raw json.RawMessage, whole bool, l link) (*resource, error) {
	if !whole {
		if w.out.gets >= maxGets {
			w.fault(path, fmt.Sprintf("not read: the walk stops after %d requests", maxGets), l.proves)
			return nil, nil
		}
		var err error
		w.out.gets++
		if raw, err = w.get(ctx, path); err != nil {
			return nil, w.failed(ctx, path, err, l.proves)
		}
		w.busy = 0
	}
	r, err := parseResource(raw, path)
	if err == nil && !l.takes(r.kind) {
		err = fmt.Errorf("answers as %s, the link promised %s", r.kind, l.kind)
	}
	if err != nil {
		w.fault(path, err.Error(), l.proves)
		return nil, nil
	}
	if r.kind == "" {
		r.kind = l.kind
		if _, is := r.fields["Members"]; is {
			r.kind += "Collection"
		}
	}
	return r, nil
}

// failed sorts a failed read: some failures end the walk, the others are the
// fault of this one path.
func (w *walker) failed(ctx context.Context, path string, err error, proves []inventory.Kind) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, end := range []error{ErrUnreachable, ErrAuth, ErrLocked, ErrPin} {
		if errors.Is(err, end) && !isPrivilege(err) {
			return err
		}
	}
	if errors.Is(err, ErrBusy) {
		if w.busy++; w.busy >= maxBusy {
			return err
		}
	}
	w.fault(path, err.Error(), proves)
	return nil
}

// isPrivilege: a 403 is about one resource, a 401 about all of them.
func isPrivilege(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusForbidden && !errors.Is(err, ErrLocked)
}

// again notes one more owner of something that was read before; of a collection,
// its members have it.
func (w *walker) again(owner *resource, via string, known *resource) {
	if known == nil {
		return
	}
	if !strings.HasSuffix(known.kind, "Collection") {
		known.reached(owner, via)
		return
	}
	for _, member := range known.links("Members") {
		if m := w.visited[member]; m != nil {
			m.reached(owner, known.id)
		}
	}
}

// same finds the resource that this body is another path to: by its name, or by
// its name in another case where Id, type and serial agree too (iLO links to
// /redfish/v1/systems/1 and /redfish/v1/Systems/1 and means one).
func (t *tree) same(r *resource) *resource {
	if known := t.byID[r.id]; known != nil {
		return known
	}
	other := t.folded[strings.ToLower(r.id)]
	if other != nil && other.kind == r.kind && other.at("Id") == r.at("Id") && other.at("SerialNumber") == r.at("SerialNumber") {
		return other
	}
	return nil
}

func (w *walker) keep(r *resource, key string) {
	w.visited[resourceKey(key)] = r
	w.out.byID[r.id], w.out.folded[strings.ToLower(r.id)] = r, r
	w.out.order = append(w.out.order, r)
	w.out.raw = append(w.out.raw, rawBody{URI: r.id, Body: r.body})
}

func (w *walker) fault(path, reason string, proves []inventory.Kind) {
	if len(proves) == 0 {
		proves = []inventory.Kind{""}
	}
	for _, k := range proves {
		w.out.faults = append(w.out.faults, inventory.ReadFault{Path: resourceKey(path), Reason: reason, Kind: k})
	}
}

func (t *tree) note(rule string, kind inventory.Kind, id string) {
	t.notes = append(t.notes, note{rule, kind, id})
}

func (r *resource) reached(owner *resource, via string) {
	if !slices.Contains(r.from, via) {
		r.from = append(r.from, via)
	}
	if owner != nil && !slices.Contains(r.owners, owner) {
		r.owners = append(r.owners, owner)
	}
}

func firstKind(list []inventory.Kind) inventory.Kind {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
