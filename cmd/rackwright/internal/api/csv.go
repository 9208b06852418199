package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// csvFormat writes a list as CSV: one column a field of the first level, nested
// values as JSON. Answers that are no list are one row.
var csvFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		var rows []map[string]json.RawMessage
		if bytes.HasPrefix(raw, []byte("[")) {
			err = json.Unmarshal(raw, &rows)
		} else {
			rows = make([]map[string]json.RawMessage, 1)
			err = json.Unmarshal(raw, &rows[0])
		}
		if err != nil {
			return fmt.Errorf("this answer has no rows: %w", err)
		}
		return writeRows(csv.NewWriter(w), rows)
	},
	Unmarshal: func([]byte, any) error { return fmt.Errorf("send JSON; CSV is an answer format only") },
}

func writeRows(w *csv.Writer, rows []map[string]json.RawMessage) error {
	var columns []string
	for _, r := range rows {
		for name := range r {
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
	}
	slices.Sort(columns)
	if err := w.Write(columns); err != nil {
		return err
	}
	for _, r := range rows {
		line := make([]string, len(columns))
		for i, name := range columns {
			var text string
			if json.Unmarshal(r[name], &text) != nil {
				text = string(r[name])
			}
			line[i] = text
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
