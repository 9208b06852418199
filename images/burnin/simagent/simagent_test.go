package simagent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rackwright/rackwright/images/burnin"
	"github.com/rackwright/rackwright/images/burnin/plan"
	"github.com/rackwright/rackwright/images/burnin/tool"
	"github.com/rackwright/rackwright/inventory"
)

// desk is a record in memory: the rules of the protocol without a database.
type desk struct {
	mu       sync.Mutex
	profile  burnin.Profile
	used     bool
	samples  []burnin.Sample
	observed []inventory.Observation
	lose     int // answers that get lost after they were stored
	resolve  func(inventory.Observation) (burnin.Profile, error)
}

func (d *desk) Redeem(_ context.Context, token inventory.Secret, h burnin.Hello) (burnin.Assignment, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if token.Reveal() != "boot-token" {
		return burnin.Assignment{}, inventory.ErrDenied
	}
	if d.used {
		return burnin.Assignment{}, burnin.ErrRedeemed
	}
	if !h.Simulated {
		return burnin.Assignment{}, fmt.Errorf("the simulator does not say so: %w", inventory.ErrInvalid)
	}
	d.used = true
	d.observed = append(d.observed, h.Observation)
	var err error
	if d.profile, err = d.resolve(h.Observation); err != nil {
		return burnin.Assignment{}, err
	}
	return d.assignment(), nil
}

func (d *desk) assignment() burnin.Assignment {
	return burnin.Assignment{Run: "run1", Profile: d.profile, Digest: d.profile.Digest(), Next: uint64(len(d.samples)) + 1, Heartbeat: burnin.Span(time.Minute)}
}

func (d *desk) Assignment(context.Context, inventory.RunID) (burnin.Assignment, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.assignment(), nil
}

func (d *desk) Observe(_ context.Context, _ inventory.RunID, o inventory.Observation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.observed = append(d.observed, o)
	return nil
}

func (d *desk) Append(_ context.Context, _ inventory.RunID, b burnin.Batch) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := uint64(len(d.samples)) + 1
	fresh, err := b.After(next)
	if err != nil {
		return next, err
	}
	d.samples = append(d.samples, fresh.Samples...)
	if d.lose > 0 {
		d.lose--
		return 0, fmt.Errorf("the answer got lost")
	}
	return uint64(len(d.samples)) + 1, nil
}

func machine() Machine {
	m := Machine{Vendor: "Supermicro", Product: "SYS-821GE-TNHR", Serial: "S123456X4A01234", UUID: "11111111-2222-3333-4444-55555555abcd", BIOS: "2.1",
		CPUs: []CPU{{Slot: "CPU1", Model: "Intel Xeon Platinum 8480C"}, {Slot: "CPU2", Model: "Intel Xeon Platinum 8480C"}}, Controllers: 4}
	for i := range 4 {
		m.DIMMs = append(m.DIMMs, DIMM{Slot: fmt.Sprintf("P1-DIMM%c1", 'A'+i), Vendor: "Samsung", Part: "M321R8GA0BB0", Serial: fmt.Sprintf("80CE0%d7A", i), GiB: 64})
	}
	for i := range 2 {
		m.Drives = append(m.Drives, Drive{Model: "SAMSUNG MZQL23T8HCLS", Serial: fmt.Sprintf("S64HNE0T50%d123", i), Firmware: "GDC5602Q", Bytes: 3840755982336})
		m.NICs = append(m.NICs, NIC{MAC: inventory.MAC(fmt.Sprintf("02:00:00:00:10:%02x", i)), Driver: "mlx5_core", Firmware: "22.36.1010", Mbps: 100000})
	}
	return m
}

// play runs a machine against a real HTTP server and judges what arrived.
func play(t *testing.T, name string, m Machine, d *desk, faults ...Fault) burnin.Verdict {
	t.Helper()
	p, err := plan.Embedded(name)
	if err != nil {
		t.Fatal(err)
	}
	d.resolve = func(o inventory.Observation) (burnin.Profile, error) {
		return burnin.Resolve(p, burnin.Machine{Expected: o.Components, Observed: o.Components, Inband: o.Components})
	}
	log := slog.New(slog.DiscardHandler)
	srv := httptest.NewServer(&burnin.Ingest{Desk: d, Key: inventory.NewSecret("site key"), Log: log})
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a := New(m, Options{Server: srv.URL, HTTP: srv.Client(), Token: inventory.NewSecret("boot-token"), Spool: t.TempDir(), Faults: faults, Log: log})
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return burnin.Judge(d.profile, d.samples)
}

func TestMachinesAreJudged(t *testing.T) {
	all := inventory.ResultPass
	for _, c := range []struct {
		fault  Fault
		plan   string
		gate   inventory.Gate
		result inventory.Result
		says   string
	}{
		{"", "smoke", burnin.GateSuite, all, ""},
		{"", "x86", burnin.GateSuite, all, ""},
		{FaultMemory, "smoke", burnin.GateSuite, inventory.ResultFail, "step memory measured hardware_incidents 1"},
		{FaultMemory, "x86", burnin.GateErrors, inventory.ResultFail, "EDAC MC0: 1 UE"},
		{FaultDrive, "smoke", burnin.GateSuite, inventory.ResultFail, "drive S64HNE0T500123"},
		{FaultDrive, "smoke", burnin.GateErrors, inventory.ResultFail, "critical medium error"},
		{FaultHot, "smoke", burnin.GateThermal, inventory.ResultFail, "measured drive_temp 84 Cel"},
		{FaultKernel, "smoke", burnin.GateErrors, inventory.ResultFail, "Machine Check: 0 Bank 5"},
		{FaultToolMissing, "smoke", burnin.GateSuite, inventory.ResultUnjudged, "could not start stress-ng"},
		{FaultToolBroken, "smoke", burnin.GateSuite, inventory.ResultUnjudged, "step cpu"},
		{FaultToolSilent, "smoke", burnin.GateSuite, inventory.ResultUnjudged, "printed nothing"},
		{FaultPartChanged, "smoke", burnin.GateFingerprint, inventory.ResultFail, "changed between identify and identify-after"},
		{FaultKernelGap, "smoke", burnin.GateErrors, inventory.ResultUnjudged, "not watched without a gap"},
	} {
		t.Run(string(c.fault)+" "+c.plan+" "+string(c.gate), func(t *testing.T) {
			t.Parallel()
			var faults []Fault
			if c.fault != "" {
				faults = []Fault{c.fault}
			}
			v := play(t, c.plan, machine(), &desk{}, faults...)
			g := v.Gate(c.gate)
			if g.Result != c.result || !strings.Contains(g.Sentences(20), c.says) {
				t.Errorf("gate %s is %s: %s", c.gate, g.Result, g.Sentences(20))
			}
			if !v.Simulated {
				t.Error("the verdict does not say that it is simulated")
			}
			if c.fault == "" {
				for _, g := range v.Gates {
					if g.Gate == burnin.GateAccelerator && g.Result == inventory.ResultNotApplicable {
						continue
					}
					if g.Result != all || g.Measured != g.Expected {
						t.Errorf("gate %s of a healthy machine is %s, %d of %d: %s", g.Gate, g.Result, g.Measured, g.Expected, g.Sentences(9))
					}
				}
			} else if v.Result == all {
				t.Errorf("fault %s passed", c.fault)
			}
		})
	}
}

// TestDriveIsNamed: the verdict names the drive by its serial, and its healthy
// neighbour is no suspect.
func TestDriveIsNamed(t *testing.T) {
	v := play(t, "smoke", machine(), &desk{}, FaultDrive)
	want := burnin.Entity{Kind: burnin.EntityDrive, ID: "S64HNE0T500123"}
	if !slices.Equal(v.Suspects, []burnin.Entity{want}) {
		t.Errorf("suspects %v, want %v", v.Suspects, want)
	}
	for _, c := range v.Checks {
		if c.Test == "disk-health" && c.Result == inventory.ResultFail {
			t.Errorf("SMART must not be the reason: %+v", c)
		}
	}
}

// TestAcceleratorsAreNotTested: the x86 plan leaves a machine with GPUs unjudged.
func TestAcceleratorsAreNotTested(t *testing.T) {
	m := machine()
	m.GPUs = 8
	v := play(t, "x86", m, &desk{})
	for _, g := range v.Gates {
		want := inventory.ResultPass
		if g.Gate == burnin.GateAccelerator {
			want = inventory.ResultUnjudged
		}
		if g.Result != want {
			t.Errorf("gate %s is %s: %s", g.Gate, g.Result, g.Sentences(3))
		}
	}
	if v.Result != inventory.ResultUnjudged || !strings.Contains(v.Gate(burnin.GateAccelerator).Sentences(1), "8 accelerators") {
		t.Errorf("%s: %s", v.Result, v.Gate(burnin.GateAccelerator).Sentences(1))
	}
}

// wire keeps every body an agent sends.
type wire struct {
	next   http.Handler
	mu     sync.Mutex
	bodies map[string][]byte // by last path element, all of them joined
}

// ServeHTTP implements http.Handler.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	w.bodies[path.Base(r.URL.Path)] = append(w.bodies[path.Base(r.URL.Path)], b...)
	w.mu.Unlock()
	r.Body = io.NopCloser(bytes.NewReader(b))
	w.next.ServeHTTP(rw, r)
}

// TestNoVerdictOnTheWire: everything an agent sends is a hello, a reading or a
// batch of samples and nothing beside it; none of these types has a field that
// could say pass or fail.
func TestNoVerdictOnTheWire(t *testing.T) {
	d := &desk{}
	p, err := plan.Embedded("smoke")
	if err != nil {
		t.Fatal(err)
	}
	d.resolve = func(o inventory.Observation) (burnin.Profile, error) {
		return burnin.Resolve(p, burnin.Machine{Observed: o.Components, Inband: o.Components})
	}
	log := slog.New(slog.DiscardHandler)
	w := &wire{next: &burnin.Ingest{Desk: d, Key: inventory.NewSecret("site key"), Log: log}, bodies: map[string][]byte{}}
	srv := httptest.NewServer(w)
	defer srv.Close()
	a := New(machine(), Options{Server: srv.URL, HTTP: srv.Client(), Token: inventory.NewSecret("boot-token"), Spool: t.TempDir(), Log: log, Faults: []Fault{FaultDrive}})
	if err := a.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, into := range map[string]func() any{"hello": func() any { return new(burnin.Hello) }, "samples": func() any { return new(burnin.Batch) }, "observation": func() any { return new(inventory.Observation) }} {
		dec, n := json.NewDecoder(bytes.NewReader(w.bodies[name])), 0
		dec.DisallowUnknownFields()
		for ; dec.More(); n++ {
			if err := dec.Decode(into()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if n == 0 {
			t.Errorf("no %s was sent", name)
		}
	}
	for _, v := range []any{burnin.Hello{}, burnin.Batch{}, burnin.Sample{}, burnin.End{}, burnin.Exec{}, burnin.Value{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if f.Type == reflect.TypeFor[inventory.Result]() || strings.Contains(strings.ToLower(f.Name), "verdict") {
				t.Errorf("%T has field %s", v, f.Name)
			}
		}
	}
}

// TestPace: a smoke run lasts four paces whatever the machine carries, and
// shows the same as one that is not slowed.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := machine()
		s := &state{m: m, pace: 3 * time.Second, kernel: make(chan burnin.KernelLine, 8)}
		began := time.Now()
		for _, name := range []string{"dmidecode", "lspci", "ethtool"} {
			s.Start(t.Context(), tool.Command{Name: name, Args: []string{"-i", "eth0"}})
		}
		for i := range m.Drives {
			dev := fmt.Sprintf("/dev/nvme%dn1", i)
			s.Start(t.Context(), tool.Command{Name: "fio", Args: []string{"--filename=" + dev, "--size=1048576"}})
			s.Start(t.Context(), tool.Command{Name: "smartctl", Args: []string{"-j", "-a", dev}})
		}
		s.Start(t.Context(), tool.Command{Name: "stressapptest", Args: []string{"-M", "64", "-s", "5"}})
		s.Start(t.Context(), tool.Command{Name: "stress-ng", Args: []string{"--cpu", "0", "--timeout", "3s"}})
		if took := time.Since(began); took != 12*time.Second {
			t.Errorf("a smoke run takes %s", took)
		}
	})
}

// TestLostAnswers: batches whose answer got lost are sent again and count once.
func TestLostAnswers(t *testing.T) {
	d := &desk{lose: 4}
	if v := play(t, "smoke", machine(), d); v.Result != inventory.ResultPass {
		t.Errorf("%s: %s", v.Result, v.Gate(burnin.GateSuite).Sentences(3))
	}
	if d.lose != 0 {
		t.Errorf("%d answers were not lost", d.lose)
	}
}
