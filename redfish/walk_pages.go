package redfish

import (
	"context"
	"encoding/json"
	"fmt"
)

// members reads a collection page by page. Members may be whole bodies.
func (w *walker) members(ctx context.Context, owner *resource, l link, page *resource, depth int) error {
	id, seen := page.id, map[string]bool{page.id: true}
	listed := map[string]bool{}
	for {
		var list []json.RawMessage
		if err := json.Unmarshal(orEmpty(page.fields["Members"]), &list); err != nil {
			w.fault(page.id, "Members is not a list", l.proves)
			return nil
		}
		for _, raw := range list {
			if string(raw) == "null" {
				continue
			}
			if href, _ := linkOf(raw); href != "" && listed[resourceKey(href)] {
				w.out.note(ruleTwice, firstKind(l.proves), resourceKey(href))
				continue
			} else if href != "" {
				listed[resourceKey(href)] = true
			}
			if err := w.follow(ctx, owner, l, id, raw, depth+1); err != nil {
				return err
			}
		}
		next := text(page.fields["Members@odata.nextLink"])
		if next == "" {
			return nil
		}
		path, err := localPath(next)
		if err != nil || seen[path] {
			w.fault(page.id, fmt.Sprintf("nextLink %q leads nowhere new", next), l.proves)
			return nil
		}
		seen[path] = true
		if page, err = w.read(ctx, path, nil, false, l); page == nil || err != nil {
			return err
		}
	}
}
