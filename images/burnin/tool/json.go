package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// object finds the first complete JSON object that has the root key and begins
// a line, decodes it into out, and refuses repeated keys with different values.
// Tools print noise before and after; an object that is cut is an error.
func object(tool string, data []byte, root string, out any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return fmt.Errorf("%s: %w", tool, errEmpty)
	}
	for at := 0; at < len(data); {
		if data[at] == '{' {
			dec := json.NewDecoder(bytes.NewReader(data[at:]))
			var raw json.RawMessage
			if err := dec.Decode(&raw); err == nil {
				var top map[string]json.RawMessage
				if json.Unmarshal(raw, &top) == nil && top[root] != nil {
					return decode(tool, raw, out)
				}
			}
		}
		next := bytes.IndexByte(data[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return wrong(tool, "no complete JSON object with %q in %d bytes of output", root, len(data))
}

func decode(tool string, raw []byte, out any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := distinct(dec); err != nil {
		return wrong(tool, "%v", err)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return wrong(tool, "%v", err)
	}
	return nil
}

// maxDepth bounds the nesting of tool output; fio's is 6.
const maxDepth = 64

// distinct walks one value. Two readers that take the first and the last of a
// repeated key would disagree; iperf3 3.12 repeats sock_bufsize with one value,
// which is harmless.
func distinct(dec *json.Decoder) error {
	type level struct {
		seen   map[string]json.Token
		key    string
		object bool
		wants  bool // a key comes next
	}
	var stack []level
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(stack) - 1
		if top >= 0 && stack[top].object && stack[top].wants {
			if key, ok := tok.(string); ok {
				stack[top].key, stack[top].wants = key, false
				continue
			}
		}
		if d, ok := tok.(json.Delim); ok && (d == '{' || d == '[') {
			if len(stack) >= maxDepth {
				return fmt.Errorf("output is nested deeper than %d", maxDepth)
			}
			if top >= 0 && stack[top].object {
				if _, twice := stack[top].seen[stack[top].key]; twice {
					return fmt.Errorf("key %q is repeated", stack[top].key)
				}
				stack[top].seen[stack[top].key], stack[top].wants = tok, true
			}
			stack = append(stack, level{seen: map[string]json.Token{}, object: d == '{', wants: d == '{'})
			continue
		} else if ok {
			stack = stack[:top]
			continue
		}
		if top >= 0 && stack[top].object {
			if before, twice := stack[top].seen[stack[top].key]; twice && before != tok {
				return fmt.Errorf("key %q is repeated with another value", stack[top].key)
			}
			stack[top].seen[stack[top].key], stack[top].wants = tok, true
		}
	}
}
