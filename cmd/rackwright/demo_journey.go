package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rackwright/rackwright/cmd/rackwright/internal/api"
	"github.com/rackwright/rackwright/inventory"
	"github.com/rackwright/rackwright/inventory/handover"
	"github.com/rackwright/rackwright/inventory/lifecycle"
)

//go:embed demo/*.yaml
var demoFiles embed.FS

// journey is the whole way: import, receive, sign what people sign, wait for
// what machines do, hand over, verify, attack. A rack that nobody and nothing
// moves any more is not accepted, and that is an answer, too.
func (a *app) journey(ctx context.Context, s *stage, o demoOptions) error {
	manifest, err := demoFiles.ReadFile("demo/paper.yaml")
	if s.rack != nil {
		manifest, err = s.rack.Manifest()
	}
	if err != nil {
		return fmt.Errorf("demo manifest: %w", err)
	}
	done, err := s.crew.tess.Import(ctx, manifest, false)
	if err != nil {
		return err
	}
	a.say("imported %s: %d nodes, %d parts", strings.Join(done.Racks, ","), done.Nodes, done.Parts)
	told := newTold(a)
	for {
		d, err := s.crew.tess.Rack(ctx, demoRack)
		if err != nil {
			return err
		}
		told.changes(d)
		s.crew.pace = told.pause()
		if d.Milestone == inventory.RackHandedOver && (handedOver(d) || told.still(d)) { // its members take the last step one by one
			a.leftOut(d)
			break
		}
		worked, err := s.crew.work(ctx, d)
		if err != nil {
			return err
		}
		if worked {
			continue
		}
		if told.still(d) {
			return errors.Join(a.notAccepted(d), a.counters(s))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the demo was not over in time, the rack is at %s; see rackwright describe: %w", d.Milestone, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err := a.counters(s); err != nil {
		return err
	}
	return a.prove(ctx, s.crew, o)
}

// A rack stands still after stillFor without operation or change, or after so
// many times the longest pause before a change: a busy machine is slow, and its
// rack is no less acceptable for it.
const (
	stillFor   = 10 * time.Second
	stillTimes = 10
)

// notAccepted says what keeps the rack where it stands, and who must act.
func (a *app) notAccepted(d api.RackDetail) error {
	behind := map[string]bool{string(d.ID): true}
	for _, s := range d.Slots {
		behind[string(s.Node.ID)] = lifecycle.Rank(s.Node.Milestone) < lifecycle.Rank(inventory.NodeBurnedIn)
	}
	for _, b := range d.Blockers {
		if !behind[b.Subject.ID] {
			continue
		}
		a.say("blocked, %s: %s", b.Owner, inventory.Sentence(b.Fix, b.Args))
	}
	return &findings{what: fmt.Sprintf("rack %s is not accepted; it stands at %s", d.Name, d.Milestone)}
}

// counters are what the simulated BMCs saw, beside what the record says.
func (a *app) counters(s *stage) error {
	if s.rack == nil {
		return nil
	}
	for _, line := range s.rack.Counters() {
		a.say("%s", line)
	}
	return s.rack.Check()
}

func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.out, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// told prints each change once.
type told struct {
	a    *app
	last time.Time     // of the newest change, or of a running operation
	slow time.Duration // the longest pause before a change
	rack inventory.RackMilestone
	node map[string]string // by slot: where it stands, and what it waits for
	find map[inventory.FindingID]bool
}

func newTold(a *app) *told {
	return &told{a: a, last: time.Now(), node: map[string]string{}, find: map[inventory.FindingID]bool{}}
}

// still: nothing runs, and nothing has changed for so long that nothing will.
func (t *told) still(d api.RackDetail) bool {
	for _, s := range d.Slots {
		if s.Node.Operation != nil {
			t.last = time.Now()
		}
	}
	return time.Since(t.last) > t.pause()
}

// pause is how long a rack may pause without standing still.
func (t *told) pause() time.Duration { return max(stillFor, stillTimes*t.slow) }

func (t *told) changed() {
	t.slow, t.last = max(t.slow, time.Since(t.last)), time.Now()
}

func (t *told) changes(d api.RackDetail) {
	moved := map[string][]string{}
	var order []string
	for _, s := range d.Slots {
		if s.Node.ID == "" {
			continue // a slot that nothing was ordered for
		}
		now := string(s.Node.Milestone)
		if op := s.Node.Operation; op != nil {
			now += " · " + string(op.Kind) + " " + op.Step
			if s.Node.NeverPowerOff {
				now += " (do not power off)"
			}
		}
		for _, h := range s.Node.Holds {
			now += " · HOLD " + string(h.Name)
		}
		if w := s.Slot.Path + " waits"; t.node[w] != s.Node.Waits { // who must act has changed: something was looked at
			t.node[w] = s.Node.Waits
			t.changed()
		}
		if t.node[s.Slot.Path] != now {
			t.node[s.Slot.Path] = now
			t.changed()
			if moved[now] == nil {
				order = append(order, now)
			}
			moved[now] = append(moved[now], s.Slot.Path)
		}
	}
	for _, now := range order {
		t.a.say("%-40s %s", strings.Join(moved[now], " "), now)
	}
	for _, f := range d.Findings {
		if !t.find[f.ID] {
			t.find[f.ID] = true
			t.changed()
			t.a.say("%s: finding %s, %s: %s", place(d, f), f.Kind, f.Owner, inventory.Sentence(f.Fix, f.Args))
		}
	}
	if t.rack != d.Milestone {
		t.rack = d.Milestone
		t.changed()
		t.a.say("rack %s is %s", d.Name, d.Milestone)
	}
}

// place is where a finding is: its slot, or the rack.
func place(d api.RackDetail, f inventory.Finding) string {
	for _, s := range d.Slots {
		if f.Node != "" && s.Node.ID == f.Node {
			return s.Slot.Path
		}
	}
	return d.Name
}

// handedOver: every member that was accepted is handed over too.
func handedOver(d api.RackDetail) bool {
	return !slices.ContainsFunc(d.Slots, func(s api.SlotLine) bool { return s.Node.Milestone == inventory.NodeAccepted })
}

// leftOut says which members are not in the handover, and who must act on them.
func (a *app) leftOut(d api.RackDetail) {
	for _, s := range d.Slots {
		if m := s.Node.Milestone; s.Node.ID != "" && lifecycle.Rank(m) < lifecycle.Rank(inventory.NodeAccepted) { // the last step of the others may still be under way
			a.say("not handed over: %s, it stands at %s; %s", s.Slot.Path, m, orDash(s.Node.Waits))
		}
	}
}

// prove verifies the package as a stranger would, and then runs every attack
// of the list against it.
func (a *app) prove(ctx context.Context, c *crew, o demoOptions) error {
	var pack bytes.Buffer
	if _, err := c.ada.Package(ctx, demoRack, &pack); err != nil {
		return err
	}
	file := filepath.Join(o.data, demoRack+"-handover.zip")
	if err := os.WriteFile(file, pack.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the package: %w", err)
	}
	key, err := c.ada.Key(ctx)
	if err != nil {
		return err
	}
	trust := handover.Trust{Fingerprints: []inventory.Digest{key.Fingerprint}}
	report := handover.VerifyPackage(bytes.NewReader(pack.Bytes()), int64(pack.Len()), trust)
	a.say("package %s: %d bytes, %d gates", filepath.Base(file), pack.Len(), len(report.Certificate.Gates))
	a.say("verify: %s", report.Verdict())
	if !report.Verified() {
		return &findings{what: report.Verdict()}
	}
	if err := a.covered(ctx, c, report.Certificate); err != nil {
		return err
	}
	if o.vm {
		if err := errors.Join(a.citations(pack.Bytes(), report.Certificate, c.image), a.machines(ctx, c, pack.Bytes())); err != nil {
			return err
		}
	}
	if o.quick {
		return nil
	}
	return a.attack(ctx, pack.Bytes(), c.server.DemoKey(), trust, o.attacks)
}

// covered: who is handed over stands on the certificate.
func (a *app) covered(ctx context.Context, c *crew, cert *handover.Certificate) error {
	d, err := c.tess.Rack(ctx, demoRack)
	if err != nil {
		return err
	}
	for _, s := range d.Slots {
		on := slices.ContainsFunc(cert.Members, func(m handover.Member) bool { return m.ID == s.Node.ID })
		if past := lifecycle.Rank(s.Node.Milestone) >= lifecycle.Rank(inventory.NodeAccepted); past && !on {
			return &findings{what: s.Slot.Path + " is " + string(s.Node.Milestone) + " and the certificate does not cover it"}
		}
	}
	return nil
}

// attack runs every attack of the list against the package; one that verifies,
// or that is refused for another entry than the one attacked, is a finding.
func (a *app) attack(ctx context.Context, pack []byte, key ed25519.PrivateKey, trust handover.Trust, loud bool) error {
	attacks, err := handover.Attacks(pack, key)
	if err != nil {
		return err
	}
	a.say("attacks: %d forged packages, each must be refused; this takes a while", len(attacks))
	answers := make([]string, len(attacks))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for i, x := range attacks {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			forged, err := x.Apply(pack)
			if err != nil {
				return fmt.Errorf("attack %s: %w", x.Name, err)
			}
			got := handover.VerifyPackage(bytes.NewReader(forged), int64(len(forged)), trust)
			if got.Verified() || !x.Unknown && (got.Broken == nil || got.Broken.Entry != x.Entry) {
				return &findings{what: fmt.Sprintf("attack %s on %s was answered with %q", x.Name, x.Entry, got.Verdict())}
			}
			answers[i] = fmt.Sprintf("  %-44s %s", x.Name, got.Verdict())
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, line := range answers {
		if loud {
			a.say("%s", line)
		}
	}
	a.say("attacks: %d of %d refused", len(attacks), len(attacks))
	return nil
}
