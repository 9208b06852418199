package plan

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/inventory"
)

func TestEmbeddedPlansAreSound(t *testing.T) {
	if got := Names(); !slices.Equal(got, []string{"smoke", "x86"}) {
		t.Fatalf("plans %v", got)
	}
	for _, name := range Names() {
		p, err := Embedded(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != name {
			t.Errorf("file %s holds plan %s", name, p.Name)
		}
		var total burnin.Span
		for _, s := range p.Tests {
			total += s.Duration
			if s.Destructive {
				t.Errorf("%s/%s writes to drives", name, s.ID)
			}
		}
		if hours := total.D().Hours(); name == "smoke" && hours > 0.01 || name == "x86" && hours < 10 {
			t.Errorf("plan %s lasts %.2f h", name, hours)
		}
	}
	if _, err := Embedded("none"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("unknown plan: %v", err)
	}
}

// TestJSONIsTheSamePlan: JSON reads as the YAML it came from, with one digest.
func TestJSONIsTheSamePlan(t *testing.T) {
	for _, name := range Names() {
		p, err := Embedded(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(name, b)
		if err != nil {
			t.Fatal(err)
		}
		if again.Digest() != p.Digest() {
			t.Errorf("plan %s: digest %s through JSON, %s from YAML", name, again.Digest(), p.Digest())
		}
		var wire burnin.Profile
		if err := json.Unmarshal(b, &wire); err != nil || wire.Digest() != p.Digest() {
			t.Errorf("plan %s: %v, %s", name, err, wire.Digest())
		}
	}
}

const good = `plan: small
version: 1
kernel: [hw_error]
steps:
  - {id: a, tool: inventory, timeout: 1m, gates: [{metric: parts, unit: count, min: 1, source: "house: x"}]}
  - {id: m, tool: memtester, args: {memory: 10M}, timeout: 1m, gates: [{metric: failures, unit: count, equals: 0, source: "vendor: x"}, {metric: tests_ok, unit: count, min: 1, source: "vendor: x"}]}
  - {id: z, tool: inventory, timeout: 1m, gates: [{metric: parts, unit: count, min: 1, source: "house: x"}]}
`

func TestFaults(t *testing.T) {
	if _, err := Parse("good", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, now, want string }{
		{"unknown key", "version: 1", "version: 1\nspeed: 2", "field speed not found"},
		{"repeated key", "version: 1", "version: 1\nversion: 1", "already defined"},
		{"no version", "version: 1", "version: 0", "version: want a number from 1"},
		{"unknown tool", "tool: memtester", "tool: memtest", "tool \"memtest\" is unknown"},
		{"unknown metric", "metric: failures", "metric: fails", "no such metric"},
		{"unknown argument", "memory: 10M", "mem: 10M", "argument \"mem\" is unknown"},
		{"wrong unit", "unit: count, equals: 0", "unit: s, equals: 0", "the metric is in \"count\""},
		{"wrong entity", "metric: failures,", "metric: failures, per: drive,", "the metric is per \"\""},
		{"two limits", "equals: 0", "equals: 0, max: 3", "exactly one of"},
		{"no limit", "equals: 0, ", "", "exactly one of"},
		{"not finite", "equals: 0", "equals: .nan", "not a finite number"},
		{"no source", `source: "vendor: x"}, {`, `source: ""}, {`, "want \"basis: text\""},
		{"strange basis", `source: "vendor: x"}, {`, `source: "rumour: x"}, {`, "with a basis of"},
		{"timeout", "args: {memory: 10M}, timeout: 1m", "args: {memory: 10M}, duration: 2m, timeout: 1m", "longer than the duration"},
		{"duration without unit", "args: {memory: 10M}, timeout: 1m", "args: {memory: 10M}, timeout: 60", "want a number with a unit"},
		{"same id", "id: z", "id: a", "used twice"},
		{"needs nothing", "id: m,", "id: m, needs: [q],", "which is no earlier step"},
		{"no work gate", ", {metric: tests_ok, unit: count, min: 1, source: \"vendor: x\"}", "", "no gate proves"},
		{"fault metric not gated", `{metric: failures, unit: count, equals: 0, source: "vendor: x"}, `, "", "must be gated"},
		{"fault metric only observed", "metric: failures,", "metric: failures, observe: true,", "must be gated"},
		{"kernel class", "[hw_error]", "[hw_errors]", "is unknown; known are"},
		{"no kernel log", "[hw_error]", "[]", "kernel: name the"},
		{"frame", "id: z, tool: inventory", "id: z, tool: counters", "the first and the last step"},
		{"write without word", "tool: memtester, args: {memory: 10M}", "tool: fio, each: drive, args: {rw: write}", "do not agree"},
		{"foreign gate", "metric: failures,", "metric: failures, gate: leak.none,", "want suite.verdict"},
		{"second document", "plan: small", "plan: other\n---\nplan: small", "more than one document"},
		{"resolved by hand", "id: m,", "id: m, targets: [],", "field targets not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.now, 1)
			if text == good {
				t.Fatalf("%q is not in the plan", c.old)
			}
			_, err := Parse(c.name, []byte(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if !errors.Is(err, inventory.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
		})
	}
}

// TestAllFaultsAtOnce: three faults in one document come in one error.
func TestAllFaultsAtOnce(t *testing.T) {
	text := strings.NewReplacer("version: 1", "version: 0\nspeed: 1", "id: m,", "id: M,", "[hw_error]", "[]").Replace(good)
	_, err := Parse("bad", []byte(text))
	var f *Faults
	if !errors.As(err, &f) || len(f.Lines) < 4 {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("plan: {a: [}"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse("fuzz", b)
		if err == nil && len(burnin.Check(p)) > 0 {
			t.Errorf("an unsound plan was read: %v", burnin.Check(p))
		}
	})
}
