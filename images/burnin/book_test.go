package burnin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/images/burnin/simagent"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

const testMAC = inventory.MAC("02:00:00:00:10:00")

// site is a real record with one compute node, and a server's end over it.
type site struct {
	store *sqlstore.Store
	book  *burnin.Book
	node  inventory.NodeID
	log   *slog.Logger
}

func newSite(t *testing.T, accelerator inventory.Kind) *site {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: filepath.Join(t.TempDir(), "record.db"), Site: "ams1", Lease: time.Minute, Grace: time.Second})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	kind := inventory.RackType{Name: "one", Version: 1, Accelerator: accelerator, Slots: []inventory.Slot{{Path: "C01", Kind: inventory.KindCompute, U: 1, Height: 1, Required: true}}}
	raw, err := json.Marshal(kind)
	must(t, err)
	digest, err := store.Put(t.Context(), inventory.DocRackType, raw)
	must(t, err)
	s := &site{store: store, node: "A12/C01", log: slog.New(slog.DiscardHandler)}
	must(t, store.Expect(t.Context(), inventory.Manifest{Source: inventory.DigestOf([]byte("list")), Name: "list",
		Racks: []inventory.Rack{{ID: "A12", Name: "A12", Site: "ams1", Type: inventory.Ref{Kind: inventory.DocRackType, Name: kind.Name, Digest: digest, Version: 1}}},
		Nodes: []inventory.Node{{ID: s.node, Rack: "A12", Kind: inventory.KindCompute, Address: "A12/C01", Slot: "C01", Serial: "S123456X4A01234", MACs: []inventory.MAC{testMAC}}}}, "ann"))
	n, err := store.Find(t.Context(), inventory.Hint{MAC: testMAC})
	must(t, err)
	s.node = n.ID // the store gives its own
	s.book = &burnin.Book{Store: store, Token: func(h inventory.Hint, run inventory.RunID, attempt int) inventory.Secret {
		return inventory.NewSecret(fmt.Sprintf("%s %s %d", h.MAC, run, attempt))
	}}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// begin starts a run of a plan as the conductor does: a claim, a run with the
// plan's document, an operation that wants a boot.
func (s *site) begin(t *testing.T, name string, attempt int) inventory.RunID {
	t.Helper()
	p, err := plan.Embedded(name)
	must(t, err)
	raw, err := p.JSON()
	must(t, err)
	digest, err := s.store.Put(t.Context(), inventory.DocProfile, raw)
	must(t, err)
	on := inventory.NodeSubject(s.node)
	must(t, s.store.Wake(t.Context(), on))
	claims, err := s.store.Claim(t.Context(), "server", 10)
	must(t, err)
	i := slices.IndexFunc(claims, func(c inventory.Claim) bool { return c.Subject == on })
	if i < 0 {
		t.Fatalf("node is not due: %v", claims)
	}
	run, err := s.store.StartRun(t.Context(), claims[i], inventory.OpBurnIn, "", digest)
	must(t, err)
	must(t, s.store.Apply(t.Context(), claims[i], inventory.Change{Operation: &inventory.Operation{Run: run, Kind: inventory.OpBurnIn, Plan: digest, Step: "run",
		Boot: &inventory.Boot{Image: "burnin", Run: run, Attempt: attempt, Until: time.Now().Add(time.Hour)}}}))
	return run
}

func (s *site) serve(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(&burnin.Ingest{Desk: s.book, Key: inventory.NewSecret("site key"), Log: s.log})
	t.Cleanup(srv.Close)
	return srv
}

func box() simagent.Machine {
	m := simagent.Machine{Vendor: "Supermicro", Product: "SYS-821GE-TNHR", Serial: "S123456X4A01234", UUID: "11111111-2222-3333-4444-55555555abcd", BIOS: "2.1", Controllers: 2,
		CPUs:   []simagent.CPU{{Slot: "CPU1", Model: "Xeon"}},
		DIMMs:  []simagent.DIMM{{Slot: "P1-DIMMA1", Vendor: "Samsung", Part: "M321R8GA0BB0", Serial: "80CE017A", GiB: 64}},
		Drives: []simagent.Drive{{Model: "SAMSUNG MZQL23T8HCLS", Serial: "S64HNE0T500123", Firmware: "GDC5602Q", Bytes: 3840755982336}},
		NICs:   []simagent.NIC{{MAC: testMAC, Driver: "mlx5_core", Firmware: "22.36.1010", Mbps: 100000}}}
	return m
}

func (s *site) agent(srv *httptest.Server, run inventory.RunID, spool string) *burnin.Agent {
	token := s.book.Token(inventory.Hint{MAC: testMAC}, run, 1)
	return simagent.New(box(), simagent.Options{Server: srv.URL, HTTP: srv.Client(), Token: token, Spool: spool, Log: s.log})
}

// TestBookRunsAndJudges: hello to evidence on the real record.
func TestBookRunsAndJudges(t *testing.T) {
	s := newSite(t, "")
	run := s.begin(t, "smoke", 1)
	if v, _, err := s.book.Judge(t.Context(), run); err != nil || v.Result != inventory.ResultUnjudged {
		t.Fatalf("a run nobody has said hello to is %s, %v", v.Result, err)
	}
	srv := s.serve(t)
	must(t, s.agent(srv, run, t.TempDir()).Run(t.Context()))
	state, err := s.book.State(t.Context(), run)
	must(t, err)
	if !state.Ended || state.Done != state.Total || state.Total < 6 {
		t.Errorf("state %+v", state)
	}
	v, digest, err := s.book.Judge(t.Context(), run)
	must(t, err)
	if v.Result != inventory.ResultPass || !v.Simulated {
		for _, g := range v.Gates {
			t.Errorf("%s %s: %s", g.Gate, g.Result, g.Sentences(5))
		}
	}
	raw, err := s.store.Document(t.Context(), digest)
	must(t, err)
	var again burnin.Verdict
	must(t, json.Unmarshal(raw, &again))
	for _, e := range v.Evidence(burnin.Subject{Node: s.node, Run: run, Attempt: 1, Document: digest, At: time.Now()}) {
		if _, err := s.store.File(t.Context(), e); err != nil {
			t.Errorf("evidence of %s: %v", e.Gate, err)
		}
	}
	_, observed, err := s.store.Components(t.Context(), s.node, inventory.At{})
	must(t, err)
	if len(observed) == 0 {
		t.Error("the in-band inventory is not in the record")
	}
}

// TestTokenIsTradedOnce: another boot with the same token is refused, and a
// wrong token or a stranger's MAC too.
func TestTokenIsTradedOnce(t *testing.T) {
	s := newSite(t, "")
	run := s.begin(t, "smoke", 1)
	srv := s.serve(t)
	must(t, s.agent(srv, run, t.TempDir()).Run(t.Context()))
	refused := func(a *burnin.Agent, code int) {
		t.Helper()
		var answer *burnin.AnswerError
		if err := a.Run(t.Context()); !errors.As(err, &answer) || answer.Code != code {
			t.Errorf("got %v, want %d", err, code)
		}
	}
	second := s.agent(srv, run, t.TempDir())
	second.Hello.BootID = "another boot"
	refused(second, 410)
	must(t, s.agent(srv, run, t.TempDir()).Run(t.Context())) // the same boot: its answer was lost
	wrong := s.agent(srv, run, t.TempDir())
	wrong.Token = inventory.NewSecret("guess")
	refused(wrong, 403)
	stranger := s.agent(srv, run, t.TempDir())
	stranger.Hello.MACs, stranger.Hello.UUID = []inventory.MAC{"02:00:00:00:99:99"}, ""
	refused(stranger, 404)
}

// TestServerRestart: the server is gone in the middle of a run; another one on
// the same record takes the rest, without a gap and without a second hello.
func TestServerRestart(t *testing.T) {
	s := newSite(t, "")
	run := s.begin(t, "smoke", 1)
	first := s.serve(t)
	a := s.agent(first, run, t.TempDir())
	way := &detour{to: first.URL}
	a.HTTP, a.Server = way.client(), "http://server.invalid"
	done := make(chan error, 1)
	way.after = 3 // hello, and two batches
	second := s.serve(t)
	way.then = func() { first.CloseClientConnections(); first.Config.SetKeepAlivesEnabled(false); way.set(second.URL) }
	go func() { done <- a.Run(t.Context()) }()
	must(t, <-done)
	if way.used() < 2 {
		t.Fatal("the second server was never asked")
	}
	v, _, err := s.book.Judge(t.Context(), run)
	must(t, err)
	if v.Result != inventory.ResultPass {
		t.Errorf("%s: %s", v.Result, v.Gate(burnin.GateSuite).Sentences(5))
	}
}

// TestAgentRestart: the agent dies in the middle of a step; the next process of
// the same boot goes on with the ticket and the spool it left.
func TestAgentRestart(t *testing.T) {
	s := newSite(t, "")
	run := s.begin(t, "smoke", 1)
	srv := s.serve(t)
	spool := t.TempDir()
	ctx, kill := context.WithCancel(t.Context())
	a := s.agent(srv, run, spool)
	a.Runner = &dying{Runner: a.Runner, at: "cpu", kill: kill}
	if err := a.Run(ctx); err == nil {
		t.Fatal("the killed agent ended well")
	}
	cut(t, filepath.Join(spool, "samples.jsonl"))
	must(t, s.agent(srv, run, spool).Run(t.Context()))
	samples, err := s.book.Samples(t.Context(), run)
	must(t, err)
	if state, err := s.book.State(t.Context(), run); err != nil || state.Done != state.Total {
		t.Errorf("state %+v, %v", state, err)
	}
	starts, attempts := 0, 0
	for i, x := range samples {
		if x.Seq != uint64(i)+1 {
			t.Fatalf("sample %d stands at place %d", x.Seq, i+1)
		}
		if x.Kind == burnin.SampleStart {
			starts++
		}
		if x.Kind == burnin.SampleBegin && x.Test == "cpu" {
			attempts = x.Attempt
		}
	}
	v, _, err := s.book.Judge(t.Context(), run)
	must(t, err)
	if starts != 2 || attempts != 2 || v.Result != inventory.ResultPass {
		t.Errorf("%d starts, %d attempts at cpu, %s: %s", starts, attempts, v.Result, v.Gate(burnin.GateSuite).Sentences(5))
	}
}

// TestRackTypeWithAccelerators: the record's type has GPUs although nobody saw
// one; the x86 plan leaves the gate unjudged and its evidence says so.
func TestRackTypeWithAccelerators(t *testing.T) {
	s := newSite(t, inventory.KindGPU)
	run := s.begin(t, "x86", 1)
	must(t, s.agent(s.serve(t), run, t.TempDir()).Run(t.Context()))
	v, digest, err := s.book.Judge(t.Context(), run)
	must(t, err)
	if v.Result != inventory.ResultUnjudged || v.Gate(burnin.GateSuite).Result != inventory.ResultPass {
		t.Errorf("%s, suite %s: %s", v.Result, v.Gate(burnin.GateSuite).Result, v.Gate(burnin.GateSuite).Sentences(4))
	}
	for _, e := range v.Evidence(burnin.Subject{Node: s.node, Run: run, Attempt: 1, Document: digest, At: time.Now()}) {
		if e.Gate == burnin.GateAccelerator && (e.Result != inventory.ResultUnjudged || !strings.Contains(e.Detail, "accelerators")) {
			t.Errorf("evidence %+v", e)
		}
	}
}
