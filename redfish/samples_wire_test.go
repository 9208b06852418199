package redfish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// TestSamplesOverHTTPS serves every capture by bmcsim and reads it with the
// whole client: login, session, limits, retries. The components must be those
// of the same bodies read without a wire, and no BMC may see two requests of a
// walk at once.
func TestSamplesOverHTTPS(t *testing.T) {
	names := sampleNames(t)
	fleet, err := bmcsim.New(bmcsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := os.Open(filepath.Join(samplesDir, name, "resources.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		err = fleet.FromTree(bmcsim.Spec{Name: name, User: "root", Password: "Capture-1"}, f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	d := served(t, fleet)
	for _, c := range sampleCases(t) {
		b, err := d.Dial(soon(t), inventory.Endpoint{URL: fleet.BMC(c.tree).URL(), Credential: c.tree, System: c.system}, nil)
		if err != nil {
			t.Errorf("%s: %v", c, err)
			continue
		}
		got, err := b.Observe(soon(t))
		if emptyTrees[c.tree] != errors.Is(err, ErrEmpty) || err != nil && !emptyTrees[c.tree] {
			t.Errorf("%s: %v", c, err)
		}
		if !got.Simulated {
			t.Errorf("%s: served by a simulator and not marked", c)
		}
		plain, _, _ := observeSample(t, c)
		if diff := missing(plain, got); len(diff) > 0 {
			t.Errorf("%s: not seen over the wire: %v", c, diff)
		}
		if diff := missing(got, plain); len(diff) > 0 {
			t.Errorf("%s: seen over the wire only: %v", c, diff)
		}
	}
	if most := fleet.Snapshot().Max(func(c bmcsim.Counters) int { return c.InFlightMax }); most > 1 {
		t.Errorf("%d requests in flight at one BMC", most)
	}
	if most := fleet.Snapshot().Max(func(c bmcsim.Counters) int { return c.SessionsMax }); most > 1 {
		t.Errorf("%d sessions at one BMC", most)
	}
}

// missing lists what the first reading has and the second has not.
func missing(a, b inventory.Observation) []string {
	line := func(c inventory.Component) string { return fmt.Sprint(c.Key, c.Model, c.Serial, c.Firmware, c.State) }
	var have, out []string
	for _, c := range b.Components {
		have = append(have, line(c))
	}
	for _, c := range a.Components {
		if !slices.Contains(have, line(c)) {
			out = append(out, line(c))
		}
	}
	return out
}
