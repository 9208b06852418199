package killtest_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/virtualrack"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/sqlstore"
)

// state is what must be the same with and without a kill.
type state struct {
	milestones []string
	gates      []string // gates by their newest valid evidence
	flashes    []string // components and digest, by BMC
	resets     []string // activations, by node
}

func (s state) differs(want state) []string {
	var out []string
	for _, x := range []struct {
		what      string
		got, want []string
	}{{"milestones", s.milestones, want.milestones}, {"gates", s.gates, want.gates}, {"flashes", s.flashes, want.flashes}, {"resets", s.resets, want.resets}} {
		for _, line := range x.want {
			if !slices.Contains(x.got, line) {
				out = append(out, fmt.Sprintf("%s: %s is missing", x.what, line))
			}
		}
		for _, line := range x.got {
			if !slices.Contains(x.want, line) {
				out = append(out, fmt.Sprintf("%s: %s was not in the undisturbed run", x.what, line))
			}
		}
	}
	return out
}

func (e *ending) fault(format string, args ...any) {
	e.faults = append(e.faults, fmt.Sprintf(format, args...))
}

// judge reads record and BMCs after the end, and lists what must not be.
func (e *ending) judge(t *testing.T, l *lane, r *virtualrack.Rack, o order) {
	t.Helper()
	dsn := o.Config.Database
	if dsn == "" {
		dsn = filepath.Join(o.Config.Data, "record.db")
	}
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{DSN: dsn, Site: o.Config.Site, MustExist: true, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	wrong, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		e.fault("record: %s", w)
	}
	locks, err := s.Locks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range locks {
		e.fault("lock %s of run %s is left, %s", x.Scope, x.Run, x.State)
	}
	rack, err := s.Rack(t.Context(), rackName)
	if err != nil {
		t.Fatal(err)
	}
	e.state.milestones = append(e.state.milestones, "rack "+string(rack.Milestone))
	e.evidence(t, s, inventory.RackSubject(rack.ID), "rack")
	for n, err := range s.Select(t.Context(), inventory.Selector{All: true}) {
		if err != nil {
			t.Fatal(err)
		}
		slot := n.Address[strings.LastIndex(n.Address, "/")+1:]
		e.state.milestones = append(e.state.milestones, slot+" "+string(n.Milestone))
		e.evidence(t, s, inventory.NodeSubject(n.ID), slot)
		e.runs(t, s, inventory.NodeSubject(n.ID), slot)
		e.intents(t, s, inventory.NodeSubject(n.ID), slot, r)
	}
	slices.Sort(e.state.milestones)
	e.hardware(r)
}

// evidence notes the gates with valid evidence, and its result where it does not pass.
func (e *ending) evidence(t *testing.T, s *sqlstore.Store, on inventory.Subject, name string) {
	t.Helper()
	all, err := s.Evidence(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	last := map[inventory.Gate]inventory.Evidence{}
	for _, x := range all {
		if !x.Void {
			last[x.Gate] = x
		}
	}
	for _, g := range slices.Sorted(maps.Keys(last)) {
		line := name + " " + string(g)
		if r := last[g].Result; r != inventory.ResultPass {
			line += " is " + string(r)
		}
		e.state.gates = append(e.state.gates, line)
	}
}

// runs: every run is over, and none failed because of the restart.
func (e *ending) runs(t *testing.T, s *sqlstore.Store, on inventory.Subject, name string) {
	t.Helper()
	all, err := s.ListRuns(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if x.Ended.IsZero() {
			e.fault("%s: run %s of %s never ended", name, x.ID, x.Op)
		} else if x.Outcome != inventory.OutcomeOK && !strings.HasPrefix(x.Detail, inventory.BrokenOff) {
			e.fault("%s: run %s of %s ended %s: %s", name, x.ID, x.Op, x.Outcome, x.Detail)
		}
	}
}

// intents: all settled, and as many say ok as the BMC saw effects. An intent
// that failed says that nothing was done; the counts prove it. No boot is sent
// twice; a boot that found no server because it was dead is followed by the next
// one, as after any boot that brings no agent, and those are counted.
func (e *ending) intents(t *testing.T, s *sqlstore.Store, on inventory.Subject, name string, r *virtualrack.Rack) {
	t.Helper()
	all, err := s.Intents(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	done, boots := map[string]int{}, map[string]int{}
	activations := 0
	for _, x := range all {
		if !x.Settled {
			e.fault("%s: intent %s (%s) has no outcome", name, x.ID, x.Effect)
		}
		if x.Outcome == inventory.OutcomeOK {
			done[kindOf(x)]++
			switch {
			case x.Op == inventory.OpBurnIn:
				boots[string(x.Run)+" "+x.Step]++
			case kindOf(x) == "reset":
				activations++
			}
		}
	}
	e.state.resets = append(e.state.resets, fmt.Sprintf("%s %d activations", name, activations))
	for step, n := range boots {
		if n > 1 {
			e.fault("%s: %s was done %d times", name, step, n)
		}
	}
	if e.reboots += len(boots) - 1; len(boots) > 1+len(e.kills) {
		e.fault("%s: %d boots for %d kills", name, len(boots), len(e.kills))
	}
	c := r.Fleet().BMC(rackName + "-" + name).Counters()
	seen := map[string]int{"flash": len(c.Flashes), "password": c.PasswordChanges, "reset": c.ResetCount() + switchedOn(c.Resets)}
	for _, k := range []string{"flash", "password", "reset"} {
		// No BMC fences a server that slept with its request half sent: it may finish
		// its flash after the other one settled that intent as not done, which then
		// finds the new version in place. hardware counts that it is one flash, and the
		// journal has the late word of the one that slept.
		late := e.frozen && k == "flash" && done[k] == 0 && lateWords(t, s) > 0
		if done[k] != seen[k] && !late {
			e.fault("%s: the record says that %d × %s was done, the BMC saw %d", name, done[k], k, seen[k])
		}
	}
}

// lateWords counts what servers reported after their claim was lost.
func lateWords(t *testing.T, s *sqlstore.Store) int {
	t.Helper()
	r, err := s.Rack(t.Context(), rackName)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range s.Entries(t.Context(), inventory.RackSubject(r.ID), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == "intent.late" {
			n++
		}
	}
	return n
}

func kindOf(x inventory.Intent) string {
	switch {
	case strings.HasPrefix(x.Effect, "change the password"):
		return "password"
	case strings.HasPrefix(x.Effect, "flash"):
		return "flash"
	}
	return "reset"
}

func switchedOn(resets map[string]int) int {
	n := 0
	for what, k := range resets {
		if strings.HasSuffix(what, " On") {
			n += k
		}
	}
	return n
}

// hardware is what the BMCs saw (redfish.md §9, lifecycle.md §15).
func (e *ending) hardware(r *virtualrack.Rack) {
	for _, b := range r.Fleet().BMCs() {
		name := b.Name()
		c := b.Counters()
		for _, f := range c.Flashes {
			e.state.flashes = append(e.state.flashes, fmt.Sprintf("%s %s %s", name, strings.Join(f.Components, " "), f.Digest))
		}
		want := 0
		if name == rackName+"-C01" {
			want = 1
		}
		if len(c.Flashes) != want {
			e.fault("%s: %d flashes, %d planned", name, len(c.Flashes), want)
		}
		if c.CutUploads > 1 || c.CutUploads == 1 && len(e.kills) == 0 {
			e.fault("%s: %d cut uploads", name, c.CutUploads)
		}
		if c.PasswordChanges != 1 && !(e.partial && want == 0) {
			e.fault("%s: %d password changes", name, c.PasswordChanges)
		}
		if c.BankInterrupt > 0 || c.RefusedPayloads > 0 || c.RefusedBusy > 0 && !e.frozen || c.Lockouts > 0 {
			e.fault("%s: %d bank writes interrupted, %d packages refused, %d refused as busy, %d lock-outs", name, c.BankInterrupt, c.RefusedPayloads, c.RefusedBusy, c.Lockouts)
		}
		for _, n := range c.WrongBySecret {
			if n > 1 {
				e.fault("%s: %d wrong logins with one secret", name, n)
			}
		}
		if c.InFlightMax > 2 || c.WritersMax > 1 && !e.frozen {
			e.fault("%s: %d requests at once, %d writers at once", name, c.InFlightMax, c.WritersMax)
		}
	}
	slices.Sort(e.state.resets)
}
