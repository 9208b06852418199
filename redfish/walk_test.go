package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rackwright/rackwright/inventory"
)

// bodies is a small service by path. A body that starts with "!" is an error
// answer: "!500", or "!unreachable", "!auth", "!busy".
type bodies map[string]string

func (b bodies) get(ctx context.Context, uri string) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	body, ok := b[resourceKey(uri)]
	fail := func(status int, err error) (json.RawMessage, error) {
		return nil, &Error{Op: "get " + uri, Status: status, Err: err}
	}
	switch {
	case !ok:
		return fail(http.StatusNotFound, errors.New("Not Found"))
	case body == "!unreachable":
		return fail(0, ErrUnreachable)
	case body == "!auth":
		return fail(http.StatusUnauthorized, ErrAuth)
	case body == "!privilege":
		return fail(http.StatusForbidden, fmt.Errorf("%w: insufficient privilege", ErrAuth))
	case body == "!busy":
		return fail(http.StatusServiceUnavailable, ErrBusy)
	case strings.HasPrefix(body, "!"):
		return fail(http.StatusInternalServerError, errors.New(body[1:]))
	}
	return json.RawMessage(body), nil
}

// with is a copy with further bodies.
func (b bodies) with(more bodies) bodies {
	out := bodies{}
	for _, m := range []bodies{b, more} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// refList is a collection of references.
func refList(kind string, members ...string) string {
	var refs []string
	for _, m := range members {
		refs = append(refs, fmt.Sprintf(`{"@odata.id":%q}`, m))
	}
	return fmt.Sprintf(`{"@odata.type":"#%sCollection.%sCollection","Members":[%s]}`, kind, kind, strings.Join(refs, ","))
}

// host is the smallest service with one host: a CPU, a DIMM, a chassis, a BMC.
func host() bodies {
	return bodies{
		"/redfish/v1":                         `{"@odata.type":"#ServiceRoot.v1_9_0.ServiceRoot","Systems":{"@odata.id":"/redfish/v1/Systems"},"Chassis":{"@odata.id":"/redfish/v1/Chassis"},"Managers":{"@odata.id":"/redfish/v1/Managers"}}`,
		"/redfish/v1/Systems":                 refList("ComputerSystem", "/redfish/v1/Systems/1"),
		"/redfish/v1/Systems/1":               `{"@odata.id":"/redfish/v1/Systems/1","@odata.type":"#ComputerSystem.v1_9_0.ComputerSystem","Id":"1","SerialNumber":"SN1","Model":"M","Actions":{"#ComputerSystem.Reset":{}},"Processors":{"@odata.id":"/redfish/v1/Systems/1/Processors"},"Memory":{"@odata.id":"/redfish/v1/Systems/1/Memory"},"Links":{"Chassis":[{"@odata.id":"/redfish/v1/Chassis/1"}]}}`,
		"/redfish/v1/Systems/1/Processors":    refList("Processor", "/redfish/v1/Systems/1/Processors/C0"),
		"/redfish/v1/Systems/1/Processors/C0": `{"@odata.id":"/redfish/v1/Systems/1/Processors/C0","@odata.type":"#Processor.v1_9_0.Processor","Id":"C0","ProcessorType":"CPU","Model":"X","Status":{"State":"Enabled"}}`,
		"/redfish/v1/Systems/1/Memory":        refList("Memory", "/redfish/v1/Systems/1/Memory/D0"),
		"/redfish/v1/Systems/1/Memory/D0":     `{"@odata.id":"/redfish/v1/Systems/1/Memory/D0","@odata.type":"#Memory.v1_9_0.Memory","Id":"D0","CapacityMiB":1024,"MemoryDeviceType":"DDR5","Status":{"State":"Enabled"}}`,
		"/redfish/v1/Chassis":                 refList("Chassis", "/redfish/v1/Chassis/1"),
		"/redfish/v1/Chassis/1":               `{"@odata.id":"/redfish/v1/Chassis/1","@odata.type":"#Chassis.v1_9_0.Chassis","Id":"1","ChassisType":"RackMount","SerialNumber":"CH1"}`,
		"/redfish/v1/Managers":                refList("Manager", "/redfish/v1/Managers/BMC"),
		"/redfish/v1/Managers/BMC":            `{"@odata.id":"/redfish/v1/Managers/BMC","@odata.type":"#Manager.v1_9_0.Manager","Id":"BMC","ManagerType":"BMC","FirmwareVersion":"1.0"}`,
	}
}

func observed(t testing.TB, b bodies, system string) (inventory.Observation, *tree, error) {
	t.Helper()
	tr, err := walk(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := observation(tr, inventory.Endpoint{System: system}, Profile{})
	return o, tr, err
}

// partKeys lists the components with their states, those that are present without.
func partKeys(o inventory.Observation) []string {
	var out []string
	for _, c := range o.Components {
		if c.Slot == "" {
			continue
		}
		k := c.Key.String()
		if c.State != inventory.StatePresent {
			k += "=" + string(c.State)
		}
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func hasFault(o inventory.Observation, kind inventory.Kind, path, reason string) bool {
	return slices.ContainsFunc(o.Faults, func(f inventory.ReadFault) bool {
		return f.Kind == kind && strings.Contains(f.Path, path) && strings.Contains(f.Reason, reason)
	})
}

func TestObserveSmallHost(t *testing.T) {
	o, _, err := observed(t, host(), "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bmc/BMC", "chassis/self", "cpu/C0", "dimm/D0"}
	if got := partKeys(o); !slices.Equal(got, want) || len(o.Faults) != 0 {
		t.Errorf("got %v with %v, want %v", got, o.Faults, want)
	}
}

// TestWalkFaults: what fails is the fault of one path, with the class that stays
// unproven, and the rest is read.
func TestWalkFaults(t *testing.T) {
	dimm := "/redfish/v1/Systems/1/Memory/D0"
	tests := map[string]struct {
		change bodies
		kind   inventory.Kind
		path   string
		reason string
	}{
		"404 on an advertised link": {bodies{"/redfish/v1/Systems/1/Memory": refList("Memory", "/redfish/v1/Systems/1/Memory/gone")}, inventory.KindDIMM, "gone", "404"},
		"one class answers 500":     {bodies{"/redfish/v1/Systems/1/Memory": "!boom"}, inventory.KindDIMM, "Memory", "boom"},
		"missing privilege":         {bodies{dimm: "!privilege"}, inventory.KindDIMM, "D0", "privilege"},
		"error body under 200":      {bodies{dimm: `{"error":{"code":"Base.1.0.GeneralError"}}`}, inventory.KindDIMM, "D0", "error answer"},
		"truncated JSON":            {bodies{dimm: `{"@odata.id":"/redfish/v1/Sys`}, inventory.KindDIMM, "D0", "JSON"},
		"null body":                 {bodies{dimm: `null`}, inventory.KindDIMM, "D0", "null"},
		"a list for a body":         {bodies{dimm: `[1]`}, inventory.KindDIMM, "D0", "JSON"},
		"another type":              {bodies{dimm: `{"@odata.type":"#Sensor.v1_0_0.Sensor"}`}, inventory.KindDIMM, "D0", "answers as Sensor, the link promised Memory"},
		"members are no list":       {bodies{"/redfish/v1/Systems/1/Memory": `{"@odata.type":"#MemoryCollection.MemoryCollection","Members":5}`}, inventory.KindDIMM, "Memory", "not a list"},
		"member without a name":     {bodies{"/redfish/v1/Systems/1/Memory": `{"@odata.type":"#MemoryCollection.MemoryCollection","Members":[{}]}`}, inventory.KindDIMM, "Memory", "without @odata.id"},
		"nextLink in a circle": {bodies{"/redfish/v1/Systems/1/Memory": `{"@odata.id":"/redfish/v1/Systems/1/Memory","@odata.type":"#MemoryCollection.MemoryCollection","Members":[],"Members@odata.nextLink":"/redfish/v1/Systems/1/Memory"}`},
			inventory.KindDIMM, "Memory", "nowhere new"},
		"serial of a wrong type": {bodies{dimm: `{"@odata.id":"` + dimm + `","@odata.type":"#Memory.v1_9_0.Memory","Id":"D0","CapacityMiB":1024,"SerialNumber":{"a":1}}`}, inventory.KindDIMM, "D0", "SerialNumber"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			o, _, err := observed(t, host().with(c.change), "")
			if err != nil {
				t.Fatalf("%v with %v", err, o.Faults)
			}
			if !hasFault(o, c.kind, c.path, c.reason) {
				t.Errorf("no fault %s %s %q in %v", c.kind, c.path, c.reason, o.Faults)
			}
			if !slices.Contains(partKeys(o), "cpu/C0") {
				t.Errorf("the rest was not read: %v", partKeys(o))
			}
		})
	}
}

// TestWalkEnds: some answers are about the whole BMC and end the walk.
func TestWalkEnds(t *testing.T) {
	for answer, want := range map[string]error{"!unreachable": ErrUnreachable, "!auth": ErrAuth} {
		if _, err := walk(context.Background(), host().with(bodies{"/redfish/v1/Systems/1/Memory": answer})); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", answer, err, want)
		}
	}
	busy := host().with(bodies{"/redfish/v1/Systems/1/Memory": "!busy", "/redfish/v1/Systems/1/Processors": "!busy", "/redfish/v1/Chassis": "!busy"})
	if _, err := walk(context.Background(), busy); !errors.Is(err, ErrBusy) {
		t.Errorf("three busy answers in a row: %v", err)
	}
	if _, err := walk(context.Background(), host().with(bodies{"/redfish/v1/Systems/1/Memory": "!busy"})); err != nil {
		t.Errorf("one busy answer is a fault of its path: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := walk(ctx, host()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := walk(context.Background(), bodies{"/redfish/v1": `"text"`}); err == nil {
		t.Error("a root that is no object was taken")
	}
}

func TestWalkPagesAndWholeMembers(t *testing.T) {
	member := func(id string) string {
		return fmt.Sprintf(`{"@odata.id":"/redfish/v1/Systems/1/Memory/%s","@odata.type":"#Memory.v1_9_0.Memory","Id":%q,"CapacityMiB":"2048"}`, id, id)
	}
	b := host().with(bodies{
		"/redfish/v1/Systems/1/Memory":        `{"@odata.type":"#MemoryCollection.MemoryCollection","Members":[` + member("A") + `],"Members@odata.nextLink":"/redfish/v1/Systems/1/Memory?page=2"}`,
		"/redfish/v1/Systems/1/Memory?page=2": `{"@odata.type":"#MemoryCollection.MemoryCollection","Members":[` + member("B") + `,{"@odata.id":"/redfish/v1/Systems/1/Memory/D0"},null]}`,
	})
	o, tr, err := observed(t, b, "")
	if err != nil || len(o.Faults) != 0 {
		t.Fatal(err, o.Faults)
	}
	for _, want := range []string{"dimm/A", "dimm/B", "dimm/D0"} {
		if !slices.Contains(partKeys(o), want) {
			t.Errorf("no %s in %v", want, partKeys(o))
		}
	}
	for _, c := range o.Components {
		if c.Slot == "A" && c.SizeMiB != 2048 {
			t.Errorf("a number as text: %d MiB", c.SizeMiB)
		}
	}
	if tr.gets != 12 { // root, 5 lists and a page, System, CPU, D0, chassis, BMC
		t.Errorf("%d requests, want 12: whole members are not asked for again", tr.gets)
	}
}

// TestWalkStaysHome: a link with a host is a relation and never followed.
func TestWalkStaysHome(t *testing.T) {
	for _, href := range []string{"https://192.168.1.22/redfish/v1/Systems/9", "//other/redfish/v1/Systems/9", "http://x/", "file:///etc/passwd"} {
		b := host().with(bodies{"/redfish/v1/Systems": refList("ComputerSystem", "/redfish/v1/Systems/1", href)})
		o, tr, err := observed(t, b, "")
		if err != nil || len(o.Faults) != 0 || !slices.Contains(tr.outside, href) {
			t.Errorf("%s: %v, faults %v, outside %v", href, err, o.Faults, tr.outside)
		}
	}
}

// TestWalkLimits: a tree without end stops at its limits and says so.
func TestWalkLimits(t *testing.T) {
	g := endless{}
	tr, err := walk(context.Background(), &g)
	if err != nil {
		t.Fatal(err)
	}
	if g.asked > maxGets {
		t.Errorf("%d requests, at most %d", g.asked, maxGets)
	}
	if !slices.ContainsFunc(tr.faults, func(f inventory.ReadFault) bool { return strings.Contains(f.Reason, "stops after") }) {
		t.Errorf("no fault says that the walk stopped: %v", tr.faults[:min(3, len(tr.faults))])
	}
	deep := deeper{}
	tr, err = walk(context.Background(), &deep)
	if err != nil || deep.asked > maxDepth+2 {
		t.Errorf("%v after %d requests", err, deep.asked)
	}
	if !slices.ContainsFunc(tr.faults, func(f inventory.ReadFault) bool { return strings.Contains(f.Reason, "deeper than") }) {
		t.Errorf("no fault says that the walk was too deep: %v", tr.faults)
	}
}

// endless serves a collection whose pages never end.
type endless struct{ asked int }

func (g *endless) get(_ context.Context, uri string) (json.RawMessage, error) {
	g.asked++
	if resourceKey(uri) == "/redfish/v1" {
		return json.RawMessage(`{"Chassis":{"@odata.id":"/c"}}`), nil
	}
	if strings.HasPrefix(uri, "/m") {
		return json.RawMessage(`{"@odata.type":"#Chassis.v1_0_0.Chassis"}`), nil
	}
	return json.RawMessage(fmt.Sprintf(`{"@odata.id":%q,"@odata.type":"#ChassisCollection.ChassisCollection","Members":[{"@odata.id":"/m%d"}],"Members@odata.nextLink":"/c?%d"}`, uri, g.asked, g.asked)), nil
}

// deeper serves a chassis inside a chassis inside a chassis.
type deeper struct{ asked int }

func (g *deeper) get(_ context.Context, uri string) (json.RawMessage, error) {
	g.asked++
	if resourceKey(uri) == "/redfish/v1" {
		return json.RawMessage(`{"Chassis":{"@odata.id":"/c"}}`), nil
	}
	return json.RawMessage(fmt.Sprintf(`{"@odata.id":%q,"@odata.type":"#Chassis.v1_0_0.Chassis","Links":{"Contains":[{"@odata.id":"%sx"}]}}`, uri, uri)), nil
}
