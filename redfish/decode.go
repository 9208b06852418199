package redfish

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// maxMends bounds how many fields of one body may be of the wrong type before
// the body as a whole is called undecodable.
const maxMends = 16

// decode reads a body into a schema struct of gofish, which is used for nothing
// but this. Its types are strict where BMCs are not (redfish.md §3), so a field
// that does not fit is mended: text that is a number where a number belongs
// becomes one, anything else is left out and named in lost. The error says that
// the body as a whole is no such resource.
func decode[T any](body json.RawMessage) (v T, lost []string, err error) {
	for range maxMends {
		err = json.Unmarshal(body, &v)
		var wrong *json.UnmarshalTypeError
		if err == nil || !errors.As(err, &wrong) {
			return v, lost, err
		}
		path := fieldPath(wrong.Field)
		if len(path) == 0 {
			return v, lost, fmt.Errorf("a %s where %s belongs", wrong.Value, wrong.Type)
		}
		mended, dropped, ok := mend(body, path, wrong)
		if !ok {
			return v, lost, fmt.Errorf("field %s is a %s: %w", wrong.Field, wrong.Value, err)
		}
		if dropped != "" {
			lost = append(lost, dropped)
		}
		var fresh T
		body, v = mended, fresh
	}
	return v, lost, fmt.Errorf("more than %d fields of a wrong type: %w", maxMends, err)
}

// fieldPath is the JSON path of a type error. gofish decodes through embedded
// helper types, whose names stand in it too.
func fieldPath(field string) []string {
	var out []string
	for _, f := range strings.Split(field, ".") {
		if f != "" && f != "temp" && f != "t1" && f != "Entity" {
			out = append(out, f)
		}
	}
	return out
}

// mend repairs one field, or drops it; where the path runs through a list the
// whole property is dropped, because the error does not say which element.
func mend(body json.RawMessage, path []string, wrong *json.UnmarshalTypeError) (json.RawMessage, string, bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return nil, "", false
	}
	name, found := path[0], false
	for k := range fields { // encoding/json matches names without case
		if strings.EqualFold(k, path[0]) {
			name, found = k, true
			break
		}
	}
	if !found {
		return nil, "", false
	}
	dropped := ""
	if len(path) > 1 {
		if inner, lost, ok := mend(fields[name], path[1:], wrong); ok {
			fields[name] = inner
			if lost != "" {
				dropped = name + "." + lost
			}
			return marshalled(fields, dropped)
		}
	} else if n, ok := numberIn(fields[name], wrong.Type); ok {
		fields[name] = n
		return marshalled(fields, "")
	}
	delete(fields, name)
	return marshalled(fields, name)
}

func marshalled(fields map[string]json.RawMessage, dropped string) (json.RawMessage, string, bool) {
	out, err := json.Marshal(fields)
	return out, dropped, err == nil
}

// numberIn turns "5500" into 5500, and 12 into "12" where text belongs.
func numberIn(raw json.RawMessage, want reflect.Type) (json.RawMessage, bool) {
	s := strings.TrimSpace(text(raw))
	switch want.Kind() {
	case reflect.String:
		if s == "" || s == "true" || s == "false" {
			return nil, false
		}
		out, err := json.Marshal(s)
		return out, err == nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || n != float64(int64(n)) {
			return nil, false
		}
		return json.RawMessage(strconv.FormatInt(int64(n), 10)), true
	case reflect.Float32, reflect.Float64:
		if _, err := strconv.ParseFloat(s, 64); err != nil || !json.Valid([]byte(s)) {
			return nil, false
		}
		return json.RawMessage(s), true
	}
	return nil, false
}
