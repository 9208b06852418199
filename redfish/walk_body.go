package redfish

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parseResource reads what the walk needs of a body: that it is an object, no
// error answer in disguise, its type and the name it gives itself.
func parseResource(body json.RawMessage, asked string) (*resource, error) {
	r := &resource{body: body, fields: map[string]json.RawMessage{}}
	if err := json.Unmarshal(body, &r.fields); err != nil {
		return nil, fmt.Errorf("body is no JSON object: %w", err)
	}
	if r.fields == nil {
		return nil, errors.New("body is null")
	}
	if _, failed := r.fields["error"]; failed && r.fields["@odata.type"] == nil {
		return nil, errors.New("an error answer under a good status")
	}
	r.kind = typeName(text(r.fields["@odata.type"]))
	r.id = resourceKey(asked)
	if own := text(r.fields["@odata.id"]); strings.HasPrefix(own, "/") && !misnamed(r, own) {
		r.id = resourceKey(own)
	}
	return r, nil
}

// misnamed: the body's Id is the one that was asked for while its @odata.id
// names something else. That is a copied line (the reference cables: power0
// calls itself sata0), not another path to one resource.
func misnamed(r *resource, own string) bool {
	id := text(r.fields["Id"])
	return id != "" && strings.EqualFold(id, lastSegment(r.id)) && !strings.EqualFold(id, lastSegment(own))
}

// typeName is "Processor" of "#Processor.v1_20_0.Processor".
func typeName(odata string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(odata, "#"), ".")
	return name
}

// linkOf reads a reference: its target, and whether it is the whole resource
// (an expanded member) rather than a pointer to it.
func linkOf(raw json.RawMessage) (href string, whole bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return text(raw), false // old services link by bare text
	}
	href = text(fields["@odata.id"])
	if href == "" {
		href = text(fields["href"])
	}
	return href, fields["@odata.type"] != nil || fields["Id"] != nil
}

// extract collects what stands at a slash-separated path of properties; lists
// on the way are opened, absent and null parts give nothing.
func extract(fields map[string]json.RawMessage, path string) []json.RawMessage {
	head, rest, more := strings.Cut(path, "/")
	raw, ok := fields[head]
	if !ok {
		return nil
	}
	var out []json.RawMessage
	for _, part := range opened(raw) {
		if !more {
			out = append(out, part)
			continue
		}
		var inner map[string]json.RawMessage
		if json.Unmarshal(part, &inner) == nil {
			out = append(out, extract(inner, rest)...)
		}
	}
	return out
}

// opened is the elements of a list, or the value itself; null is nothing.
func opened(raw json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return []json.RawMessage{raw}
	}
	out := list[:0]
	for _, x := range list {
		if string(x) != "null" {
			out = append(out, x)
		}
	}
	return out
}

func orEmpty(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("[]")
	}
	return raw
}

// text reads a scalar whatever its JSON type: BMCs send numbers as text and
// text as numbers. Objects, lists and null are the empty text.
func text(raw json.RawMessage) string {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return ""
	}
	switch x := v.(type) {
	case string:
		return x
	case float64, bool:
		return strings.TrimSpace(string(raw))
	}
	return ""
}

// at is the first scalar at a path, as text.
func (r *resource) at(path string) string {
	for _, raw := range extract(r.fields, path) {
		if s := text(raw); s != "" {
			return s
		}
	}
	return ""
}

// links are the targets of the references at a path, as resource names.
func (r *resource) links(path string) []string {
	var out []string
	for _, raw := range extract(r.fields, path) {
		if href, _ := linkOf(raw); href != "" {
			out = append(out, resourceKey(href))
		}
	}
	return out
}
