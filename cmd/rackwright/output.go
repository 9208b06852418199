package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

// table is one answer in every form: rows for people, value for programs.
type table struct {
	columns []string
	wide    int // columns from here on are shown with -o wide and csv only; 0: all
	rows    [][]string
	value   any
	empty   string // what an empty table says: never plain nothing
}

// checkFlags refuses a wrong -o or --color before anything is done.
func (a *app) checkFlags() error {
	if !slices.Contains([]string{"table", "wide", "json", "yaml", "csv", "name"}, a.output) {
		return fmt.Errorf("%w: -o %s: use table, wide, json, yaml, csv or name", errUsage, a.output)
	}
	if !slices.Contains([]string{"auto", "always", "never"}, a.color) {
		return fmt.Errorf("%w: --color %s: use auto, always or never", errUsage, a.color)
	}
	return nil
}

// print writes the answer to stdout in the form that -o names.
func (a *app) print(t table) error {
	switch a.output {
	case "json":
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(t.value)
	case "yaml":
		return a.yaml(t.value)
	case "csv":
		w := csv.NewWriter(a.out)
		if err := w.Write(t.columns); err != nil {
			return err
		}
		if err := w.WriteAll(t.rows); err != nil {
			return err
		}
		return w.Error()
	case "name":
		for _, r := range t.rows {
			fmt.Fprintln(a.out, r[0])
		}
		return nil
	case "table", "wide":
		return a.text(t)
	}
	return fmt.Errorf("%w: -o %s: use table, wide, json, yaml, csv or name", errUsage, a.output)
}

// yaml goes through JSON, so that both forms have the same field names.
func (a *app) yaml(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return err
	}
	out, err := yaml.Marshal(plain)
	if err != nil {
		return err
	}
	_, err = a.out.Write(out)
	return err
}

func (a *app) text(t table) error {
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(a.out, t.empty)
		return err
	}
	n := len(t.columns)
	if a.output == "table" && t.wide > 0 {
		n = t.wide
	}
	w := tabwriter.NewWriter(a.out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(t.columns[:n], "\t")))
	for _, r := range t.rows {
		fmt.Fprintln(w, strings.Join(r[:n], "\t"))
	}
	return w.Flush()
}

// isTTY reports whether a person reads this stream directly.
func isTTY(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
