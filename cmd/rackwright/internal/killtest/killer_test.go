package killtest_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rackwright/rackwright/inventory"
)

// phases of a blow.
const (
	before = "before"
	half   = "half"
	after  = "after"
)

// killer counts the write methods of a record and kills its own process before
// or after the n-th. Each commit is written to a log, so that a point has a name.
//
// A claim counts when it took something, and only in runs that kill after a
// commit: before a claim the record is what the commit before it left.
type killer struct {
	inventory.Store
	at    int    // 0: never
	name  string // or at the first commit whose name begins so
	phase string
	// spare: the process before died with an intent open. A step that may be sent
	// once more is not killed a second time: the law calls for a person then.
	spare bool
	late  atomic.Bool  // a blow that waits for the open intents
	begun atomic.Int64 // intents of this process without outcome
	n     atomic.Int64
	log   *os.File
}

func (k *killer) strike(what string) {
	fmt.Fprintf(k.log, "%s %s\n", struck, what)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// write runs one write method as the next commit.
func write[T any](k *killer, what string, do func() (T, error)) (T, error) {
	hit := k.open(what)
	out, err := do()
	k.done(hit)
	return out, err
}

// struck marks the line of the log that says what a process died of.
const struck = "killed"

// open is called before a commit; it returns its name if it is the one to kill at.
func (k *killer) open(what string) (hit string) {
	n := int(k.n.Add(1))
	fmt.Fprintf(k.log, "%d %s\n", n, what)
	named := k.name != "" && (what == k.name || strings.HasPrefix(what, k.name+" "))
	if n != k.at && !named && !k.late.Load() {
		return ""
	}
	if k.spare && k.begun.Load() > 0 {
		k.late.Store(true)
		return ""
	}
	if k.phase == before {
		k.strike(what)
	}
	return what
}

// done is called after it.
func (k *killer) done(hit string) {
	if hit != "" && k.phase == after {
		k.strike(hit)
	}
}

func (k *killer) only(what string, do func() error) error {
	_, err := write(k, what, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// reads are the methods that change nothing for good; the rest are commits.
var reads = strings.Fields(`Racks Rack Select Node Find Components Observation Findings Finding Evidence Waivers Blockers Requests Request Sightings
	Locks Intents Faults Asked Unsettled Shards Run ListRuns Batches Reserve Bound Lines Document Ref Refs Person Persons Token Entries Head Load Close`)

// TestKillerCountsEveryWrite: a method that is new in inventory.Store is either
// a read, or a commit that can be killed at.
func TestKillerCountsEveryWrite(t *testing.T) {
	store := reflect.TypeFor[inventory.Store]()
	own := reflect.TypeFor[*killer]()
	inner := reflect.TypeFor[killer]().Field(0)
	if inner.Name != "Store" || !inner.Anonymous {
		t.Fatal("the decorator no longer embeds the Store")
	}
	writes := 0
	for i := range store.NumMethod() {
		name := store.Method(i).Name
		m, _ := own.MethodByName(name)
		file, _ := sourceOf(m.Func)
		counted := strings.HasSuffix(file, "_test.go")
		if counted == slices.Contains(reads, name) {
			t.Errorf("%s: counted %v, in the list of reads %v (%s)", name, counted, !counted, file)
		}
		if counted {
			writes++
		}
	}
	t.Logf("%d write methods are counted, %d methods only read", writes, store.NumMethod()-writes)
}

func (k *killer) Late(ctx context.Context, id inventory.IntentID, detail string) error {
	return k.only("Late", func() error { return k.Store.Late(ctx, id, detail) })
}

func (k *killer) Expect(ctx context.Context, m inventory.Manifest, p inventory.PersonID) error {
	return k.only("Expect", func() error { return k.Store.Expect(ctx, m, p) })
}

func (k *killer) Observe(ctx context.Context, o inventory.Observation) ([]inventory.Finding, error) {
	return write(k, "Observe "+string(o.Source), func() ([]inventory.Finding, error) { return k.Store.Observe(ctx, o) })
}

func (k *killer) Sight(ctx context.Context, s inventory.Sighting) error {
	return k.only("Sight", func() error { return k.Store.Sight(ctx, s) })
}

func (k *killer) Bind(ctx context.Context, n inventory.NodeID, e inventory.Endpoint) error {
	return k.only("Bind", func() error { return k.Store.Bind(ctx, n, e) })
}

func (k *killer) File(ctx context.Context, e inventory.Evidence) (inventory.EvidenceID, error) {
	return write(k, "File "+string(e.Gate), func() (inventory.EvidenceID, error) { return k.Store.File(ctx, e) })
}

func (k *killer) Waive(ctx context.Context, w inventory.Waiver) (inventory.WaiverID, error) {
	return write(k, "Waive", func() (inventory.WaiverID, error) { return k.Store.Waive(ctx, w) })
}

func (k *killer) Dispose(ctx context.Context, f inventory.FindingID, d string, p inventory.PersonID) error {
	return k.only("Dispose", func() error { return k.Store.Dispose(ctx, f, d, p) })
}

func (k *killer) Hold(ctx context.Context, s inventory.Subject, h inventory.Hold) error {
	return k.only("Hold", func() error { return k.Store.Hold(ctx, s, h) })
}

func (k *killer) Lift(ctx context.Context, s inventory.Subject, h inventory.HoldName, p inventory.PersonID, why string) error {
	return k.only("Lift", func() error { return k.Store.Lift(ctx, s, h, p, why) })
}

func (k *killer) Ask(ctx context.Context, r inventory.Request) (inventory.Request, error) {
	return write(k, "Ask "+string(r.Op), func() (inventory.Request, error) { return k.Store.Ask(ctx, r) })
}

func (k *killer) Wake(ctx context.Context, s inventory.Subject) error {
	return k.only("Wake", func() error { return k.Store.Wake(ctx, s) })
}

func (k *killer) Overtake(ctx context.Context, c inventory.Claim, why string) error {
	return k.only("Overtake", func() error { return k.Store.Overtake(ctx, c, why) })
}

func (k *killer) BreakLock(ctx context.Context, s inventory.Subject, p inventory.PersonID, why string) error {
	return k.only("BreakLock", func() error { return k.Store.BreakLock(ctx, s, p, why) })
}

func (k *killer) Claim(ctx context.Context, h inventory.Holder, n int) ([]inventory.Claim, error) {
	claims, err := k.Store.Claim(ctx, h, n)
	if len(claims) > 0 && k.phase != before {
		k.done(k.open("Claim"))
	}
	return claims, err
}

func (k *killer) Renew(ctx context.Context, c inventory.Claim) (inventory.Claim, error) {
	return write(k, "Renew", func() (inventory.Claim, error) { return k.Store.Renew(ctx, c) })
}

func (k *killer) Lock(ctx context.Context, c inventory.Claim, s ...inventory.Subject) error {
	return k.only("Lock", func() error { return k.Store.Lock(ctx, c, s...) })
}

func (k *killer) Answer(ctx context.Context, c inventory.Claim, r inventory.RunID, l inventory.RequestLine) error {
	return k.only("Answer", func() error { return k.Store.Answer(ctx, c, r, l) })
}

func (k *killer) Begin(ctx context.Context, c inventory.Claim, i inventory.Intent) (inventory.IntentID, error) {
	k.begun.Add(1) // before it is open: better one intent too many
	id, err := write(k, "Begin "+word(i.Effect), func() (inventory.IntentID, error) { return k.Store.Begin(ctx, c, i) })
	if err != nil {
		k.begun.Add(-1)
	}
	return id, err
}

// Apply names the point by what the change leaves: an event, or the step of the
// operation, and a settled intent with its outcome.
func (k *killer) Apply(ctx context.Context, c inventory.Claim, x inventory.Change) error {
	what := "Apply"
	if x.Event != nil {
		what += " event " + string(x.Event.Kind)
	}
	if x.Operation != nil {
		what += " " + string(x.Operation.Kind)
	} else if c.Run != "" {
		what += " end of run"
	}
	if x.Settles != "" {
		what += " settles " + string(x.Outcome)
	}
	err := k.only(what, func() error { return k.Store.Apply(ctx, c, x) })
	if err == nil && x.Settles != "" && k.begun.Load() > 0 && (x.Outcome == inventory.OutcomeOK || x.Outcome == inventory.OutcomeFailed) {
		k.begun.Add(-1) // perhaps one that an earlier process began; then a blow falls earlier
	}
	return err
}

func (k *killer) StartRun(ctx context.Context, c inventory.Claim, op inventory.OpKind, parent inventory.RunID, plan inventory.Digest) (inventory.RunID, error) {
	return write(k, "StartRun "+string(op), func() (inventory.RunID, error) { return k.Store.StartRun(ctx, c, op, parent, plan) })
}

func (k *killer) Append(ctx context.Context, b inventory.Batch) error {
	return k.only("Append", func() error { return k.Store.Append(ctx, b) })
}

func (k *killer) Confirm(ctx context.Context, b inventory.Binding) (inventory.Binding, error) {
	return write(k, "Confirm", func() (inventory.Binding, error) { return k.Store.Confirm(ctx, b) })
}

func (k *killer) Quarantine(ctx context.Context, a netip.Addr, d time.Duration) error {
	return k.only("Quarantine", func() error { return k.Store.Quarantine(ctx, a, d) })
}

func (k *killer) Release(ctx context.Context, h inventory.Hint) error {
	return k.only("Release", func() error { return k.Store.Release(ctx, h) })
}

func (k *killer) Note(ctx context.Context, l inventory.BootLine) error {
	return k.only("Note", func() error { return k.Store.Note(ctx, l) })
}

func (k *killer) Redeem(ctx context.Context, d inventory.Digest, h inventory.Hint) error {
	return k.only("Redeem", func() error { return k.Store.Redeem(ctx, d, h) })
}

func (k *killer) Put(ctx context.Context, kind inventory.DocKind, raw []byte) (inventory.Digest, error) {
	return write(k, "Put "+string(kind), func() (inventory.Digest, error) { return k.Store.Put(ctx, kind, raw) })
}

func (k *killer) SetRef(ctx context.Context, r inventory.Ref) (inventory.Ref, error) {
	return write(k, "SetRef", func() (inventory.Ref, error) { return k.Store.SetRef(ctx, r) })
}

func (k *killer) SavePerson(ctx context.Context, p inventory.Person) error {
	return k.only("SavePerson", func() error { return k.Store.SavePerson(ctx, p) })
}

func (k *killer) SaveToken(ctx context.Context, t inventory.Token) error {
	return k.only("SaveToken", func() error { return k.Store.SaveToken(ctx, t) })
}

// Sealed commits, too: each reading of a secret is an event.
func (k *killer) Sealed(ctx context.Context, name string) (raw []byte, version int64, err error) {
	err = k.only("Sealed", func() error { raw, version, err = k.Store.Sealed(ctx, name); return err })
	return raw, version, err
}

func (k *killer) Seal(ctx context.Context, name string, raw []byte, version int64) error {
	return k.only("Seal", func() error { return k.Store.Seal(ctx, name, raw, version) })
}

func (k *killer) Save(ctx context.Context, endpoint string, state []byte) error {
	return k.only("Save", func() error { return k.Store.Save(ctx, endpoint, state) })
}

// word is the start of a sentence: enough to tell a flash from a reset.
func word(s string) string {
	f := strings.Fields(s)
	return strings.Join(f[:min(2, len(f))], " ")
}
