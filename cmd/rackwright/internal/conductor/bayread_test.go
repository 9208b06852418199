package conductor

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// op is what runs on C01, "" when nothing does.
func (b *bay) op() string {
	if op := b.node("C01").Operation; op != nil {
		return string(op.Kind) + " " + op.Step
	}
	return ""
}

// blocked are the messages that say who must act on C01.
func (b *bay) blocked(fix string) bool {
	b.t.Helper()
	list, err := b.Blockers(b.t.Context(), inventory.Selector{Nodes: []inventory.NodeID{b.node("C01").ID}})
	b.must(err)
	return slices.ContainsFunc(list, func(x inventory.Blocker) bool { return x.Fix == fix })
}

// said are the blockers of C01 as people read them.
func (b *bay) said() string {
	b.t.Helper()
	list, err := b.Blockers(b.t.Context(), inventory.Selector{Nodes: []inventory.NodeID{b.node("C01").ID}})
	b.must(err)
	var out bytes.Buffer
	for _, x := range list {
		fmt.Fprintf(&out, "%s %s: %s\n", x.Owner, x.Gate, inventory.Sentence(x.Fix, x.Args))
	}
	return out.String()
}

// outcomes are those of C01's intents, oldest first; an unsettled one is "open".
func (b *bay) outcomes() string {
	b.t.Helper()
	all, err := b.Intents(b.t.Context(), inventory.NodeSubject(b.node("C01").ID))
	b.must(err)
	var out []string
	for _, i := range all {
		if !i.Settled {
			out = append(out, "open")
			continue
		}
		out = append(out, string(i.Outcome))
	}
	return strings.Join(out, " ")
}

// gate is the newest result that a machine filed for a gate of C01, and why.
func (b *bay) gate(g inventory.Gate) (inventory.Result, string) {
	b.t.Helper()
	rows, err := b.Evidence(b.t.Context(), inventory.NodeSubject(b.node("C01").ID))
	b.must(err)
	e, _ := last(rows, g, inventory.NodeSubject(b.node("C01").ID))
	if e.Producer != inventory.ByMachine {
		return "", ""
	}
	return e.Result, e.Detail
}

// sent counts the requests with a body that a fault or the BMC itself has seen.
func (b *bay) sent(method, path string) int {
	n := 0
	for _, m := range b.fleet.Mutations() {
		if m.Method == method && strings.Contains(m.Path, path) {
			n++
		}
	}
	return n
}

func (b *bay) faults(rules ...bmcsim.Fault) {
	b.t.Helper()
	b.must(b.fleet.AddFaults(rules...))
}

// loginsFail: the BMC takes no login, and nobody knows whether it saw one.
var loginsFail = bmcsim.Fault{Method: "POST", Path: "*/SessionService/Sessions", Reset: "before", Count: -1}

// silence: what is committed now may still be sent; after that the BMC's sessions
// are over and it takes no login, so that nobody can look.
func (b *bay) silence() {
	b.faults(bmcsim.Fault{Method: "GET", Path: "*/Systems/1", Status: 401, Count: -1, Nth: 2}, loginsFail)
}

// edit changes the operation of C01 between two turns, as if time had passed.
func (b *bay) edit(do func(*inventory.Operation)) {
	b.t.Helper()
	on := inventory.NodeSubject(b.node("C01").ID)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		b.must(b.Wake(b.t.Context(), on))
		all, err := b.Claim(b.t.Context(), "one", 1)
		b.must(err)
		for _, c := range all {
			if c.Subject != on {
				b.must(b.pond.Apply(b.t.Context(), c, inventory.Change{}))
				continue
			}
			op := b.node("C01").Operation
			do(op)
			b.must(b.pond.Apply(b.t.Context(), c, inventory.Change{Operation: op, Due: time.Now()}))
			return
		}
	}
	b.t.Fatal("C01 was never due")
}
