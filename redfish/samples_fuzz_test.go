package redfish

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// swaps are values of every JSON type, each wrong for most fields.
var swaps = []string{`12`, `"x"`, `{"a":1}`, `[1,"y",{}]`, `null`, `true`, `""`, `[]`}

// swapped is a body with one field of another type.
func swapped(body json.RawMessage, field, value string) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	fields[field] = json.RawMessage(value)
	out, err := json.Marshal(fields)
	if err != nil {
		return body
	}
	return out
}

// TestSamplesSwapEveryField takes every body the walk reads, gives every field
// in turn a value of another type, and decodes it: never a panic, and a part
// whose serial cannot be read is a fault or no longer a reading of a serial.
func TestSamplesSwapEveryField(t *testing.T) {
	t.Parallel()
	n := 0
	for _, c := range sampleCases(t) {
		tr, err := walk(context.Background(), loadSample(t, c.tree))
		if err != nil {
			t.Fatal(err)
		}
		system, role, err := target(tr, inventory.Endpoint{System: c.system}, Profile{})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range slices.Clone(tr.order) {
			for j, field := range sortedFields(r.fields) {
				if field == "@odata.type" || field == "@odata.id" {
					continue
				}
				n++
				decodeSwapped(t, tr, system, role, r, field, swaps[(i+j)%len(swaps)])
			}
		}
	}
	if n < 10000 {
		t.Errorf("%d bodies with one swapped field: the captures were not read", n)
	}
	t.Logf("%d bodies with one swapped field", n)
}

func sortedFields(m map[string]json.RawMessage) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func decodeSwapped(t *testing.T, tr *tree, system *resource, role Role, r *resource, field, value string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s, field %s = %s: panic %v", r.id, field, value, p)
		}
	}()
	body := swapped(r.body, field, value)
	m, err := parseResource(body, r.id)
	if err != nil {
		t.Fatalf("%s: a body with a swapped field is still an object: %v", r.id, err)
	}
	m.kind, m.parent, m.from, m.owners = r.kind, r.parent, r.from, r.owners
	one := &tree{root: tr.root, byID: map[string]*resource{m.id: m}, order: []*resource{m}, linked: map[string]int{}}
	c := &collector{scope: &scope{tree: one, system: system, role: role, own: map[string]bool{}, foreign: map[string]*resource{}}}
	c.decode(m)
	c.hostMACs()
	judgeSensor(m)
	c.boardOf(m, map[string]bool{}, map[string]bool{})
	if field == "SerialNumber" && (value[0] == '{' || value == `[1,"y",{}]`) && classOf(m) != "" {
		for _, p := range c.parts {
			if p.serial != "" && p.broken == "" {
				t.Errorf("%s: serial %q of %s", r.id, p.serial, value)
			}
		}
		if len(c.parts) > 0 && len(one.faults) == 0 {
			t.Errorf("%s: an unreadable serial is no fault", r.id)
		}
	}
}

// TestSamplesBroken reads whole captures in which some bodies are cut off or
// have a field of a wrong type: no panic, and every cut body is a fault.
func TestSamplesBroken(t *testing.T) {
	t.Parallel()
	broken := 0
	for _, c := range sampleCases(t) {
		whole := loadSample(t, c.tree)
		for seed := range uint64(6) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			cut := map[string]bool{}
			g := &treeGetter{bodies: map[string]json.RawMessage{}, asked: map[string]int{}}
			for _, uri := range sortedFields(whole.bodies) {
				body := whole.bodies[uri]
				switch rnd.IntN(12) {
				case 0:
					if uri != "/redfish/v1" && len(body) > 20 {
						body, cut[uri] = body[:len(body)-1-rnd.IntN(len(body)/2)], true
					}
				case 1:
					var fields map[string]json.RawMessage
					if json.Unmarshal(body, &fields) == nil && len(fields) > 0 {
						body = swapped(body, sortedFields(fields)[rnd.IntN(len(fields))], swaps[rnd.IntN(len(swaps))])
					}
				}
				g.bodies[uri] = body
			}
			broken += len(cut)
			checkBroken(t, c, g, cut, seed)
		}
	}
	if broken < 1000 {
		t.Errorf("%d bodies were cut off: the captures were not read", broken)
	}
}

func checkBroken(t *testing.T, c sampleCase, g *treeGetter, cut map[string]bool, seed uint64) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s, seed %d: panic %v", c, seed, p)
		}
	}()
	tr, err := walk(context.Background(), g)
	if err != nil {
		t.Fatalf("%s, seed %d: %v", c, seed, err)
	}
	observation(tr, inventory.Endpoint{System: c.system}, Profile{})
	for uri := range g.asked {
		key := resourceKey(uri)
		if cut[key] && !slices.ContainsFunc(tr.faults, func(f inventory.ReadFault) bool { return strings.EqualFold(f.Path, key) }) {
			t.Errorf("%s, seed %d: %s was cut off and is no fault", c, seed, key)
		}
	}
}

// FuzzBody replaces one body of the small host by anything.
func FuzzBody(f *testing.F) {
	paths := sortedKeysOf(host())
	for i, p := range paths {
		f.Add(uint8(i), []byte(host()[p]))
	}
	f.Add(uint8(3), []byte(`{"@odata.type":"#MemoryCollection.MemoryCollection","Members":[{"@odata.id":"/a","Id":"1"},[],7,null,{"@odata.id":"https://x/"}],"Members@odata.nextLink":"/redfish/v1/Systems/1/Memory"}`))
	f.Add(uint8(5), []byte(`{"Id":{},"Status":[],"Links":"x","ProcessorType":"GPU","SerialNumber":1e400}`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		b := host()
		path := paths[int(which)%len(paths)]
		b[path] = string(body)
		if strings.HasPrefix(string(body), "!") {
			return // the fixture's own error answers
		}
		tr, err := walk(context.Background(), b)
		if err != nil {
			return // the root cannot be read
		}
		o, _, err := observation(tr, inventory.Endpoint{}, Profile{})
		seen := map[inventory.Key]bool{}
		for _, c := range o.Components {
			if seen[c.Key] && c.Kind != inventory.KindBoard && c.Kind != inventory.KindERoT && c.Kind != inventory.KindBaseboard {
				t.Fatalf("two components at %s", c.Key)
			}
			seen[c.Key] = true
		}
		if err == nil && len(o.Components) == 0 {
			t.Fatal("an empty inventory without an error")
		}
		alarms, err := walkBy(context.Background(), b, alarmLinks)
		if err == nil {
			alarmsOf(alarms)
		}
		if _, _, err := rawDocument(tr.raw); err != nil {
			t.Fatalf("raw document: %v", err)
		}
	})
}

func sortedKeysOf(b bodies) []string {
	var out []string
	for k := range b {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// FuzzDecode: a body of any content decodes, is mended, or is an error.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"TotalCores":"12","Status":5,"Location":{"PartLocation":{"ServiceLabel":3}}}`))
	f.Add([]byte(`{"Drives":[1,{}],"CapacityBytes":"1e3"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, kind := range []string{"Processor", "Memory", "Drive", "NetworkAdapter", "PowerSupply", "Power", "Fan", "Thermal", "Manager", "SoftwareInventory", "SimpleStorage", "Switch", "Cable", "HpeServerDevice"} {
			r, err := parseResource(body, "/x/"+kind)
			if err != nil {
				return
			}
			r.kind = kind
			one := &tree{root: r, byID: map[string]*resource{}, folded: map[string]*resource{}, order: []*resource{r}, linked: map[string]int{}}
			c := &collector{scope: &scope{tree: one, own: map[string]bool{}, foreign: map[string]*resource{}}}
			c.decode(r)
			for _, p := range mergeParts(one, c.parts) {
				if !slices.Contains([]inventory.ReadState{inventory.StatePresent, inventory.StateAbsent, inventory.StateReadFailed, inventory.StateNotRead}, p.readState()) {
					t.Fatalf("state %q: %+v", p.readState(), p)
				}
			}
		}
	})
}
