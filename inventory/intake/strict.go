package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rackwright/rackwright/inventory"
)

const maxDepth = 32 // levels of one document; ours needs seven

// parseTree reads one YAML or JSON document. Anchors, aliases and merge keys are
// refused: nobody needs them here, and they are how small files become huge.
func parseTree(text string) (*yaml.Node, error) {
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		var probe json.RawMessage
		if err := json.Unmarshal([]byte(text), &probe); err != nil {
			return nil, jsonError(text, err)
		}
		// Raw tabs are legal in JSON between tokens only; YAML refuses them there.
		text = strings.ReplaceAll(text, "\t", " ")
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read document: %w: %w", err, inventory.ErrInvalid)
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Errorf("line %d: a second document starts here; keep one document in a file: %w", second.Line, inventory.ErrInvalid)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("document is no mapping of keys; see the schema of rackwright/manifest/1: %w", inventory.ErrInvalid)
	}
	if err := plain(doc.Content[0], 0); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}

func jsonError(text string, err error) error {
	line := 1
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line += strings.Count(text[:min(int(syntax.Offset), len(text))], "\n")
	}
	return fmt.Errorf("line %d: %w: %w", line, err, inventory.ErrInvalid)
}

func plain(n *yaml.Node, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("line %d: nested deeper than %d levels: %w", n.Line, maxDepth, inventory.ErrInvalid)
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" {
		return fmt.Errorf("line %d: anchors, aliases and merge keys are not allowed; write the value out: %w", n.Line, inventory.ErrInvalid)
	}
	for _, c := range n.Content {
		if err := plain(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// keyFault is one key the schema does not know, or one value of the wrong shape.
type keyFault struct {
	line   int
	key    string
	reason string
	fix    string
}

var treeType = reflect.TypeFor[yaml.Node]()

// strictKeys compares the keys of a tree with the yaml tags of a Go type and
// returns every unknown or repeated key with its line and the nearest known
// one. It does not enter fields kept as yaml.Node: they are checked on their own.
func strictKeys(n *yaml.Node, t reflect.Type) []keyFault {
	switch t.Kind() {
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode || t.Elem() == treeType {
			return nil
		}
		var faults []keyFault
		for _, c := range n.Content {
			faults = append(faults, strictKeys(c, t.Elem())...)
		}
		return faults
	case reflect.Pointer:
		return strictKeys(n, t.Elem())
	case reflect.Struct:
		if t != treeType && n.Kind == yaml.MappingNode {
			return strictStruct(n, t)
		}
	}
	return nil
}

func strictStruct(n *yaml.Node, t reflect.Type) []keyFault {
	fields := map[string]reflect.Type{}
	var known []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		fields[name] = t.Field(i).Type
		known = append(known, name)
	}
	var faults []keyFault
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		inner, ok := fields[key.Value]
		switch {
		case !ok:
			faults = append(faults, keyFault{line: key.Line, key: key.Value, reason: "unknown key " + key.Value, fix: hint(key.Value, known)})
		case seen[key.Value]:
			faults = append(faults, keyFault{line: key.Line, key: key.Value, reason: "key " + key.Value + " stands twice", fix: "keep one of them"})
		default:
			faults = append(faults, strictKeys(value, inner)...)
		}
		seen[key.Value] = true
	}
	return faults
}

// decode checks the keys of one tree and fills the value. Scalars of the wrong
// type come back as faults too, with their lines.
func decode(n *yaml.Node, into any) []keyFault {
	t := reflect.TypeOf(into).Elem()
	if n.Kind != yaml.MappingNode {
		return []keyFault{{line: n.Line, reason: "want a mapping of keys", fix: "write key: value pairs"}}
	}
	if faults := strictKeys(n, t); len(faults) > 0 {
		return faults
	}
	if err := n.Decode(into); err != nil {
		return []keyFault{{line: n.Line, reason: err.Error(), fix: "write a value of the type the schema asks for"}}
	}
	return nil
}

// blankSecrets overwrites every value under a key that looks like a secret and
// reports whether there was one.
func blankSecrets(n *yaml.Node) bool {
	found := false
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && secretKey(n.Content[i-1].Value) {
			found = true
			*c = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: blanked, Line: c.Line, Column: c.Column}
			continue
		}
		if c.Kind == yaml.ScalarNode && userInfo.MatchString(c.Value) {
			found = true
			c.Value = userInfo.ReplaceAllString(c.Value, "://"+blanked+"@")
		}
		if blankSecrets(c) {
			found = true
		}
	}
	return found
}

const blanked = "REDACTED"

// userInfo finds user and password inside a URL.
var userInfo = regexp.MustCompile(`://[^/\s@]*@`)

// rawTree prints a tree for the quarantine; secrets were blanked before.
func rawTree(n *yaml.Node) string {
	out, err := yaml.Marshal(n)
	if err != nil {
		return "(line " + fmt.Sprint(n.Line) + " cannot be printed: " + err.Error() + ")"
	}
	return clip(string(out))
}

const maxRaw = 2000 // bytes of a row kept with its fault

func clip(text string) string {
	text = strings.TrimSpace(text)
	if len(text) <= maxRaw {
		return text
	}
	return strings.ToValidUTF8(text[:maxRaw], "") + " …"
}
