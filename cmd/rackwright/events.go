package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/rackwright/rackwright/inventory"
)

// eventLine is one entry for a person: addresses where the record has ids. Who
// reads by program takes -o json, which is the entry as it was hashed.
func eventLine(e inventory.Entry, name naming) string {
	on, text := toldOf(e, name)
	return strings.TrimSpace(fmt.Sprintf("%s #%d %s %s by %s %s", e.At.Local().Format("15:04:05"), e.Seq, e.Kind, on, orDash(e.By), text))
}

// toldOf splits the body of an entry: the address it is about, and the rest.
func toldOf(e inventory.Entry, name naming) (on, text string) {
	var body map[string]any
	d := json.NewDecoder(bytes.NewReader(e.Body))
	d.UseNumber() // a count is printed as it was written
	if d.Decode(&body) != nil {
		return "-", string(e.Body)
	}
	on = "-"
	for _, key := range []string{"subject", "scope", "node", "rack"} {
		if v, ok := body[key].(string); ok && v != "" {
			on = addressed(key, v, name)
			delete(body, key)
			break
		}
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(body)) {
		if v := spelled(body[key]); v != "" && !(key == "by" && v == e.By) {
			parts = append(parts, key+"="+v)
		}
	}
	return on, strings.Join(parts, " ")
}

func addressed(key, v string, name naming) string {
	if scope, id, ok := strings.Cut(v, ":"); ok {
		return name(inventory.Subject{Scope: inventory.Scope(scope), ID: id})
	}
	if key == "node" { // findings name the id alone, milestones the address
		if s := inventory.NodeSubject(inventory.NodeID(v)); name(s) != s.String() {
			return name(s)
		}
	}
	return v
}

// spelled is a value without the marks of JSON; what says nothing is "".
func spelled(v any) string {
	const most = len("sha256:") + 12
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if strings.HasPrefix(v, "sha256:") && len(v) > most {
			return v[:most] + "…"
		}
		if strings.ContainsFunc(v, odd) {
			return fmt.Sprintf("%q", v)
		}
		return v
	case []any:
		if len(v) == 0 {
			return "none"
		}
		var all []string
		for _, x := range v {
			all = append(all, spelled(x))
		}
		return strings.Join(all, ", ")
	case map[string]any:
		var all []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if s := spelled(v[k]); s != "" {
				all = append(all, k+"="+s)
			}
		}
		return "{" + strings.Join(all, " ") + "}"
	}
	return fmt.Sprint(v)
}

// odd runes would end a value early, or move the cursor: much of this text comes
// from machines.
func odd(r rune) bool { return r == ' ' || r == '=' || r == '"' || !unicode.IsPrint(r) }
