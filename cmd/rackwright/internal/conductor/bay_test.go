package conductor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/facts"
	"github.com/rackwright/rackwright/inventory/lifecycle"
	"github.com/rackwright/rackwright/inventory/sqlstore"
	"github.com/rackwright/rackwright/inventory/storetest"
	"github.com/rackwright/rackwright/redfish"
	"github.com/rackwright/rackwright/redfish/bmcsim"
)

// bay is tray C01 of a rack in a real record, a simulated BMC on a real socket
// that answers for it, and the product's own steps between the two. Time is real
// and the configured waits are short.
type bay struct {
	*pond
	dir   string
	fleet *bmcsim.Fleet
	bmc   *bmcsim.BMC
	fill  func(*bay, *Steps) // gives each process its makers

	access    *Access
	conductor *Conductor

	begun func(inventory.Intent) // told after each intent that is committed, before anything is sent
	dead  bool                   // the process has died: nothing reaches the record any more
}

// factory names the secret that a BMC is delivered with.
const factory = "factory/C01"

// errDead is what a record answers to a process that is no more.
var errDead = errors.New("this process is dead")

// newBay stands C01 at a milestone, under a rack type whose machine judges the
// named gates alone; edit changes the machine before it is built.
func newBay(t *testing.T, at inventory.Milestone, gates []inventory.Gate, fill func(*bay, *Steps), edit func(*bmcsim.Spec)) *bay {
	t.Helper()
	spec := bmcsim.NewSpec(bmcsim.ProfileX86, "C01")
	spec.Timing = bmcsim.Timing{PowerOn: 10 * time.Millisecond, PowerOff: 10 * time.Millisecond, Post: 10 * time.Millisecond, BMCReset: 20 * time.Millisecond, Update: 50 * time.Millisecond}
	if edit != nil {
		edit(&spec)
	}
	fleet, err := bmcsim.New(bmcsim.Options{}, spec)
	if err == nil {
		err = fleet.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &bay{pond: &pond{t: t}, dir: t.TempDir(), fleet: fleet, bmc: fleet.BMC("C01"), fill: fill}
	t.Cleanup(func() {
		b.must(errors.Join(b.access.Dialer.Logout(context.Background()), b.pond.Close(), fleet.Close()))
	})
	b.start()
	b.expect(gates)
	s := b.bmc.Spec()
	b.must(b.access.seal(t.Context(), factory, sealed{User: s.User, Password: s.Password}, 0))
	b.reach(b.bmc.URL())
	storetest.Raise(t, b.pond.Store, b.node("C01"), at)
	if len(gates) > 0 {
		b.sign()
	}
	return b
}

// start is a new process on the same record: nothing is left in memory, and the
// leases of the one before are void.
func (b *bay) start() {
	b.t.Helper()
	if b.pond.Store != nil {
		b.must(b.pond.Close())
	}
	s, err := sqlstore.Open(b.t.Context(), sqlstore.Options{DSN: filepath.Join(b.dir, "record.db"), Site: "ams1"})
	b.must(err)
	b.pond.Store, b.dead, b.begun = s, false, nil
	b.access = &Access{Store: b, Sealer: openSealer{}}
	b.access.Dialer = &redfish.Dialer{Credentials: b.access, Memory: s}
	steps := &Steps{Store: b, Makers: map[inventory.Milestone]Maker{}, Extra: map[inventory.OpKind]Maker{}}
	b.fill(b, steps)
	b.conductor = &Conductor{Store: b, Holder: "one", Log: slog.New(slog.NewTextHandler(b.pond, nil)), Timing: Timing{Backoff: 20 * time.Millisecond, Longest: 50 * time.Millisecond}}
	steps.Fill(b.conductor)
}

func (b *bay) expect(machine []inventory.Gate) {
	b.t.Helper()
	kind := storetest.Type(2)
	kind.Gates = slices.DeleteFunc(kind.Gates, func(r inventory.GateRule) bool { return slices.Contains(machine, r.Gate) })
	raw, err := json.Marshal(kind)
	b.must(err)
	m := storetest.Manifest(b.t, b.pond.Store, "A12", "doc")
	m.Racks[0].Type.Digest, err = b.Put(b.t.Context(), inventory.DocRackType, raw)
	b.must(err)
	m.Nodes[0].Serial, m.Nodes[0].UUID = b.bmc.Spec().ChassisSerial, b.bmc.Spec().UUID
	m.Components = nil // what a machine is made of is not these tests' matter
	b.must(b.Expect(b.t.Context(), m, "ann"))
}

// sign files what people owe for the next milestone of C01, so that the machine's
// gates alone decide.
func (b *bay) sign() {
	b.t.Helper()
	f, err := facts.Node(b.t.Context(), b, b.node("C01").ID, time.Now())
	b.must(err)
	next, _ := lifecycle.After(f.Node.Milestone)
	for _, g := range lifecycle.GateResults(next, f) {
		if g.Producer == inventory.ByChecklist && !g.Open() {
			_, err := b.File(b.t.Context(), inventory.Evidence{Subject: inventory.NodeSubject(f.Node.ID), Gate: g.Gate, Result: inventory.ResultPass, Producer: g.Producer, By: "ann", At: time.Now()})
			b.must(err)
		}
	}
}

// reach binds C01 to an address, with the key its BMC shows and the factory secret.
func (b *bay) reach(url string) {
	b.t.Helper()
	b.must(b.Bind(b.t.Context(), "A12/C01", inventory.Endpoint{URL: url, Pin: inventory.Digest(b.bmc.Pin()), Credential: factory}))
}

// openSealer keeps secrets as they are: how they are closed is package server's matter.
type openSealer struct{}

func (openSealer) Seal(s inventory.Secret) ([]byte, error) { return []byte(s.Reveal()), nil }
func (openSealer) Unseal(raw []byte) (inventory.Secret, error) {
	return inventory.NewSecret(string(raw)), nil
}

func (b *bay) Begin(ctx context.Context, c inventory.Claim, i inventory.Intent) (inventory.IntentID, error) {
	id, err := b.pond.Begin(ctx, c, i)
	if err == nil && b.begun != nil {
		b.begun(i)
	}
	return id, err
}

func (b *bay) Apply(ctx context.Context, c inventory.Claim, x inventory.Change) error {
	if b.dead {
		return errDead
	}
	return b.pond.Apply(ctx, c, x)
}

func (b *bay) Answer(ctx context.Context, c inventory.Claim, run inventory.RunID, l inventory.RequestLine) error {
	if b.dead {
		return errDead
	}
	return b.pond.Answer(ctx, c, run, l)
}

// ask files a person's request on C01.
func (b *bay) ask(op inventory.OpKind, args string) inventory.RunID {
	b.t.Helper()
	b.must(b.SavePerson(b.t.Context(), inventory.Person{ID: "ann"}))
	req := inventory.Request{Key: fmt.Sprint(op, time.Now().UnixNano()), Op: op, On: inventory.Selector{Nodes: []inventory.NodeID{b.node("C01").ID}}, By: "ann"}
	if args != "" {
		req.Args = json.RawMessage(args)
	}
	req, err := b.Ask(b.t.Context(), req)
	b.must(err)
	return req.Run
}

// line is what a request says about C01 now.
func (b *bay) line(run inventory.RunID) inventory.RequestLine {
	b.t.Helper()
	req, err := b.Request(b.t.Context(), run)
	b.must(err)
	if len(req.Lines) != 1 {
		b.t.Fatalf("lines: %+v", req.Lines)
	}
	return req.Lines[0]
}

// answered waits until a request is answered, and gives the line.
func (b *bay) answered(run inventory.RunID) inventory.RequestLine {
	b.t.Helper()
	open := []string{"not_started", lineRunning}
	b.work("the request is answered", func() bool { return !slices.Contains(open, b.line(run).Result) })
	return b.line(run)
}

// work lets the process run until something is so.
func (b *bay) work(what string, so func() bool) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); {
		if time.Now().After(end) {
			text := b.log.String()
			b.t.Fatalf("never came: %s\nblockers %s\n%s", what, b.said(), text[max(0, len(text)-1000):])
		}
		if b.tick() == 0 {
			time.Sleep(2 * time.Millisecond) // nothing is due yet
		}
	}
}

// tick lets everything that is due take one turn.
func (b *bay) tick() int {
	b.t.Helper()
	n, err := b.conductor.Tick(b.t.Context())
	b.must(err)
	return n
}

// turns wakes C01 for a number of turns, whatever it waits for.
func (b *bay) turns(n int) {
	b.t.Helper()
	for range n {
		b.must(b.Wake(b.t.Context(), inventory.NodeSubject(b.node("C01").ID)))
		b.tick()
	}
}

// breakOff is a person who breaks the lock of what runs on C01.
func (b *bay) breakOff() {
	b.t.Helper()
	b.must(b.BreakLock(b.t.Context(), inventory.NodeSubject(b.node("C01").ID), "ann", "it hangs"))
}
