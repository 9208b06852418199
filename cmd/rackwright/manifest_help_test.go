package main

import (
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory/intake"
)

// TestManifestHelp: the examples of the help are read without one fault.
func TestManifestHelp(t *testing.T) {
	known, err := intake.RackTypes()
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	name := ""
	for line := range strings.Lines(manifestHelp) {
		switch text, ok := strings.CutPrefix(line, "  "); {
		case ok && strings.HasPrefix(text, "schema:"):
			name = "yaml"
			fallthrough
		case ok && name != "":
			blocks[name] = append(blocks[name], text)
		case ok:
			name = "csv"
			blocks[name] = append(blocks[name], text)
		case strings.TrimSpace(line) != "":
			name = ""
		}
	}
	for form, nodes := range map[string]int{"yaml": 1, "csv": 1} {
		m, _, err := intake.ReadManifest(strings.NewReader(strings.Join(blocks[form], "")), intake.Options{Types: known, Site: "ams1"})
		if err != nil || len(m.Faults) > 0 || len(m.Racks) != 1 || len(m.Nodes) != nodes {
			t.Errorf("%s: %d racks, %d nodes, faults %+v, %v\n%s", form, len(m.Racks), len(m.Nodes), m.Faults, err, strings.Join(blocks[form], ""))
		}
	}
}
