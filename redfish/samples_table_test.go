package redfish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/samplecount"
)

// classes of the table, in its order. Chassis stands for every Chassis that
// became a component of its own: the unit, boards, roots of trust.
var classes = []string{"cpu", "gpu", "dimm", "drive", "nic", "mac", "psu", "fan", "nvswitch", "bmc", "firmware", "chassis", "cable"}

// because is one rule's share of a difference.
type because struct {
	n    int
	rule string
}

// sampleCase is one reading of one capture.
type sampleCase struct{ tree, system string }

func sampleCases(t testing.TB) []sampleCase {
	var out []sampleCase
	for _, name := range sampleNames(t) {
		switch name {
		case "cray-ex235n-a100": // two hosts on one BMC: the endpoint names one
			out = append(out, sampleCase{name, "Node0"}, sampleCase{name, "Node1"})
		case "dmtf-smartnic": // the host and the DPU are two nodes
			out = append(out, sampleCase{name, ""}, sampleCase{name, "Card1-SoC"})
		default:
			out = append(out, sampleCase{name, ""})
		}
	}
	return out
}

func (c sampleCase) String() string {
	if c.system == "" {
		return c.tree
	}
	return c.tree + " " + c.system
}

// TestSamplesTable is must-show item 5: Observe over every capture, beside the
// counts of a second program that reads resources.jsonl by @odata.type. Each
// difference must be the sum of named rules, and where the merge itself noted a
// rule, the note must say the same number.
func TestSamplesTable(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-38s %-8s %5s %6s %5s  %s\n", "tree", "class", "ours", "indep.", "diff", "explained by")
	readings, rows, differing := 0, 0, 0
	for _, c := range sampleCases(t) {
		readings++
		o, notes, err := observeSample(t, c)
		f, openErr := os.Open(filepath.Join(samplesDir, c.tree, "resources.jsonl"))
		if openErr != nil {
			t.Fatal(openErr)
		}
		second, countErr := samplecount.Read(f)
		f.Close()
		if countErr != nil {
			t.Fatal(countErr)
		}
		name := c.String()
		for _, class := range classes {
			ours, indep := ourCount(o, class), second[class]
			if ours == 0 && indep == 0 {
				continue
			}
			why := explained[c.String()][class]
			if rows++; ours != indep {
				differing++
			}
			fmt.Fprintf(&table, "%-38s %-8s %5d %6d %5d  %s\n", name, class, ours, indep, ours-indep, sentence(why))
			checkRow(t, c, class, ours-indep, why, notes)
			name = ""
		}
		fmt.Fprintf(&table, "%-38s %-8s %s\n", name, "", outcome(o, err))
		checkOutcome(t, c, err)
	}
	fmt.Fprintf(&table, "%d trees, %d readings, %d rows, %d with a difference, each explained by a rule unless the test failed\n",
		len(sampleNames(t)), readings, rows, differing)
	t.Log(table.String())
}

func observeSample(t testing.TB, c sampleCase) (inventory.Observation, []note, error) {
	tr, err := walk(context.Background(), loadSample(t, c.tree))
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	o, _, err := observation(tr, inventory.Endpoint{URL: "https://" + c.tree, System: c.system}, Profile{})
	return o, tr.notes, err
}

// ourCount counts what the observation says is there.
func ourCount(o inventory.Observation, class string) int {
	n, macs := 0, map[string]bool{}
	for _, c := range o.Components {
		if c.State != inventory.StatePresent {
			continue
		}
		for _, id := range c.IDs {
			if id.Kind == inventory.IDMAC {
				macs[id.Norm] = true
			}
		}
		kind := string(c.Kind)
		switch c.Kind {
		case inventory.KindBoard, inventory.KindERoT:
			kind = "chassis"
		case inventory.KindDPU:
			kind = "nic" // a card is a NetworkAdapter to a counter by type
		}
		if kind == class {
			n++
		}
	}
	if class == "mac" {
		return len(macs)
	}
	return n
}

func sentence(why []because) string {
	var parts []string
	for _, b := range why {
		parts = append(parts, fmt.Sprintf("%+d rule %s", b.n, b.rule))
	}
	return strings.Join(parts, "; ")
}

// checkRow fails on a difference that the named rules do not add up to, and on
// a rule whose number is not what the merge noted.
func checkRow(t *testing.T, c sampleCase, class string, diff int, why []because, notes []note) {
	t.Helper()
	sum := 0
	for _, b := range why {
		sum += b.n
		noted := 0
		for _, n := range notes {
			if n.Rule == b.rule && string(n.Kind) == class {
				noted++
			}
		}
		if noted > 0 && noted != -b.n {
			t.Errorf("%s %s: rule %s is said to explain %d, the merge noted %d", c, class, b.rule, b.n, noted)
		}
	}
	for rule, n := range notedRules(notes, class) {
		if !slices.ContainsFunc(why, func(b because) bool { return b.rule == rule }) {
			t.Errorf("%s %s: the merge used rule %s %d times, and the table does not say so", c, class, rule, n)
		}
	}
	if sum != diff {
		t.Errorf("%s %s: difference %d, explained %d (%s); noted: %v", c, class, diff, sum, sentence(why), notedRules(notes, class))
	}
}

func notedRules(notes []note, class string) map[string]int {
	out := map[string]int{}
	for _, n := range notes {
		if string(n.Kind) == class {
			out[n.Rule]++
		}
	}
	return out
}

func outcome(o inventory.Observation, err error) string {
	states := map[inventory.ReadState]int{}
	for _, c := range o.Components {
		states[c.State]++
	}
	text := fmt.Sprintf("%d present, %d absent, %d read_failed, %d not_read; %d faults", states[inventory.StatePresent], states[inventory.StateAbsent],
		states[inventory.StateReadFailed], states[inventory.StateNotRead], len(o.Faults))
	if err != nil {
		text += "; " + err.Error()
	}
	return text
}

// emptyTrees are the captures that hold no whole unit: slices made to show one
// thing. Observe says so instead of handing out an empty record.
var emptyTrees = map[string]bool{"dell-idrac-synthetic": true, "dmtf-cables": true, "google-session-auth": true}

func checkOutcome(t *testing.T, c sampleCase, err error) {
	t.Helper()
	if emptyTrees[c.tree] != errors.Is(err, ErrEmpty) || err != nil && !emptyTrees[c.tree] {
		t.Errorf("%s: error %v, want ErrEmpty: %t", c, err, emptyTrees[c.tree])
	}
}
